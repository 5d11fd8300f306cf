"""The command that a run was begun with, as its log holds it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from dadarts import files
from dadarts.rundir.contents import LOG

_MARK = "command: "
_LINE = re.compile(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {_MARK}(.+)\n")
_FIRST = 50
"""Lines of a log among which the command is looked for."""


def written(words: Sequence[str]) -> str:
    r"""A command on one line, as a shell reads it.

    >>> print(written(["dadarts", "search", "--name", "two words"]))
    dadarts search --name 'two words'
    >>> print(written(["a\nb"]))
    $'a\nb'
    """
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    """A word that `shlex.quote` would write over several lines, in the shell's own escapes."""
    bytes_ = word.encode(errors="surrogateescape")
    escapes = {ord("\n"): r"\n", ord("\t"): r"\t", ord("'"): r"\'", ord("\\"): r"\\"}
    return "$'" + "".join(escapes.get(b, chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in bytes_) + "'"


def line(words: Sequence[str]) -> str:
    """The line of a log that says with which command the run was begun, or gone on with."""
    return f"{_MARK}{written(words)}"


def begun_with(folder: Path) -> str | None:
    """The first command in the log of a run's folder; None where there is none, as of runs begun in Python."""
    try:
        with files.open_text(LOG.at(folder)) as log:
            found = next(filter(None, map(_LINE.fullmatch, islice(log, _FIRST))), None)
    except (OSError, ValueError):
        return None
    return None if found is None else found[1]
