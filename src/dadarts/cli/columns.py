"""Text in columns on a terminal, whatever the text is."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def printable(text: str) -> str:
    r"""Text without characters that would move the cursor or cannot be written.

    >>> printable("a\tb\x1b[2J")
    'a\\x09b\\x1b[2J'
    """
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


def width(text: str) -> int:
    """How many cells of a terminal a printable text takes.

    >>> width("cats"), width("猫"), width("e\u0301")
    (4, 2, 1)
    """
    return sum(map(_width, text))


def cut(text: str, most: int) -> str:
    """A printable text in so many cells at most.

    >>> cut("a long name", 8), cut("猫猫猫", 5)
    ('a long …', '猫猫…')
    """
    if width(text) <= most:
        return text
    kept, left = [], most - 1
    for each in text:
        left -= _width(each)
        if left < 0:
            break
        kept.append(each)
    return "".join(kept) + "…"


def rows(table: Sequence[Sequence[str]], most: Sequence[int], right: Sequence[bool]) -> list[str]:
    """The lines of a table whose columns are as wide as what is in them; the last column is left as it is.

    Args:
        table: rows of printable cells.
        most: cells of a terminal that each column but the last may take.
        right: whether each column but the last is flush right.
    """
    shown = [[*(cut(cell, limit) for cell, limit in zip(row[:-1], most, strict=True)), row[-1]] for row in table]
    wide = [max(map(width, column)) for column in zip(*(row[:-1] for row in shown), strict=True)]
    return [
        "  ".join([*(_padded(*cell) for cell in zip(row[:-1], wide, right, strict=True)), row[-1]]).rstrip()
        for row in shown
    ]


def _padded(text: str, cells: int, right: bool) -> str:
    space = " " * (cells - width(text))
    return space + text if right else text + space


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
