"""What "choose" means: the one function that the genotype, the hard pass and the discretization loss call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dadarts.architecture.knapsack import Floats, Knapsack, Places
from dadarts.errors import InputError


@dataclass(frozen=True, eq=False)
class Limit:
    """What a network may cost at most, where its cost is a sum over what is chosen.

    Args:
        of: what is counted, such as "parameters".
        most: the largest cost of a whole network, a whole number as all costs, so that sums of them are exact.
        rest: what a network costs whatever is chosen.
        costs: int64 (N, E, O), on the CPU: what each place of the stacked nodes of all kinds of cells costs in all
            cells together that share the choice.
        per: how many make one of what is written, as 10^6 ns make one ms.
    """

    of: str
    most: int
    rest: int
    costs: Tensor
    per: int = 1

    def said(self, cost: int) -> str:
        """A cost in words, exactly.

        >>> Limit("parameters", 0, 0, torch.empty(0)).said(12345), Limit("ms", 0, 0, torch.empty(0), 10**6).said(12345)
        ('12,345 parameters', '0.012345 ms')
        """
        whole, part = divmod(cost, self.per)
        decimals = f"{part:0{len(str(self.per)) - 1}}".rstrip("0") if part else ""
        return f"{whole:,}{'.' if decimals else ''}{decimals} {self.of}"

    def cost(self, chosen_NEO: Tensor) -> int:
        """What the network of a choice, bool (N, E, O), costs."""
        return self.rest + int((self.costs * chosen_NEO.cpu()).sum())


@dataclass(frozen=True)
class Rule:
    """What a discretization keeps at a node, and what all nodes together may cost.

    Args:
        edges: how many of the node's incoming edges stay; None keeps every edge.
        banned: columns (operations) that may never be chosen.
        limits: of the network as a whole; where there are any, the nodes of all kinds of cells are discretized at once.
    """

    edges: int | None = None
    banned: tuple[int, ...] = ()
    limits: tuple[Limit, ...] = ()

    @property
    def unlimited(self) -> Rule:
        """The same without limits: what is kept at a node by itself."""
        return replace(self, limits=())


def allowed(present: Tensor, rule: Rule) -> Tensor:
    """Of the (edge, operation) places in a bool mask, those that `rule` lets a discretization choose."""
    mask = present.clone()
    mask[..., list(rule.banned)] = False
    return mask


def discretize(score_EO: Tensor, rule: Rule, present: Tensor | None = None) -> Tensor:
    """Keep the best operation of each edge, and the `rule.edges` edges whose best operation scores highest.

    So the scores of what is kept have the largest sum that a rule without limits allows. Under limits it is the choice
    of the largest sum among those that cost no more, exactly; where the first is one of them, it stays. Ties go to the
    lower edge, then to the lower operation, so a genotype never depends on the device; under limits that bind, first to
    what is cheaper. The result is constant with respect to `score_EO`.

    >>> discretize(torch.tensor([[0.2, 0.8], [0.6, 0.4], [0.7, 0.3]]), Rule(edges=2)).int().tolist()
    [[0, 1], [0, 0], [1, 0]]

    Args:
        score_EO: finite scores, shape (..., E, O): one or many nodes with E incoming edges and O operations; under
            limits the stacked nodes of all kinds of cells, once or several times over.
        rule: how many edges stay and which operations may not be chosen.
        present: bool, broadcastable to `score_EO`: False at padding, where nodes of different sizes are stacked.

    Returns:
        bool tensor, shape (..., E, O), True at the chosen (edge, operation) places.

    Raises:
        InputError: there is no choice within the limits.

    References:
        arXiv 1806.09055, section 2.4: the rounding of DARTS, here a function with a name.
    """
    with torch.no_grad():
        places = torch.ones_like(score_EO, dtype=torch.bool) if present is None else present.expand(score_EO.shape)
        mask = allowed(places, rule)
        score = score_EO.masked_fill(~mask, -torch.inf)
        best_E, operation_E = _first_max(score)
        chosen = torch.zeros_like(mask).scatter_(-1, operation_E.unsqueeze(-1), True) & mask
        if rule.edges is not None:
            # A stable sort leaves equal edges in their order: the lower edge wins.
            order_E = best_E.sort(dim=-1, descending=True, stable=True).indices
            kept_E = torch.zeros_like(best_E, dtype=torch.bool).scatter_(-1, order_E[..., : rule.edges], True)
            chosen = chosen & kept_E.unsqueeze(-1)
        return _within(chosen, score_EO, mask, rule) if rule.limits else chosen


def least(rule: Rule, present_NEO: Tensor) -> tuple[int, ...]:
    """What a network costs at least by each limit, where those before it are kept.

    Raises:
        InputError: there is no choice within the limits before one.
    """
    found = []
    for number, limit in enumerate(rule.limits):
        before = replace(rule, limits=rule.limits[:number])
        # Scores are float64, which holds whole numbers up to 2^53.
        found.append(limit.cost(discretize(-limit.costs.double(), before, present_NEO)))
        if found[-1] > limit.most:
            others = " within the other limits" if number else ""
            raise InputError(
                f"no network of the space keeps to {limit.said(limit.most)}{others}: the smallest needs "
                f"{limit.said(found[-1])}"
            )
    return tuple(found)


def draw_uniform(present_EO: Tensor, rule: Rule, draw: torch.Generator) -> Tensor:
    """One of all that `discretize` can give a node without limits, each with the same probability.

    Independent uniform scores choose each operation of an edge equally often. Raised to the power of how many an edge
    has to choose from, its largest is uniform too, so that every set of edges is kept equally often. A set has as many
    discretizations as the product of its edges' numbers, and is accepted with a probability proportional to that.

    Args:
        present_EO: bool, shape (E, O), on the CPU: the node's places.
        rule: as in `discretize`.
        draw: a CPU generator.

    Returns:
        bool tensor, shape (E, O).
    """
    count_E = allowed(present_EO, rule).sum(dim=-1)
    most = count_E.clamp_min(1).sort(descending=True).values[: rule.edges].prod()
    while True:
        score_EO = torch.rand(present_EO.shape, generator=draw, dtype=torch.float32)
        chosen = discretize(score_EO.double() ** count_E.unsqueeze(-1), rule.unlimited, present_EO)
        ways = count_E[chosen.any(dim=-1)].prod()
        # Where every set has as many, nothing is drawn that would not be used.
        if ways == most or float(torch.rand((), generator=draw)) < float(ways / most):
            return chosen


def _within(chosen: Tensor, score: Tensor, mask: Tensor, rule: Rule) -> Tensor:
    """The choice where it keeps all limits, else the best that does; network by network."""
    costs = np.stack([limit.costs.numpy() for limit in rule.limits])
    room = np.array([limit.most - limit.rest for limit in rule.limits])
    one = costs.shape[1:]
    choices, places = (tensor.cpu().reshape(-1, *one).numpy() for tensor in (chosen, mask))
    scores = score.detach().cpu().double().reshape(-1, *one).numpy()
    # Copies of one network, as the derivatives of all places are taken with, are the same choice.
    known: dict[bytes, Places] = {}
    for number, own in enumerate(choices):
        if ((costs * own).sum(axis=(1, 2, 3)) > room).any():
            key = scores[number].tobytes()
            if key not in known:
                known[key] = _best(Knapsack(places[number], rule.edges, costs, room), scores[number], rule.limits)
            choices[number] = known[key]
    return torch.from_numpy(choices).reshape(chosen.shape).to(chosen.device)


def _best(knapsack: Knapsack, score_NEO: Floats, limits: Sequence[Limit]) -> Places:
    found = knapsack.best(score_NEO)
    if found is None:
        raise InputError(f"no network keeps to {' and '.join(limit.said(limit.most) for limit in limits)}")
    return found


def _first_max(score_EO: Tensor) -> tuple[Tensor, Tensor]:
    """Largest value of each edge and the lowest column that holds it (argmax promises no order among ties)."""
    best_E = score_EO.amax(dim=-1)
    is_best = score_EO == best_E.unsqueeze(-1)
    columns = torch.arange(score_EO.shape[-1], device=score_EO.device).expand_as(score_EO)
    return best_E, columns.masked_fill(~is_best, score_EO.shape[-1] - 1).amin(dim=-1)
