"""Names of files as a line can show them, whatever bytes they are made of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_NAMED = 5


def plain(name: str | Path) -> str:
    r"""A name without what a terminal or a log cannot show: bytes that are no UTF-8, controls, ends of lines.

    >>> plain("caf\udce9\n")
    'caf\\xe9\\n'
    """
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def listed(names: Sequence[str], joint: str = ", ", most: int = _NAMED) -> str:
    """Names in a row, of many the first ones and how many follow.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = joint.join(map(plain, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
