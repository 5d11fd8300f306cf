"""The exception tree: what can go wrong, and what a command answers to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

_LONGEST = 500
_FEW = 4
# A compiler's and a launcher's own flags have a capital or single letter, an equals sign, two dashes, or are of those
# that build.py gives; a path goes on with a slash or a dot.
MARK = re.compile(r"(?<![^\s'\"`(])(--?)(?!fopenmp\b|fPIC\b|shared\b|inf\b|nan\b)([a-z]\w+)(?![\w=/-]|\.\w)")
"""A setting in a message: its name with one dash or two before it."""
_STEERING = frozenset({"resume", "overwrite"})


def in_python(marked: str) -> str:
    """A message with its settings named as they are in Python; what stands in backticks is a command, and stays.

    >>> in_python("-w_lr fast: give a number; go on with -resume, or see `dadarts runs --json`")
    'w_lr fast: give a number; go on with resume=True, or see `dadarts runs --json`'
    """

    def named(match: re.Match[str]) -> str:
        return f"{match[2]}=True" if match[2] in _STEERING else match[2]

    parts = re.split(r"(`[^`]*`)", marked)
    return "".join(part if part.startswith("`") else MARK.sub(named, part) for part in parts)


def in_flags(marked: str) -> str:
    """A message with its settings named as flags with two dashes, as most people type them.

    >>> in_flags("give -w_lr, or --seed, or see `dadarts runs -json`")
    'give --w_lr, or --seed, or see `dadarts runs --json`'
    """
    return MARK.sub(lambda match: f"--{match[2]}", marked)


class DadartsError(Exception):
    """Base of every error that dadarts raises on purpose; its text is one line for a person.

    It is made of a marked message, ``-w_lr fast: give a number``, whose settings have a dash before their names. A
    command says them as its flags (`flags.as_typed`), and the text of the error, for who calls from Python, without.

    Of a text of more than 500 characters, which somebody's names or values have made so long, both ends are kept:
    what is wrong, and what to do.
    """

    exit_code = 1

    def __init__(self, text: object = "") -> None:
        super().__init__(shortened(text.marked if isinstance(text, DadartsError) else text, _LONGEST))

    @property
    def marked(self) -> str:
        """The message as it was given: what a command shows, and what a message about it quotes."""
        return super().__str__()

    def __str__(self) -> str:
        return in_python(self.marked)


class InputError(DadartsError, ValueError):
    """What the user gave cannot be used; nothing was created. Commands exit with 2."""

    exit_code = 2


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, or not one of this run."""


class RunError(DadartsError, RuntimeError):
    """A run that had begun cannot go on (NaN, full disk). Commands exit with 1."""


def shortened(given: object, length: int = 200) -> str:
    """What was given, as at most `length` printable characters of one line, for a message.

    >>> shortened("a\\nb" * 50, 20)
    'a b...a b'
    """
    text = _cut(str(given), length)
    return text if text.isprintable() else _cut("".join(map(_printable, text)), length)


def _cut(text: str, length: int) -> str:
    # Both ends tell more than the beginning alone: files differ in their last words.
    kept = (length - 3) // 2
    return text if len(text) <= length else text[:kept] + "..." + text[-kept:]


def _printable(letter: str) -> str:
    """A letter as a line can show it; a byte of a name that is no UTF-8 is one too."""
    if letter.isprintable():
        return letter
    is_byte = 0xDC80 <= ord(letter) <= 0xDCFF
    return " " if letter.isspace() else f"\\x{ord(letter) - 0xDC00:02x}" if is_byte else repr(letter)[1:-1]


def unknown(
    noun: str, given: str, known: Iterable[str], elsewhere: Mapping[str, str] = MappingProxyType({})
) -> InputError:
    """The error for a name that is not in a table: the nearest name that is, and all of them where there is none such.

    A few names are listed in any case: another may be meant as well.

    Args:
        elsewhere: names that other programs have for some of them.

    >>> print(unknown("search space", "dart", ["darts", "S1"]))
    unknown search space 'dart'; known: darts, S1. Did you mean 'darts'?
    >>> print(unknown("search space", "dart", ["darts", "S1", "S2", "S3", "S4"]))
    unknown search space 'dart'. Did you mean 'darts'?
    >>> print(unknown("search space", "mine", ["darts", "S1"]))
    unknown search space 'mine'; known: darts, S1.
    """
    names = list(known)
    spelled = dict(elsewhere) | {name: name for name in names}
    shown = given if len(given) <= 60 else given[:57] + "..."
    near = get_close_matches(given[:60], spelled, n=1) or get_close_matches(
        given[:60].lower(), [name.lower() for name in spelled], n=1
    )
    match = next((spelled[name] for name in spelled if near and name.lower() == near[0].lower()), None)
    listed = f"; known: {', '.join(names)}" if match is None or len(names) <= _FEW else ""
    return InputError(f"unknown {noun} {shown!r}{listed}." + (f" Did you mean {match!r}?" if match else ""))
