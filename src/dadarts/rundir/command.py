"""What a run was begun with, as its log holds it: a command, or a call in Python."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dadarts import files
from dadarts.rundir.contents import LOG

_COMMAND, _CALL = "command: ", "call: "
_LINE = re.compile(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d ({_COMMAND}|{_CALL})(.+)\n")
_FIRST = 50
"""Lines of a log among which the command is looked for."""
_WORD = re.compile(r"""\$'((?:[^'\\]|\\.)*)'|((?:'[^']*'|"[^"]*"|[^\s'"$])+)""")
_PART = re.compile(r"""'([^']*)'|"([^"]*)"|([^'"]+)""")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))")
_STANDS_FOR = {"n": b"\n", "t": b"\t"}


@dataclass(frozen=True)
class Begin:
    """What a run was begun with.

    Args:
        text: a line.
        is_call: whether it is of Python; else it is a shell's.
    """

    text: str
    is_call: bool


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


def words_of(text: str) -> Iterator[str]:
    r"""The words of which `written` has made a line.

    >>> [*words_of("dadarts fit 'two words' $'a\\nb'")]
    ['dadarts', 'fit', 'two words', 'a\nb']
    """
    for match in _WORD.finditer(text):
        escaped, plain = match.groups()
        if plain is None:
            found = _ESCAPE.sub(
                lambda each: bytes.fromhex(each[1].decode()) if each[1] else _STANDS_FOR.get(each[2].decode(), each[2]),
                escaped.encode(),
            )
            yield found.decode(errors="surrogateescape")
        else:
            yield "".join(map("".join, _PART.findall(plain)))


def line(words: Sequence[str]) -> str:
    """The line of a log that says with which command the run was begun, or gone on with."""
    return f"{_COMMAND}{written(words)}"


def line_of_call(text: str) -> str:
    """The line of a log that says with which call in Python the run was begun."""
    return f"{_CALL}{' '.join(text.split())}"


def begun_with(folder: Path) -> Begin | None:
    """The first command or call in the log of a run's folder.

    None where there is none, or it goes on with the run: as of runs begun in Python with a configuration.
    """
    try:
        with files.open_text(LOG.at(folder)) as log:
            found = next(filter(None, map(_LINE.fullmatch, islice(log, _FIRST))), None)
    except (OSError, ValueError):
        return None
    if found is None:
        return None
    begin = Begin(found[2], found[1] == _CALL)
    return None if not begin.is_call and any(map(_goes_on, words_of(begin.text))) else begin


def _goes_on(word: str) -> bool:
    return word.startswith("-") and word.lstrip("-").partition("=")[0] == "resume"
