"""Uniform draws within limits against all choices that there are."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from dadarts.architecture import drawing
from dadarts.architecture.discretization import Limit, Rule
from dadarts.architecture.drawing import draw_within
from dadarts.errors import InputError
from dadarts.seeds import generator
from tests.architecture.test_knapsack import all_choices


@pytest.mark.parametrize(("edges", "tightness"), [(None, 0.4), (1, 0.5), (2, 0.1)])
def test_each_choice_within_the_limits_is_drawn_equally_often(edges: int | None, tightness: float) -> None:
    present = torch.ones(2, 3, 2, dtype=torch.bool)
    # As a node with fewer edges than the others has it.
    present[0, 2] = False
    costs = [torch.randint(0, 10**high, present.shape, generator=generator("drawing", high)) for high in (1, 9)]
    choices = all_choices(present, Rule(edges))
    limits = []
    for own, part in zip(costs, (tightness, 0.7), strict=True):
        sums = sorted(int((own * one).sum()) for one in choices)
        limits.append(Limit("units", 7 + sums[round(part * (len(sums) - 1))], 7, own))
    within = [one for one in choices if all(limit.cost(one) <= limit.most for limit in limits)]
    names = {tuple(one.flatten().tolist()): number for number, one in enumerate(within)}
    draw = generator("draws")
    drawn = 10 * len(within) if len(within) > 20 else 300
    assert len(within) > 1
    rule = Rule(edges, (), tuple(limits))
    found = Counter(names[tuple(draw_within(present, rule, draw).flatten().tolist())] for _ in range(drawn))
    assert chisquare([found[number] for number in range(len(within))]).pvalue > 1e-3


def test_a_choice_that_is_one_of_very_few_is_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_TRIES", 10)
    one, other = torch.arange(64).view(1, 4, 16), torch.arange(64).flip(0).view(1, 4, 16)
    rule = Rule(1, (), (Limit("units", 31, 0, one), Limit("units", 32, 0, other)))
    chosen = draw_within(torch.ones(1, 4, 16, dtype=torch.bool), rule, generator(1))
    assert chosen.flatten().nonzero().tolist() == [[31]]


@pytest.mark.parametrize("most", [6, 8])
def test_where_there_is_none_it_is_refused(most: int) -> None:
    limit = Limit("units", most, 7, torch.full((1, 1, 2), 2))
    with pytest.raises(InputError, match="no network keeps to"):
        draw_within(torch.ones(1, 1, 2, dtype=torch.bool), Rule(None, (), (limit,)), generator(1))
