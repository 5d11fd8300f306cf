"""What the race says of searching: in a sentence, with how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from dadarts.fitting.candidates import FOUND

LEVEL = 0.95


@dataclass(frozen=True)
class Ranked:
    """A candidate in a round of the race.

    Args:
        family: the name of its family.
        title: what it is called in a sentence.
        score: on the validation part, in [0, 1].
        pictures: how many judged it.
        rung: which round.
    """

    family: str
    title: str
    score: float
    pictures: int
    rung: int


def margin(first: Ranked, second: Ranked, level: float = LEVEL) -> float:
    """How much two scores must differ to differ at a level, in [0, 1].

    Both are taken for shares of independent pictures (a two-sided interval of their difference, by the normal law),
    which is wider than that of pairs.
    """
    variance = sum(each.score * (1 - each.score) / each.pictures for each in (first, second))
    return NormalDist().inv_cdf((1 + level) / 2) * sqrt(variance)


def searching_paid(ranked: Sequence[Ranked]) -> str | None:
    """Whether what was found beats the best of the others, in a sentence; None where nothing was searched.

    They are compared in the last round that it took part in, where all are trained as long.

    Args:
        ranked: every candidate in every round.
    """
    found = max((each for each in ranked if each.family == FOUND), key=lambda each: each.rung, default=None)
    if found is None:
        return None
    others = [each for each in ranked if each.family != FOUND and each.rung == found.rung]
    if not others:
        return None
    rival = max(others, key=lambda each: each.score)
    points, needed = 100 * (found.score - rival.score), 100 * margin(found, rival)
    compared = (
        f"trained as long, what was found has {found.score:.1%} and {rival.title} {rival.score:.1%} of "
        f"{found.pictures:,} validation pictures"
    )
    if abs(points) <= needed:
        return f"undecided whether searching paid: {compared}, and less than {needed:.1f} points may be chance"
    return f"searching {'paid by' if points > 0 else 'cost'} {abs(points):.1f} points: {compared}"
