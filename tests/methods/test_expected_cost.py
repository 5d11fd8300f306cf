"""The expected cost of alphas, its penalty, and the price that drives it to the limit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dadarts.architecture.discretization import Limit, discretize, draw_uniform
from dadarts.architecture.spaces import SearchSpace, space
from dadarts.methods.alphas import Alphas
from dadarts.methods.penalties import ExpectedCost, excesses
from dadarts.seeds import generator
from tests.nets import MIDWAY


def limited(name: str, most: int = 50) -> tuple[SearchSpace, Limit]:
    own = space(name, 2 if name == "darts" else None)
    present = own.stacked({kind: own.present(kind) for kind in own.kinds})
    costs = torch.randint(0, 20, present.shape, generator=generator("costs")) * present
    limit = Limit("units", most, 7, costs)
    return replace(own, limits=(limit,)), limit


def spread(limit: Limit, alphas: Alphas) -> int:
    """Cost of the largest network less that of the smallest."""
    rule, present = alphas.candidates.rule.unlimited, alphas.candidates.present
    ends = [limit.cost(discretize(sign * limit.costs.double(), rule, present)) for sign in (1, -1)]
    return ends[0] - ends[1]


def expected(W: Tensor, alphas: Alphas, limit: Limit) -> float:
    return float(excesses(W, alphas.candidates)[0]) * spread(limit, alphas) + limit.most


@pytest.mark.parametrize("name", ["darts", "nas-bench-201", "S3", "nas-bench-macro"])
def test_where_the_mixture_is_a_network_the_expected_cost_is_its_own(name: str) -> None:
    own, limit = limited(name)
    alphas = Alphas(own, generator(1))
    draw = generator(2)
    D = own.stacked({kind: [draw_uniform(node, own.rule, draw) for node in own.present(kind)] for kind in own.kinds})
    assert expected(D.double(), alphas, limit) == pytest.approx(limit.cost(D))


def test_of_an_undecided_mixture_it_is_the_mean_over_uniform_networks() -> None:
    own, limit = limited("darts")
    alphas = Alphas(own, generator(1))
    W = torch.where(alphas.candidates.present, 1 / own.columns, 0.0).double()
    draw = generator(3)
    nodes = [(n, node) for n, node in enumerate(node for kind in own.kinds for node in own.present(kind))]
    total = 0
    for _ in range(400):
        for n, node in nodes:
            total += int((limit.costs[n, : len(node)] * draw_uniform(node, own.rule, draw)).sum())
    assert expected(W, alphas, limit) == pytest.approx(limit.rest + total / 400, rel=0.03)


def test_the_penalty_is_the_price_times_the_excess_and_its_gradient_takes_from_what_is_dear() -> None:
    own, limit = limited("nas-bench-201", most=0)
    alphas = Alphas(own, generator(1)).double()
    penalty = ExpectedCost(rate=2.0)
    assert penalty(alphas, MIDWAY).item() == 0
    penalty.follow(alphas, 0.5)
    excess = excesses(alphas.weights(), alphas.candidates)
    assert excess.item() > 0
    assert float(alphas.prices) == pytest.approx(excess.item())
    value = penalty(alphas, MIDWAY)
    assert value.item() == pytest.approx((alphas.prices * excess).item())
    (first, *_) = torch.autograd.grad(value, [*alphas.parameters()])
    costs = limit.costs[0, 0]
    assert first[0].argmax() == costs.argmax()
    assert first[0].argmin() == costs.argmin()


def test_the_price_falls_back_to_nothing_where_the_limit_is_kept() -> None:
    alphas = Alphas(limited("nas-bench-201", most=10**6)[0], generator(1))
    alphas.prices.fill_(1e-3)
    ExpectedCost().follow(alphas, 1.0)
    assert float(alphas.prices) == 0


def test_without_limits_it_is_nothing() -> None:
    alphas = Alphas(space("nas-bench-201"), generator(1))
    ExpectedCost().follow(alphas, 1.0)
    assert float(ExpectedCost()(alphas, MIDWAY)) == 0
