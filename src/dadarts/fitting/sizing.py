"""How large a candidate may be: as large as its minutes can train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

from dadarts.architecture.spaces import Size

FEWEST, MANY, OF_A_SECOND = 3.0, 100.0, 130.0
"""Epochs that a training should have at least, at most, and where it has a second for each picture."""

_GUESSED = 1e10
"""Multiply-adds a second of a training with which the look for a size begins: the nearer, the fewer sizes it tries."""


def epochs_wanted(pictures: int, seconds: float) -> float:
    """Epochs that a training of so many pictures and seconds should have, at least `FEWEST` and at most `MANY`.

    Of what the seconds can compute half the orders of magnitude go to a larger network and half to more steps, and the
    fewer pictures there are, the more often each must be seen. In 110 s of one thread on 10 x 200 pictures of CIFAR-10
    residual networks of sizes that take so long had 62.1 % after 18 and after 23 epochs and 63.2 % after 48, a dense
    one 52.4 % after 11.

    >>> round(epochs_wanted(2_000, 110)), round(epochs_wanted(50_000, 1_200))
    (30, 20)
    """
    return min(MANY, max(FEWEST, OF_A_SECOND * sqrt(seconds / pictures)))


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
    at = max((size for size in sizes if cost(size) <= _GUESSED / needed), key=cost, default=sizes[0])
    measured = {at: speed(at)}
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
