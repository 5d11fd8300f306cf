"""How large a candidate may be: as large as its minutes can train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

from dadarts.architecture.spaces import Size

FEWEST, MANY, PICTURES = 12.0, 60.0, 50_000
"""Epochs that a training should have: of that many pictures the fewest, of few pictures many."""


def epochs_wanted(pictures: int) -> float:
    """Epochs that a training of so many pictures should have, at least `FEWEST` and at most `MANY`.

    Steps tell more than epochs: the fewer pictures there are, the more often each must be seen.

    >>> round(epochs_wanted(50_000)), round(epochs_wanted(1_000))
    (12, 60)
    """
    return min(MANY, FEWEST * max(1.0, sqrt(PICTURES / pictures)))


def largest(
    sizes: Sequence[Size],
    cost: Callable[[Size], float],
    speed: Callable[[Size], float],
    needed: float,
) -> tuple[Size, float]:
    """The largest size that trains `needed` pictures a second, or the smallest of all, and how many it trains.

    Args:
        sizes: from the smallest to the largest.
        cost: multiply-adds of a size, which say what is measured next; larger sizes cost more.
        speed: pictures a second of a size, measured.
        needed: pictures a second.
    """
    measured = {sizes[0]: speed(sizes[0])}
    at = sizes[0]
    while True:
        # A larger network does no fewer multiply-adds a second than a small one.
        afford = cost(at) * measured[at] / needed
        within = [size for size in sizes if cost(size) <= afford]
        following = max(within, key=cost) if within else sizes[0]
        if following in measured:
            fits = [size for size in sizes if size in measured and measured[size] >= needed]
            chosen = max(fits, key=cost) if fits else min(measured, key=cost)
            return chosen, measured[chosen]
        measured[following] = speed(following)
        at = following
