"""Which of several networks nothing beats at their cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf


def undominated(costs: Sequence[float], worths: Sequence[float]) -> Iterator[int]:
    """The places of those that no other costs as little as and is worth as much as, the cheapest first.

    Of several with the same cost and worth it is the first. This is the Pareto front of low costs and high worths.

    >>> [*undominated([3, 1, 2, 4], [0.7, 0.5, 0.4, 0.9])]
    [1, 0, 3]
    """
    best = -inf
    for place in sorted(range(len(costs)), key=lambda each: (costs[each], -worths[each])):
        if worths[place] > best:
            best = worths[place]
            yield place
