"""What a fuzzer is, and what it may make of an input."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random

from dadarts.errors import RunError
from tests.commands import ENTRY_POINTS

LONGEST_LINE = 1000


@dataclass(frozen=True)
class Fuzzer:
    """Makes an input from a seed and gives it to dadarts.

    `use` accepts an input by returning and refuses it by a `DadartsError` of one short line (which `command` raises
    for a command line). All else is a fault: another exception, an `AssertionError` of the fuzzer's own among them, a
    crash, more seconds or more memory than there are.

    Args:
        make: writes the input of a draw into an empty folder; `base` is what `prepare` has made.
        use: reads it from there. It runs in that folder, with no other state than what earlier inputs left behind.
        prepare: makes once, in an empty folder, what inputs are made from.
        tests: how many seeds `make test` tries.
        seconds: how long `make` and `use` may take together.
        memory: bytes that they may take besides what imported libraries do.
    """

    name: str
    make: Callable[[Random, Path, Path], None]
    use: Callable[[Path], None]
    prepare: Callable[[Path], None] | None = None
    tests: int = 100
    seconds: float = 20.0
    memory: int = 2 << 30


def command(entry: str, *words: str) -> str:
    """Run a command in this process, and check how it speaks; its standard output.

    Raises:
        RunError: it ended with 1 or 2, or as after a signal, and said why in one line.
    """
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = ENTRY_POINTS[entry](words)
        except SystemExit as helped:
            code = int(helped.code or 0)
    said = err.getvalue()
    if "Traceback (most recent call last)" in said:
        raise AssertionError(f"a traceback on standard error: {said[-3000:]}")
    long = [line for line in said.splitlines() if len(line) > LONGEST_LINE]
    if long:
        raise AssertionError(f"a line of {len(long[0])} characters on standard error: {long[0][:300]}")
    if code == 0:
        return out.getvalue()
    if code not in (1, 2):
        raise AssertionError(f"exit code {code}: {said[-1000:]}")
    if not said.strip():
        raise AssertionError(f"exit code {code}, and not a word")
    raise RunError(said.splitlines()[-1])
