"""Python-shaped text read as data: names, numbers, strings, lists, tuples and calls, and nothing is ever run."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TypeAlias

from dadarts.errors import InputError

MAX_LENGTH = 65_536
MAX_DEPTH = 16
MAX_DIGITS = 100

Literal: TypeAlias = "bool | int | float | str | list[Literal] | tuple[Literal, ...] | Call | None"

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?:inf|nan)\b))
         |(?P<string>'[^'\\\n]*'|"[^"\\\n]*")
         |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
         |(?P<sign>[()\[\],=]))""",
    re.VERBOSE,
)
_CONSTANTS: dict[str, bool | None] = {"None": None, "True": True, "False": False}
_CLOSING = {"(": ")", "[": "]"}


@dataclass(frozen=True)
class Call:
    """``name(1, key=2)``: what was written, for the reader to look up in a table of its own."""

    name: str
    args: tuple[Literal, ...]
    keywords: tuple[tuple[str, Literal], ...]


def parse(text: str) -> Literal:
    """The value that a Python-shaped text spells.

    >>> parse("Linear(0, end=200.0)")
    Call(name='Linear', args=(0,), keywords=(('end', 200.0),))

    Raises:
        InputError: not of that shape, a number that is not finite, longer than 64 KiB, or nested deeper than 16
            brackets.
    """
    if len(text) > MAX_LENGTH:
        raise InputError(f"text of {len(text)} characters is too long; at most {MAX_LENGTH} are read")
    reader = _Reader(text)
    value = reader.value(0)
    reader.end()
    return value


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def value(self, depth: int) -> Literal:
        if depth > MAX_DEPTH:
            raise InputError(f"brackets are nested deeper than {MAX_DEPTH} at character {self.position + 1}")
        kind, word = self._next()
        if kind == "number" and len(word) > MAX_DIGITS:
            raise self._error(f"a number of {len(word)} characters; at most {MAX_DIGITS} are read")
        if kind == "number":
            number = float(word) if re.search(r"[.eEn]", word) else int(word)
            if not math.isfinite(number):
                raise self._error(f"{word} is no finite number")
            return number
        if kind == "string":
            return word[1:-1]
        if kind == "name" and word in _CONSTANTS:
            return _CONSTANTS[word]
        if kind == "name":
            self._expect("(")
            return self._call(word, depth)
        if word in _CLOSING:
            return self._sequence(word, depth)
        raise self._error(f"unexpected {word!r}")

    def end(self) -> None:
        if self.text[self.position :].strip():
            raise self._error("unexpected text after the end")

    def _sequence(self, opening: str, depth: int) -> Literal:
        closing = _CLOSING[opening]
        items: list[Literal] = []
        comma = True
        while not self._accept(closing):
            if not comma:
                raise self._error(f"expected ',' or {closing!r}")
            items.append(self.value(depth + 1))
            comma = self._accept(",")
        if opening == "[":
            return items
        return items[0] if len(items) == 1 and not comma else tuple(items)

    def _call(self, name: str, depth: int) -> Call:
        args: list[Literal] = []
        keywords: list[tuple[str, Literal]] = []
        comma = True
        while not self._accept(")"):
            if not comma:
                raise self._error("expected ',' or ')'")
            keyword = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=").match(self.text, self.position)
            if keyword:
                self.position = keyword.end()
                keywords.append((keyword[1], self.value(depth + 1)))
            elif keywords:
                raise self._error("a positional value follows a named one")
            else:
                args.append(self.value(depth + 1))
            comma = self._accept(",")
        return Call(name, tuple(args), tuple(keywords))

    def _next(self) -> tuple[str, str]:
        match = _TOKEN.match(self.text, self.position)
        if match is None or match.lastgroup is None:
            raise self._error("unexpected end" if not self.text[self.position :].strip() else "unexpected text")
        self.position = match.end()
        return match.lastgroup, match[match.lastgroup]

    def _accept(self, sign: str) -> bool:
        match = _TOKEN.match(self.text, self.position)
        if match is None or match["sign"] != sign:
            return False
        self.position = match.end()
        return True

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise self._error(f"expected {sign!r}")

    def _error(self, what: str) -> InputError:
        near = self.text[self.position : self.position + 20].strip()
        return InputError(f"{what} at character {self.position + 1}" + (f", near {near!r}" if near else ""))
