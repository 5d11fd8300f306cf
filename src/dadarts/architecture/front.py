"""The front of scores against cost: the best choice under every limit from the smallest network on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dadarts.architecture.discretization import Limit, discretize, least
from dadarts.architecture.genotype import Genotype, read_off
from dadarts.architecture.spaces import SearchSpace


@dataclass(frozen=True)
class Point:
    """A genotype of the front.

    Args:
        genotype: no other that costs as little scores more.
        cost: what its network costs.
        score: the sum of the scores of what it chooses, in parts of the sum without a limit.
    """

    genotype: Genotype
    cost: int
    score: float


def front(space: SearchSpace, score_NEO: Tensor, limit: Limit, points: int) -> Iterator[Point]:
    """Genotypes with ever larger scores and costs, from the smallest network's to that of no limit.

    So many limits at most are tried, in equal steps; under each `discretize` finds the best.

    Args:
        limit: what is counted; the largest cost that it lets be is of no account.
    """
    present = space.stacked({kind: space.present(kind) for kind in space.kinds})
    free = discretize(score_NEO, space.rule.unlimited, present)
    whole, largest = float(score_NEO[free].double().sum()), limit.cost(free)
    (smallest,) = least(replace(space.rule, limits=(replace(limit, most=largest),)), present)
    best = -torch.inf
    for step in range(points):
        most = smallest + (largest - smallest) * step // max(1, points - 1)
        chosen = discretize(score_NEO, replace(space.rule, limits=(replace(limit, most=most),)), present)
        score = float(score_NEO[chosen].double().sum())
        if score > best:
            best = score
            yield Point(read_off(space, space.split(chosen)), limit.cost(chosen), score / whole)
