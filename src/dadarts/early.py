"""A signal that comes while a command is still being imported: one line and an exit code, not a traceback.

Imports nothing but what the interpreter has already, so that little can come before it.
"""

from __future__ import annotations

import os
import signal

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


def answer_signals(prog: str) -> None:
    """From now on SIGINT and SIGTERM end this process at once, until a run waits for its step to end instead.

    Nothing is raised: an exception in the midst of an import may be swallowed, or printed by whoever runs the import.
    """

    def stop(number: int, _: object) -> None:
        # Of several processes the first one speaks.
        if os.environ.get("RANK", "0") == "0":
            os.write(2, f"{prog}: stopped before a run was begun\n".encode())
        os._exit(128 + number)

    for number in _NUMBERS:
        # A command in the background of a script is told by its shell to ignore ^C.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def ignore_signals() -> None:
    """All is done and said: what the interpreter has still to tidy up is not worth a line."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)
