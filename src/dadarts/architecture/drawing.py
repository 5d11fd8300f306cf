"""Uniform draws among the choices within limits, exactly: counted on a grid of costs, and the rest by rejection."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dadarts.architecture.discretization import Limit, Rule, allowed, discretize

_GRID = 2048
"""Into so many parts what a limit leaves is divided; the more, the fewer draws are rejected."""
_TRIES = 10_000

Counts: TypeAlias = NDArray[np.float64]


def draw_within(present_NEO: Tensor, rule: Rule, draw: torch.Generator) -> Tensor:
    """One of all choices within the rule's limits, each with the same probability; bool (N, E, O).

    By the limit that leaves fewest, costs are rounded down to a grid, on which all ways to go on from every edge are
    counted, last edge first; a draw goes through the edges by these counts, and is uniform among some choices too many.
    Those that cost too much are rejected. Where hardly one in 10,000 of them keeps to several limits at once, it is the
    best choice for uniform scores.

    Args:
        present_NEO: bool, on the CPU: the places of the stacked nodes.
        rule: with one limit or more.
        draw: a CPU generator.

    Raises:
        InputError: there is none.
    """
    grids = [_Grid(allowed(present_NEO, rule).numpy(), rule.edges, limit) for limit in rule.limits]
    grid = min(grids, key=lambda one: one.total)
    for _ in range(_TRIES if grid.total else 0):
        chosen = grid.drawn(draw)
        if all(limit.cost(chosen) <= limit.most for limit in rule.limits):
            return chosen
    return discretize(torch.rand(present_NEO.shape, generator=draw), rule, present_NEO)


class _Grid:
    """How many ways there are to choose on the edges that are left, by what may still be spent.

    Args:
        places: bool (N, E, O), those that may be chosen.
        edges: how many edges a node keeps; None is all.
        limit: whose costs, in parts of what it leaves, are rounded down.
    """

    def __init__(self, places: NDArray[np.bool_], edges: int | None, limit: Limit) -> None:
        self.shape = places.shape
        room = limit.most - limit.rest
        costs = limit.costs.numpy().astype(object) * _GRID
        # In whole numbers of any size: what is rounded down must never be rounded up.
        parts = costs // room if room > 0 else costs * (_GRID + 1)
        self.costs = np.minimum(parts, _GRID + 1).astype(np.int64)
        entering: list[int] = places.any(axis=2).sum(axis=1).tolist()
        self.keeps = [own if edges is None else min(edges, own) for own in entering]
        self.columns = [[np.flatnonzero(places[n, e]) for e in range(self.shape[1])] for n in range(self.shape[0])]
        most = max(self.keeps)
        last = np.zeros((most + 1, _GRID + 1))
        last[0] = float(room >= 0)
        # after[n, e][kept]: ways from edge e of node n on, where the node has kept so many edges.
        self.after = {(len(places), 0): last}
        for n in reversed(range(len(places))):
            here = np.zeros_like(last)
            here[self.keeps[n]] = self.after[n + 1, 0][0]
            self.after[n, self.shape[1]] = here
            for e in reversed(range(self.shape[1])):
                here = self.after[n, e] = self.after[n, e + 1].copy()
                for column in self.columns[n][e]:
                    cost = self.costs[n, e, column]
                    if cost <= _GRID:
                        here[:-1, cost:] += self.after[n, e + 1][1:, : _GRID + 1 - cost]

    @property
    def total(self) -> float:
        """All ways from the first edge on."""
        return float(self.after[0, 0][0, _GRID])

    def drawn(self, draw: torch.Generator) -> Tensor:
        """One of them."""
        chosen = torch.zeros(self.shape, dtype=torch.bool)
        left = _GRID
        for n in range(self.shape[0]):
            kept = 0
            for e in range(self.shape[1]):
                u = float(torch.rand((), generator=draw, dtype=torch.float64)) * self.after[n, e][kept, left]
                u -= self.after[n, e + 1][kept, left]
                for column in self.columns[n][e] if u >= 0 else ():
                    cost = int(self.costs[n, e, column])
                    ways = self.after[n, e + 1][kept + 1, left - cost] if cost <= left and kept < self.keeps[n] else 0.0
                    u -= ways
                    if u < 0:
                        chosen[n, e, column] = True
                        kept, left = kept + 1, left - cost
                        break
        return chosen
