"""How the seconds of a fit are divided: a search, a race by successive halving, and the training of its winner."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal, TypeAlias

Asked: TypeAlias = Literal["auto", "always", "never"]

SEARCHES_FROM = 15 * 60.0
"""Seconds of a fit from which on it searches: `SEARCH` of fewer does not hold the smallest search of 2,000 pictures of
32x32, which took 200 s of one core beside other work. That what it finds wins the race was not seen at any length."""
SEARCH = 0.2
"""The share of the seconds that a search gets, where there is one."""
RACE = 0.3
"""The share that the race gets of what the search leaves."""
WRITING = 0.1
"""The share of the seconds that writing what a fit leaves may take at most; what takes longer is left out."""
SHORTEST = 30.0
"""Seconds of a training that tell candidates apart: below, its epochs are too few for their order to be that of the
last training's."""
BEYOND = 0.01
"""The part of the minutes by which the last training may end late where an epoch less would end earlier by more."""
FEWEST_BATCHES = 4
"""Batches that are trained on at least where an epoch of all pictures takes longer than there is time."""
_KEPT = 0.5
"""The share of candidates that a rung lets go on."""


@dataclass(frozen=True)
class Shares:
    """The seconds of a fit.

    Args:
        search: at most so many are searched.
        race: of all trainings of the race together.
        final: of the last training.
        writing: left for what follows it.
    """

    search: float
    race: float
    final: float
    writing: float


def shares(seconds: float, *, search: float, writing: float) -> Shares:
    """Divide the seconds of a fit; where two trainings would be shorter than `SHORTEST` there is no race.

    What a search takes beyond its share is the last training's loss: what it found still has its race.

    Args:
        search: seconds that the search has, or has taken.
        writing: seconds that are needed behind the last training.

    >>> shares(1000.0, search=200.0, writing=30.0)
    Shares(search=200.0, race=240.0, final=530.0, writing=30.0)
    """
    race = RACE * (seconds - min(search, SEARCH * seconds))
    if race < 2 * SHORTEST:
        race = 0.0
    return Shares(search, race, max(0.0, seconds - search - race - writing), writing)


def searches(seconds: float, asked: Asked) -> bool:
    """Whether a fit of so many seconds searches: never without a race, which is what tells whether that paid."""
    races = shares(seconds, search=SEARCH * seconds, writing=0.0).race > 0
    return races and (asked == "always" or (asked == "auto" and seconds >= SEARCHES_FROM))


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

    >>> rungs(240.0, 4)
    (Rung(standing=4, seconds=30.0), Rung(standing=2, seconds=60.0))
    >>> rungs(10.0, 4)
    ()
    """
    for count in range(candidates, 1, -1):
        standing = _halved(count)
        each = seconds / len(standing)
        if each / count >= SHORTEST:
            return tuple(Rung(number, each / number) for number in standing)
    return ()


def enough(candidates: int, *, searching: bool) -> float:
    """The seconds of a fit from which on all of so many candidates race.

    >>> enough(4, searching=False)
    800.0
    """
    return SHORTEST * candidates * len(_halved(candidates)) / (RACE * (1 - SEARCH if searching else 1.0))


def _halved(count: int) -> list[int]:
    standing = [count]
    while standing[-1] > 2:
        standing.append(ceil(_KEPT * standing[-1]))
    return standing


def length(epochs: float, pictures: int, batch: int) -> tuple[int, float]:
    """Whole epochs, and the part of the pictures that they are of: less than all where there is no time for one epoch.

    >>> length(7.9, 1000, 50), length(0.5, 1000, 50), length(0.01, 1000, 50)
    ((7, 1.0), (1, 0.5), (1, 0.2))
    """
    return max(1, int(epochs)), min(1.0, max(epochs, FEWEST_BATCHES * batch / pictures))
