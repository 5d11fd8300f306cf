"""The best choice of operations whose costs keep within limits, exactly: a knapsack with edges to be kept at nodes.

    maximise    sum of score over the chosen places
    subject to  one operation on each edge that is kept, as many edges of a node as it keeps,
                and for every limit  sum of its costs over the chosen places <= room.

Ways to choose are built up edge by edge, and of two that leave the same to be chosen the one that is neither better nor
cheaper is forgotten (dynamic programming over the Pareto front; Nemhauser & Ullmann, Management Science 15, 1969).
Between nodes those are forgotten, too, that cannot become better than a choice that is known: by Lagrange multipliers
``l >= 0`` of the limits, no choice scores more than ``max sum (score - l cost) + l room``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]
Places: TypeAlias = NDArray[np.bool_]

_DOUBLINGS, _HALVINGS = 64, 24
_SLACK = 1e-9
"""What rounding may take of a bound, in parts of the largest score."""


@dataclass(frozen=True)
class Knapsack:
    """Which places may be chosen, and what they cost.

    Args:
        places: bool (N, E, O), those that may be.
        edges: how many edges a node keeps, all that have a place where it has fewer; None is all.
        costs: whole numbers from 0 on, (L, N, E, O), for each of L limits.
        room: (L,), what the chosen places may cost together.
    """

    places: Places
    edges: int | None
    costs: Whole
    room: Whole

    def best(self, score_NEO: Floats) -> Places | None:
        """The choice of the largest sum of scores, bool (N, E, O); None where no choice keeps within the limits.

        Equal sums go to the cheaper choice, by the first limit in which they differ, and then to lower edges and
        operations, node by node.
        """
        nodes = [self._node(number, score_NEO[number]) for number in range(len(self.places))]
        known = _Bound.of(nodes, self.room, float(np.abs(score_NEO[self.places]).sum()) * _SLACK)
        ways = _Ways.empty(len(self.room))
        for number, node in enumerate(nodes):
            ways = ways.along(node, known, number + 1)
        if not len(ways.score):
            return None
        first = np.lexsort((*ways.cost.T[::-1], -ways.score))[0]
        picks = ways.picks[first].reshape(self.places.shape[:2])
        chosen: Places = np.arange(self.places.shape[2]) == picks[:, :, None]
        return chosen

    def _node(self, number: int, score_EO: Floats) -> _Ways:
        """The ways to choose at a node that no other is as good as."""
        places = self.places[number]
        choosable = places.any(axis=1)
        keeps = int(choosable.sum()) if self.edges is None else min(self.edges, int(choosable.sum()))
        # By how many edges are kept so far.
        found = {0: _Ways.empty(len(self.room))}
        for edge, own in enumerate(places):
            columns = np.flatnonzero(own)
            operations = _Ways(score_EO[edge, columns], self.costs[:, number, edge, columns].T, columns[:, None])
            left_out = _Ways(np.zeros(1), np.zeros((1, len(self.room)), np.int64), np.full((1, 1), -1))
            still = int(choosable[edge + 1 :].sum())
            after = {}
            for kept in range(max(0, keeps - still), keeps + 1):
                # Lower edges first: among equals they are kept.
                ways = [found[kept].joined(left_out)] if kept in found else []
                ways += [found[kept - 1].joined(operations)] if kept - 1 in found and len(columns) else []
                if ways:
                    after[kept] = reduce(_Ways.beside, ways).pruned()
            found = after
        return found[keeps]


@dataclass(frozen=True)
class _Ways:
    """Several ways to choose on the edges so far.

    Args:
        score: (W,).
        cost: (W, L).
        picks: (W, edges so far), columns; -1 where an edge is left out.
    """

    score: Floats
    cost: Whole
    picks: NDArray[Any]

    @staticmethod
    def empty(limits: int) -> _Ways:
        return _Ways(np.zeros(1), np.zeros((1, limits), np.int64), np.zeros((1, 0), np.int64))

    def joined(self, other: _Ways) -> _Ways:
        """Each of these followed by each of the others."""
        return self._pairs(other, *np.divmod(np.arange(len(self.score) * len(other.score)), len(other.score)))

    def along(self, other: _Ways, known: _Bound, nodes: int) -> _Ways:
        """Those of `joined` that may still become the best when so many nodes are chosen."""
        score = np.add.outer(self.score, other.score)
        cost = self.cost[:, None] + other.cost[None]
        return self._pairs(other, *np.nonzero(known.may_win(score, cost, nodes))).pruned()

    def _pairs(self, other: _Ways, own: NDArray[Any], others: NDArray[Any]) -> _Ways:
        picks = np.concatenate((self.picks[own], other.picks[others]), axis=1)
        return _Ways(self.score[own] + other.score[others], self.cost[own] + other.cost[others], picks)

    def beside(self, other: _Ways) -> _Ways:
        """These or the others."""
        pairs = ((self.score, other.score), (self.cost, other.cost), (self.picks, other.picks))
        return _Ways(*(np.concatenate(pair) for pair in pairs))

    def pruned(self) -> _Ways:
        """Without those that another one is as good as, and as cheap by every limit; the first stays among equals."""
        order = np.lexsort((-self.score, *self.cost.T[::-1]))
        score, cost = self.score[order], self.cost[order]
        if cost.shape[1] == 1:
            before = np.concatenate(([-np.inf], np.maximum.accumulate(score)[:-1]))
            return self._only(order[score > before])
        left, kept = np.arange(len(score)), []
        while len(left):
            first, left = left[0], left[1:]
            kept.append(first)
            left = left[(score[left] > score[first]) | (cost[left] < cost[first]).any(axis=1)]
        return self._only(order[kept])

    def _only(self, which: NDArray[Any]) -> _Ways:
        # In their order: what is found first is what lower edges and operations make.
        which = np.sort(which)
        return _Ways(self.score[which], self.cost[which], self.picks[which])


@dataclass(frozen=True)
class _Bound:
    """What is known of the best choice before it is found.

    Args:
        prices: (L,), Lagrange multipliers of the limits.
        room: (L,).
        least: (nodes + 1, L), what the nodes behind cost at least, by each limit for itself.
        most: (nodes + 1,), the largest ``sum (score - prices cost)`` of the nodes behind.
        reached: the score of a choice within the limits, less what rounding may have added.
    """

    prices: Floats
    room: Whole
    least: Whole
    most: Floats
    reached: float

    @staticmethod
    def of(nodes: list[_Ways], room: Whole, slack: float) -> _Bound:
        prices, reached = np.zeros(len(room)), -np.inf
        for _ in range(1 if len(room) == 1 else 3):
            for limit in range(len(room)):
                prices[limit], found = _price(nodes, room, prices, limit)
                reached = max(reached, found)
        least = _behind([node.cost.min(axis=0) for node in nodes], np.zeros(len(room), np.int64))
        most = _behind([(node.score - node.cost @ prices).max() for node in nodes], np.float64(0))
        return _Bound(prices, room, least, most, reached - slack)

    def may_win(self, score: Floats, cost: Whole, nodes: int) -> Places:
        fits = (cost + self.least[nodes] <= self.room).all(axis=-1)
        most = score + (self.room - cost) @ self.prices + self.most[nodes]
        may: Places = fits & (most >= self.reached)
        return may


def _behind(of_each: list[Any], nothing: Any) -> NDArray[Any]:
    """Sums over the nodes behind each number of nodes."""
    sums = [nothing]
    for one in reversed(of_each):
        sums.insert(0, one + sums[0])
    return np.stack(sums)


def _price(nodes: list[_Ways], room: Whole, prices: Floats, limit: int) -> tuple[float, float]:
    """About the lowest multiplier of a limit at which it is kept, others as they are, and the best score on the way."""
    reached, low, high = -np.inf, 0.0, 1e-9

    def keeps(price: float) -> bool:
        nonlocal reached
        own = prices.copy()
        own[limit] = price
        firsts = [int((node.score - node.cost @ own).argmax()) for node in nodes]
        cost = sum(node.cost[first] for node, first in zip(nodes, firsts, strict=True))
        if (cost <= room).all():
            reached = max(reached, float(sum(node.score[first] for node, first in zip(nodes, firsts, strict=True))))
        return bool(cost[limit] <= room[limit])

    if keeps(0.0):
        return 0.0, reached
    for _ in range(_DOUBLINGS):
        if keeps(high):
            break
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return high, reached
