"""Discretization under limits against a search through everything, and against an integer program."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp
from torch import Tensor

from dadarts.architecture.discretization import Limit, Rule, discretize, least
from dadarts.errors import InputError
from dadarts.seeds import generator


def choices_of_node(open_EO: Tensor, edges: int | None) -> list[list[tuple[int, int]]]:
    """Every choice that a rule without limits allows at a node, as (edge, operation) places."""
    options = {e: row.nonzero().flatten().tolist() for e, row in enumerate(open_EO) if row.any()}
    keeps = len(options) if edges is None else min(edges, len(options))
    return [
        list(zip(kept, operations, strict=True))
        for kept in combinations(options, keeps)
        for operations in product(*(options[e] for e in kept))
    ]


def all_choices(present_NEO: Tensor, rule: Rule) -> list[Tensor]:
    found = []
    open_NEO = present_NEO.clone()
    open_NEO[..., list(rule.banned)] = False
    for together in product(*(choices_of_node(node, rule.edges) for node in open_NEO)):
        chosen = torch.zeros_like(present_NEO)
        for n, places in enumerate(together):
            for e, o in places:
                chosen[n, e, o] = True
        found.append(chosen)
    return found


@st.composite
def problems(draw: st.DrawFn) -> tuple[Tensor, Tensor, Rule]:
    """Scores with many ties or none, places, and a rule with one to three limits that may bind or be impossible."""
    N, E, O = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 3))  # noqa: E741
    size = N * E * O

    def tensor(values: st.SearchStrategy[int]) -> Tensor:
        return torch.tensor(draw(st.lists(values, min_size=size, max_size=size))).view(N, E, O)

    score = tensor(st.integers(0, 3) if draw(st.booleans()) else st.integers(-(2**20), 2**20)).double()
    present = tensor(st.booleans()) if draw(st.booleans()) else torch.ones(N, E, O, dtype=torch.bool)
    cost = st.integers(0, 4) if draw(st.booleans()) else st.integers(0, 10**9)
    limits = []
    for number in range(draw(st.integers(1, 3))):
        costs, rest = tensor(cost), draw(cost)
        sums = sorted({rest + int((costs * one).sum()) for one in all_choices(present, Rule(None))} | {rest})
        limits.append(Limit(f"cost {number}", draw(st.sampled_from(sums)) - draw(st.integers(0, 1)), rest, costs))
    banned = draw(st.sets(st.integers(0, O - 1), max_size=O - 1))
    return score, present, Rule(draw(st.none() | st.integers(1, E)), tuple(banned), tuple(limits))


@given(problem=problems())
@settings(deadline=None, max_examples=60)
def test_it_is_the_best_of_all_choices_within_the_limits(problem: tuple[Tensor, Tensor, Rule]) -> None:
    score, present, rule = problem
    within = [
        one
        for one in all_choices(present, rule)
        if all(limit.rest + int((limit.costs * one).sum()) <= limit.most for limit in rule.limits)
    ]
    if not within:
        with pytest.raises(InputError, match="no network keeps to"):
            discretize(score, rule, present)
        return
    chosen = discretize(score, rule, present)
    assert any(torch.equal(chosen, one) for one in within)
    assert float(score[chosen].sum()) == max(float(score[one].sum()) for one in within)
    free = discretize(score, rule.unlimited, present)
    if any(torch.equal(free, one) for one in within):
        assert torch.equal(chosen, free)


@given(problem=problems())
@settings(deadline=None, max_examples=25)
def test_the_smallest_cost_is_named_where_no_choice_keeps_to_a_limit(problem: tuple[Tensor, Tensor, Rule]) -> None:
    _, present, rule = problem
    within = all_choices(present, rule)
    for limit in rule.limits:
        costs = [limit.rest + int((limit.costs * one).sum()) for one in within]
        if min(costs) > limit.most:
            with pytest.raises(InputError, match=rf"the smallest needs {min(costs):,} {limit.of}$"):
                least(rule, present)
            return
        within = [one for one, cost in zip(within, costs, strict=True) if cost <= limit.most]
    assert least(rule, present)[0] == min(
        rule.limits[0].rest + int((rule.limits[0].costs * one).sum()) for one in all_choices(present, rule)
    )


def integer_program(score: Tensor, rule: Rule) -> float:
    """The largest sum of scores of the same problem by SciPy's HiGHS."""
    N, E, O = score.shape  # noqa: E741
    rows: list[tuple[Any, int, int]] = []
    for n in range(N):
        node = np.zeros((N, E, O))
        node[n] = 1
        rows.append((node, rule.edges or E, rule.edges or E))
        for e in range(E):
            edge = np.zeros((N, E, O))
            edge[n, e] = 1
            rows.append((edge, 0, 1))
    rows += [(limit.costs.numpy(), 0, limit.most - limit.rest) for limit in rule.limits]
    matrix = np.stack([row.ravel() for row, _, _ in rows])
    low, high = [low for _, low, _ in rows], [high for _, _, high in rows]
    found = milp(
        -score.numpy().ravel(),
        integrality=np.ones(score.numel()),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, low, high),
        options={"mip_rel_gap": 0},
    )
    return -float(found.fun)


@pytest.mark.parametrize("limits", [1, 3])
@pytest.mark.parametrize("tightness", [0.1, 0.4, 0.7])
def test_it_equals_an_integer_program_at_the_size_of_darts(limits: int, tightness: float) -> None:
    draw = generator("limits", limits, round(10 * tightness))
    shape = 8, 5, 7
    score = torch.rand(shape, generator=draw, dtype=torch.float64)
    first = torch.randint(0, 1000, shape, generator=draw)
    # What has many parameters has many multiply-adds as well, more or less.
    costs = [first, *((first * (0.5 + torch.rand(shape, generator=draw))).long() for _ in range(limits - 1))]
    smallest = int((first * discretize(-first.double(), Rule(2))).sum())
    largest = int((first * discretize(score, Rule(2))).sum())
    most = smallest + round(tightness * (largest - smallest))
    known = discretize(score, Rule(2, (), (Limit("units", most, 0, first),)))
    room = [most, *(int(0.97 * (own * known).sum()) + 300 for own in costs[1:])]
    rule = Rule(2, (), tuple(Limit("units", most, 0, own) for most, own in zip(room, costs, strict=True)))
    chosen = discretize(score, rule)
    assert all(limit.cost(chosen) <= limit.most for limit in rule.limits)
    assert float(score[chosen].sum()) == pytest.approx(integer_program(score, rule), abs=1e-5)


def test_copies_of_a_network_are_discretized_each_by_itself() -> None:
    costs = torch.tensor([[[5, 1]], [[5, 1]]])
    rule = Rule(1, (), (Limit("units", 6, 0, costs),))
    score = torch.tensor([[[0.9, 0.1]], [[0.8, 0.2]]])
    both = torch.cat((score, score.flip(0), score))
    expected = torch.tensor([[[1, 0]], [[0, 1]]]).bool()
    assert torch.equal(discretize(both, rule), torch.cat((expected, expected.flip(0), expected)))
