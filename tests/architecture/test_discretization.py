"""The one discretization against a search through everything that its rule allows."""

from __future__ import annotations

from itertools import combinations, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dadarts.architecture.discretization import Rule, discretize


def brute_force(score_EO: Tensor, rule: Rule, open_EO: Tensor) -> Tensor:
    """The selection of largest sum; among equals the lowest edges, then the lowest operations."""
    scores, places = score_EO.tolist(), open_EO.tolist()
    options = {e: [o for o, is_open in enumerate(row) if is_open] for e, row in enumerate(places) if any(row)}
    k = len(options) if rule.edges is None else min(rule.edges, len(options))
    best: tuple[float, tuple[int, ...], tuple[int, ...]] | None = None
    for edges in combinations(sorted(options), k):
        for operations in product(*(options[e] for e in edges)):
            value = sum(scores[e][o] for e, o in zip(edges, operations, strict=True))
            candidate = (-value, edges, operations)
            best = candidate if best is None or candidate < best else best
    assert best is not None
    result = torch.zeros_like(open_EO)
    for e, o in zip(best[1], best[2], strict=True):
        result[e, o] = True
    return result


@st.composite
def problems(draw: st.DrawFn) -> tuple[Tensor, Rule, Tensor]:
    """Scores with many ties or none, a rule, and which places are no padding."""
    E, O = draw(st.integers(1, 4)), draw(st.integers(1, 4))  # noqa: E741
    value = st.integers(0, 3).map(float) if draw(st.booleans()) else st.integers(-(2**20), 2**20).map(float)
    score = torch.tensor(draw(st.lists(value, min_size=E * O, max_size=E * O))).view(E, O)
    banned = draw(st.sets(st.integers(0, O - 1), max_size=O - 1))
    edges = draw(st.none() | st.integers(1, E))
    present = torch.tensor(draw(st.lists(st.booleans(), min_size=E * O, max_size=E * O))).view(E, O)
    if draw(st.booleans()):
        present = torch.ones(E, O, dtype=torch.bool)
    return score, Rule(edges, tuple(banned)), present


@given(problem=problems())
@settings(deadline=None, max_examples=120)
def test_it_equals_a_search_through_all_selections(problem: tuple[Tensor, Rule, Tensor]) -> None:
    score, rule, present = problem
    open_EO = present.clone()
    open_EO[:, list(rule.banned)] = False
    assert torch.equal(discretize(score, rule, present), brute_force(score, rule, open_EO))


@given(problem=problems())
@settings(deadline=None, max_examples=50)
def test_without_a_mask_every_place_counts(problem: tuple[Tensor, Rule, Tensor]) -> None:
    score, rule, _ = problem
    everything = torch.ones_like(score, dtype=torch.bool)
    assert torch.equal(discretize(score, rule), discretize(score, rule, everything))


@pytest.mark.parametrize("rule", [Rule(2), Rule(None), Rule(1, (0,)), Rule(2, (3,))])
@pytest.mark.parametrize("leading", [(1,), (5,), (2, 3)])
def test_leading_dimensions_are_nodes_on_their_own(rule: Rule, leading: tuple[int, ...]) -> None:
    draw = torch.Generator().manual_seed(0)
    score = torch.randint(0, 4, (*leading, 3, 4), generator=draw).double()
    together = discretize(score, rule).view(-1, 3, 4)
    for node, alone in zip(together, score.view(-1, 3, 4), strict=True):
        assert torch.equal(node, discretize(alone, rule))


def test_a_mask_of_one_node_is_broadcast_over_many() -> None:
    score = torch.rand((4, 2, 3), generator=torch.Generator().manual_seed(0))
    present = torch.tensor([[True, False, True], [False, True, True]])
    together = discretize(score, Rule(1), present)
    for node, alone in zip(together, score, strict=True):
        assert torch.equal(node, discretize(alone, Rule(1), present))
    assert present.tolist() == [[True, False, True], [False, True, True]]


def test_all_equal_scores_choose_the_lowest_edges_and_operations() -> None:
    assert discretize(torch.zeros(3, 2), Rule(2)).int().tolist() == [[1, 0], [1, 0], [0, 0]]
    assert discretize(torch.zeros(3, 2), Rule(2, (0,))).int().tolist() == [[0, 1], [0, 1], [0, 0]]


def test_a_banned_operation_neither_wins_its_edge_nor_lifts_it() -> None:
    score = torch.tensor([[0.05, 0.95], [0.3, 0.7], [0.4, 0.6]])
    assert discretize(score, Rule(2, (1,))).int().tolist() == [[0, 0], [1, 0], [1, 0]]


def test_it_is_constant_with_respect_to_its_input() -> None:
    score = torch.rand((2, 3), requires_grad=True)
    chosen = discretize(score, Rule(1))
    assert chosen.dtype == torch.bool
    assert not chosen.requires_grad
