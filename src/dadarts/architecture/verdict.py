"""What the end of a search says of the genotype: whether anything was decided, and what to mistrust."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dadarts.errors import in_python

DOUBTS = ("undecided", "locked", "collapsed")
"""What a warning begins with, behind it a colon."""
_LONGEST = 400
KEPT = 0.9
"""Where at least this part of the choices stands since the first epoch, a search has hardly chosen."""


@dataclass(frozen=True)
class Verdict:
    """Of one search.

    Args:
        decided: whether the mixing weights tell operations apart; None where the genotype is not read off them.
        by: what has chosen the genotype: alphas, or another selection by its name.
        entropy: mean over edges with a choice of the entropy of W, in nats; None where alphas are not read.
        undecided: the same of W that tells nothing apart.
        changed: how many of the choices are others than those of the first random draw.
        choices: how many choices there are.
        stood: how many of them were made when the first epoch ended; None where that was the last one, too.
        marked: what to mistrust, each in a line that ends with its cure, a dash before the names of settings.
    """

    decided: bool | None
    by: str = "alphas"
    entropy: float | None = None
    undecided: float | None = None
    changed: int | None = None
    choices: int | None = None
    stood: int | None = None
    marked: Sequence[str] = field(default=(), repr=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to mistrust, for who reads it in Python."""
        return tuple(map(in_python, self.marked))

    @property
    def findings(self) -> tuple[str, ...]:
        """What the warnings have found, without cures."""
        return tuple(map(_finding, self.marked))

    @property
    def doubts(self) -> tuple[str, ...]:
        """What the warnings are about, of `DOUBTS`."""
        about = [warning.partition(":")[0] for warning in self.marked]
        return tuple(doubt for doubt in DOUBTS if doubt in about)

    @property
    def word(self) -> str:
        """All of it in a word: the gravest doubt, else decided; empty where alphas are not read and nothing is odd."""
        return next(iter(self.doubts), "decided" if self.decided else "")

    @property
    def summary(self) -> str:
        """Whether the search has decided anything, in a line."""
        if self.decided is None:
            return f"the genotype is chosen by {self.by}, not read off alphas"
        numbers = []
        if self.entropy is not None and self.undecided is not None:
            numbers.append(f"entropy {self.entropy:.2f} of {self.undecided:.2f}")
        if self.changed is not None:
            numbers.append(f"{self.changed} of {self.choices} choices changed since the first draw")
        how = "undecided" if not self.decided else "locked" if "locked" in self.doubts else "decided"
        return f"{how}: {', '.join(numbers)}"

    @property
    def lines(self) -> tuple[str, ...]:
        """All that is to be said: the summary, where no warning says it or speaks against it, and what is `marked`."""
        is_said = self.decided is False or "locked" in self.doubts
        return (*(() if is_said else (self.summary,)), *self.marked, *self._kept)

    @property
    def _kept(self) -> tuple[str, ...]:
        """A line where the search has only, or nearly, kept what it began with, or what its first epoch made of it."""
        if self.stood is None or not self.choices or self.stood < KEPT * self.choices:
            return ()
        is_all = self.stood == self.choices
        found = f"all {self.choices} choices stand" if is_all else f"{self.stood} of {self.choices} choices stand"
        if self.changed:
            then = "nothing changed after it" if is_all else "hardly any changed after it"
        else:
            then = f"this search {'kept' if is_all else 'hardly left'} its first draw"
        return (f"{'the only choice stands' if self.choices == 1 else found} since the first epoch: {then}",)

    def to_json(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        fields = asdict(self)
        return {**fields, "warnings": list(fields.pop("marked"))}


def read(value: object) -> Verdict | None:
    """A verdict from its JSON value; None where it is none, since it is no part of the architecture."""
    if isinstance(value, dict):
        value = {**value, "marked": value.get("warnings", [])}
    try:
        verdict = _adapter().validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return None
    return replace(verdict, by=_line(verdict.by), marked=tuple(map(_line, verdict.marked)))


@cache
def _adapter() -> TypeAdapter[Verdict]:
    return TypeAdapter(Verdict)


def _finding(warning: str) -> str:
    doubt, colon, rest = warning.partition(": ")
    # A colon stood before the cure in files of before there was a semicolon.
    return f"{doubt}{colon}{re.split('[:;] ', rest)[0]}"


def _line(text: str) -> str:
    # A file from elsewhere must not steer the terminal that it is shown on.
    return "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST])
