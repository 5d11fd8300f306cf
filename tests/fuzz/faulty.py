"""A program with every fault that a fuzzer looks for, one in each fuzzer."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from random import Random

from dadarts.errors import InputError
from tests.fuzz.fuzzer import Fuzzer


def _word(draw: Random, base: Path, folder: Path) -> None:
    (folder / "word").write_text(str(draw.random()))


def _accepts(folder: Path) -> None:
    assert float((folder / "word").read_text()) < 1


def _refuses(folder: Path) -> None:
    raise InputError("give another word")


class _UncutError(InputError):
    """A refusal that says what it was given as it is."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._text = text

    def __str__(self) -> str:
        return self._text


def _speaks_two_lines(folder: Path) -> None:
    raise _UncutError("one\ntwo")


def _speaks_at_length(folder: Path) -> None:
    raise _UncutError("x" * 1001)


def _raises(folder: Path) -> None:
    raise KeyError("word")


def _exits(folder: Path) -> None:
    sys.exit(2)


def _hangs(folder: Path) -> None:
    time.sleep(1000)


def _crashes(folder: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _eats_memory(folder: Path) -> None:
    bytearray(10**10)


FUZZERS = tuple(
    Fuzzer(use.__name__.removeprefix("_"), _word, use, seconds=0.5)
    for use in (
        *(_accepts, _refuses, _speaks_two_lines, _speaks_at_length, _raises, _exits, _hangs, _crashes),
        _eats_memory,
    )
)
