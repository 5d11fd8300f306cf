"""How the seconds of a fit are divided: a race by successive halving, and the training of its winner."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

RACE = 0.3
"""The share of the seconds that the race gets."""
RESERVE, RESERVE_AT_MOST = 0.04, 30.0
"""The share, and at most how many seconds, that are left for the test, the bundle and the report."""
SHORTEST = 6.0
"""Seconds of a training that say anything: below, half of it is spent before the first step."""
_KEPT = 0.5
"""The share of candidates that a rung lets go on."""


@dataclass(frozen=True)
class Rung:
    """A round of the race: so many candidates are trained anew, each for as long.

    Args:
        standing: how many.
        seconds: of each training.
    """

    standing: int
    seconds: float


def rungs(seconds: float, candidates: int) -> tuple[Rung, ...]:
    """Successive halving (Jamieson & Talwalkar, arXiv 1502.07943) of `seconds`: each rung gets an equal part of them.

    As many candidates take part as the first rung has `SHORTEST` trainings for; where that is one, nothing is raced.

    >>> rungs(120.0, 4)
    (Rung(standing=4, seconds=15.0), Rung(standing=2, seconds=30.0))
    >>> rungs(10.0, 4)
    ()
    """
    for count in range(candidates, 1, -1):
        standing = _halved(count)
        each = seconds / len(standing)
        if each / count >= SHORTEST:
            return tuple(Rung(number, each / number) for number in standing)
    return ()


def _halved(count: int) -> list[int]:
    standing = [count]
    while standing[-1] > 2:
        standing.append(ceil(_KEPT * standing[-1]))
    return standing


def reserve(seconds: float) -> float:
    """The seconds of a fit that are left for what follows its last training."""
    return min(RESERVE * seconds, RESERVE_AT_MOST)


def final(seconds: float) -> float:
    """The seconds of a fit that its last training has."""
    return (1 - RACE) * seconds - reserve(seconds)
