"""What "choose" means: the one function that the genotype, the hard pass and the discretization loss call."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rule:
    """What a discretization keeps at a node.

    Args:
        edges: how many of the node's incoming edges stay; None keeps every edge.
        banned: columns (operations) that may never be chosen.
    """

    edges: int | None = None
    banned: tuple[int, ...] = ()


def allowed(present: Tensor, rule: Rule) -> Tensor:
    """Of the (edge, operation) places in a bool mask, those that `rule` lets a discretization choose."""
    mask = present.clone()
    mask[..., list(rule.banned)] = False
    return mask


def discretize(score_EO: Tensor, rule: Rule, present: Tensor | None = None) -> Tensor:
    """Keep the best operation of each edge, and the `rule.edges` edges whose best operation scores highest.

    Ties go to the lower edge, then to the lower operation, so a genotype never depends on the device. The result is
    constant with respect to `score_EO`.

    >>> discretize(torch.tensor([[0.2, 0.8], [0.6, 0.4], [0.7, 0.3]]), Rule(edges=2)).int().tolist()
    [[0, 1], [0, 0], [1, 0]]

    Args:
        score_EO: finite scores, shape (..., E, O): one or many nodes with E incoming edges and O operations.
        rule: how many edges stay and which operations may not be chosen.
        present: bool, broadcastable to `score_EO`: False at padding, where nodes of different sizes are stacked.

    Returns:
        bool tensor, shape (..., E, O), True at the chosen (edge, operation) places.

    References:
        arXiv 1806.09055, section 2.4: the rounding of DARTS, here a function with a name.
    """
    with torch.no_grad():
        places = torch.ones_like(score_EO, dtype=torch.bool) if present is None else present.expand(score_EO.shape)
        mask = allowed(places, rule)
        score = score_EO.masked_fill(~mask, -torch.inf)
        best_E, operation_E = _first_max(score)
        chosen = torch.zeros_like(mask).scatter_(-1, operation_E.unsqueeze(-1), True) & mask
        if rule.edges is None:
            return chosen
        # A stable sort leaves equal edges in their order: the lower edge wins.
        order_E = best_E.sort(dim=-1, descending=True, stable=True).indices
        kept_E = torch.zeros_like(best_E, dtype=torch.bool).scatter_(-1, order_E[..., : rule.edges], True)
        return chosen & kept_E.unsqueeze(-1)


def draw_uniform(present_EO: Tensor, rule: Rule, draw: torch.Generator) -> Tensor:
    """One of all that `discretize` can give a node, each with the same probability.

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
        chosen = discretize(score_EO.double() ** count_E.unsqueeze(-1), rule, present_EO)
        ways = count_E[chosen.any(dim=-1)].prod()
        # Where every set has as many, nothing is drawn that would not be used.
        if ways == most or float(torch.rand((), generator=draw)) < float(ways / most):
            return chosen


def _first_max(score_EO: Tensor) -> tuple[Tensor, Tensor]:
    """Largest value of each edge and the lowest column that holds it (argmax promises no order among ties)."""
    best_E = score_EO.amax(dim=-1)
    is_best = score_EO == best_E.unsqueeze(-1)
    columns = torch.arange(score_EO.shape[-1], device=score_EO.device).expand_as(score_EO)
    return best_E, columns.masked_fill(~is_best, score_EO.shape[-1] - 1).amin(dim=-1)
