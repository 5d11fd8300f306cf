"""Limits of a space's networks at a size: what every choice costs, in all cells together that share it."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import TypeAlias

import torch

from dadarts.architecture.costs import Costs, count_place
from dadarts.architecture.discretization import Limit
from dadarts.architecture.operations import NONE
from dadarts.architecture.places import Place, Walked, walked_space
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SearchSpace
from dadarts.engines.profile.table import Profile
from dadarts.engines.profile.written import in_ns, said
from dadarts.errors import InputError

Count: TypeAlias = Callable[[Costs], int]
MS = 10**6
"""Nanoseconds of a millisecond: latencies are whole numbers of them, so that their sums are exact."""


def at_most_parameters(space: SearchSpace, macro: Macro, most: int) -> Limit:
    """Trainable parameters of a network, its auxiliary head excluded.

    Raises:
        InputError: they are no sum over what is chosen in this space.
    """
    return _counted("parameters", space, macro, most, lambda costs: costs.parameters)


def at_most_multiply_adds(space: SearchSpace, macro: Macro, most: int) -> Limit:
    """Multiply-adds of one picture's forward pass.

    Raises:
        InputError: they are no sum over what is chosen in this space.
    """
    return _counted("multiply-adds", space, macro, most, lambda costs: costs.multiply_adds)


def at_most_latency(space: SearchSpace, macro: Macro, most_ms: float, profile: Profile) -> Limit:
    """Milliseconds of a picture's prediction, by what a profile says of all operations; each is rounded up to 1 ns.

    Raises:
        InputError: the profile lacks an operation at one of its places.
    """

    def cost(place: Place) -> int:
        if place not in profile.operations:
            raise InputError(f"the table of costs has no {said(place)}; add a row for it")
        return in_ns(profile.operations[place])

    costs = _summed(space, walked_space(space, macro), cost)
    return Limit("ms", floor(MS * most_ms), in_ns(profile.rest), costs, per=MS)


def _counted(of: str, space: SearchSpace, macro: Macro, most: int, count: Count) -> Limit:
    _refuse_empty_nodes(space)
    network = walked_space(space, macro)
    own = {place: count(count_place(space, place)) for place in network.places}
    rest = count(Costs(network.parameters, network.multiply_adds))
    return Limit(of, most, rest, _summed(space, network, lambda place: own[place]))


def _summed(space: SearchSpace, network: Walked, cost: Callable[[Place], int]) -> torch.Tensor:
    """int64 (N, E, O): what each choice costs in all cells."""
    costs = {kind: [torch.zeros(p.shape, dtype=torch.int64) for p in space.present(kind)] for kind in space.kinds}
    for choice, places in network.made_by.items():
        column = space.table(choice.kind)[choice.node][choice.edge].index(choice.operation)
        total = sum(times * cost(place) for place, times in places.items())
        costs[choice.kind][choice.node][choice.edge, column] = total
    return space.stacked(costs)


def _refuse_empty_nodes(space: SearchSpace) -> None:
    """Refuse cells that may lack a node: what follows them has fewer channels to read, which is no sum.

    Raises:
        InputError: it is such a space.
    """
    may_be_empty = any(
        not space.rule.banned and bool(places.any()) for kind in space.kinds for places in space.places_of(NONE, kind)
    )
    if space.syntax == "darts" and may_be_empty:
        raise InputError(
            f"the cost of a network of search space {space.name} is no sum over its operations, since a cell may lack "
            "a node: it takes no limits"
        )
