"""A signal that comes while a command is still being imported: one line and an exit code, not a traceback.

Imports nothing but what the interpreter has already, so that little can come before it.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


def answer_signals(prog: str) -> None:
    """From now on SIGINT and SIGTERM end this process at once, until a run waits for its step to end instead.

    Nothing is raised: an exception in the midst of an import may be swallowed, or printed by whoever runs the import.
    """

    def stop(number: int, _: object) -> None:
        if prints():
            os.write(2, f"{prog}: stopped before a run was begun\n".encode())
        os._exit(128 + number)

    answer_with(stop)


def answer_with(handler: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """From now on SIGINT and SIGTERM call this, but what is ignored stays so. Returns what they called before."""
    # A command in the background of a script is told by its shell to ignore ^C.
    heard = [number for number in _NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heard}


def prints() -> bool:
    """Whether this process prints: of those that a launcher started, the first alone.

    With a rank and world size that no launcher sets it does, so that their refusal is seen.
    """
    numbers = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE")]
    if not all(number.isascii() and number.isdecimal() and len(number) < 9 for number in numbers):
        return True
    rank, count = map(int, numbers)
    return not 0 < rank < count


def ignore_signals() -> None:
    """The command has ended: a signal during the interpreter's shutdown prints nothing."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)
