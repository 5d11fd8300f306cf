"""What the race says of searching: in a sentence, with how sure it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from dadarts.fitting.candidates import DRAWN, FOUND, RESNET

LEVEL = 0.95
SHARE = "accuracy"
"""The metric that is a share of pictures."""
_NAMED = (RESNET, DRAWN)
"""Families that are named beside the best one."""


@dataclass(frozen=True)
class Ranked:
    """A candidate in a round of the race.

    Args:
        family: the name of its family.
        title: what it is called in a sentence.
        score: on the validation part, in [0, 1].
        pictures: how many judged it.
        rung: which round.
        parameters: of its network, where that is known.
    """

    family: str
    title: str
    score: float
    pictures: int
    rung: int
    parameters: int | None = None


def margin(first: Ranked, second: Ranked, level: float = LEVEL) -> float:
    """How much two scores must differ to differ at a level, in [0, 1].

    Both are taken for shares of independent pictures (a two-sided interval of their difference, by the normal law),
    which is wider than that of pairs.
    """
    variance = sum(each.score * (1 - each.score) / each.pictures for each in (first, second))
    return NormalDist().inv_cdf((1 + level) / 2) * sqrt(variance)


def searching_paid(ranked: Sequence[Ranked], metric: str = SHARE) -> str | None:
    """Whether what was found beats the best of the others, in a sentence; None where nothing was searched.

    They are compared in the last round that it took part in, where all are trained as long.

    Args:
        ranked: every candidate in every round.
        metric: what scores are, in words. Of those that are no shares of pictures it is not known what chance does.
    """
    found = max((each for each in ranked if each.family == FOUND), key=lambda each: each.rung, default=None)
    if found is None:
        return None
    others = [each for each in ranked if each.family != FOUND and each.rung == found.rung]
    if not others:
        return None
    rival = max(others, key=lambda each: each.score)
    points = 100 * (found.score - rival.score)
    beside = [each for each in others if each.family in _NAMED and each is not rival]
    of = "of" if metric == SHARE else f"{metric} on"
    compared = f"trained as long, {_scores([found, rival, *beside])} {of} {found.pictures:,} validation pictures"
    compared += "".join(_before(ranked, found, {each.family for each in others}))
    if metric != SHARE:
        than = f"{abs(points):.1f} points {'more' if points > 0 else 'less'} {metric} than"
        return f"what was found has {than} the best other; what chance does to that is not known: {compared}"
    needed = 100 * margin(found, rival)
    if abs(points) <= needed:
        return f"undecided whether searching paid: {compared}, and less than {needed:.1f} points may be chance"
    return f"searching {'paid by' if points > 0 else 'cost'} {abs(points):.1f} points: {compared}"


def _scores(shown: Sequence[Ranked]) -> str:
    """What the first of them has, with its size, and what the others."""
    first, *others = shown
    size = f", with {first.parameters:,} parameters," if first.parameters else ""
    *rest, last = [f"{each.title} {each.score:.1%}" for each in others]
    return f"{', '.join([f'{first.title}{size} has {first.score:.1%}', *rest])} and {last}"


def _before(ranked: Sequence[Ranked], found: Ranked, there: Collection[str]) -> Iterator[str]:
    """What those that are always named and are not there had in their last round, and what was found had in it."""
    for family in _NAMED:
        own = [each for each in ranked if each.family == family and each.rung < found.rung]
        if family in there or not own:
            continue
        last = max(own, key=lambda each: each.rung)
        score = next(each.score for each in ranked if (each.family, each.rung) == (FOUND, last.rung))
        yield f"; {last.title} had {last.score:.1%} in round {last.rung}, and what was found {score:.1%}"
