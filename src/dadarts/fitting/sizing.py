"""How large a candidate may be: as large as its minutes can train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

from dadarts.architecture.spaces import Size

FEWEST, MANY, OF_A_SECOND = 3.0, 200.0, 810.0
"""Epochs that a training should have at least, at most, and of one picture in a second."""

_GUESSED = 1e10
"""Multiply-adds a second of a training with which the look for a size begins: the nearer, the fewer sizes it tries."""


def epochs_wanted(pictures: int, seconds: float) -> float:
    """Epochs that a training of so many pictures and seconds should have, at least `FEWEST` and at most `MANY`.

    Of what the seconds can compute half the orders of magnitude go to a larger network and half to more steps, and the
    fewer pictures there are, the more often each must be seen, and the smaller is the network that they can train. In
    160 to 180 seconds of one thread residual networks that take so long had, on pictures of CIFAR-10, 71.8 % after 43
    epochs and 74.6 % after 124 (1,000 pictures in two classes), 56.3 % after 44 and 63.9 % after 130 (775 in five
    unequal ones), 64.0 % after 42 and 65.3 % after 67 (2,000), and 72.7, 76.9, 77.0, 77.9 and 77.8 % after 9, 14, 17,
    21 and 30 (10,000; one seed each); a power of the pictures joins the better of each.

    >>> round(epochs_wanted(2_000, 175)), round(epochs_wanted(1_000, 175)), round(epochs_wanted(50_000, 1_200))
    (68, 107, 21)
    """
    by_law: float = OF_A_SECOND * sqrt(seconds) / pictures ** (2 / 3)
    return min(MANY, max(FEWEST, by_law))


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
