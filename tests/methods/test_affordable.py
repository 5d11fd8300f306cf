"""Decisions under limits: an edge at a time, and always with a way to go on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dadarts.architecture.discretization import Limit
from dadarts.architecture.spaces import space
from dadarts.methods.affordable import Purse
from dadarts.methods.alphas import Alphas, Candidates
from dadarts.methods.missed import Missed
from dadarts.methods.perturbation import affordable
from dadarts.seeds import generator


def candidates(most: int) -> Candidates:
    """Of two nodes with two and three edges, of which both keep two: an operation costs 0 or 1, skips nothing."""
    own = replace(space("S2", 2), candidates={"normal": space("S2", 2).candidates["normal"]})
    present = own.stacked({"normal": own.present("normal")})
    costs = torch.tensor([1, 0]) * present
    return Alphas(replace(own, limits=(Limit("units", most, 5, costs),)), generator(1)).candidates


@pytest.mark.parametrize(("most", "spent"), [(4, -1), (5, 0), (6, 1), (7, 2), (9, 4)])
def test_as_many_edges_may_keep_what_is_dear_as_the_limit_lets_them(most: int, spent: int) -> None:
    own = candidates(most)
    purse = Purse(own, own.open)
    edges = [(0, 0), (0, 1), (1, 0), (1, 2)]
    for number in range(len(edges) + 1):
        dear = purse.after(dict.fromkeys(edges[:number], 0), [(1, 1)])
        assert dear.is_enough == (number <= spent)
    # The node may still drop the edge that is dear.
    assert purse.after({(1, 0): 0}).is_enough == (spent >= 0)


def test_a_node_keeps_the_most_missed_edges_that_it_can_pay_for() -> None:
    missed = Missed((2, 0), (1,), 0.5, 1.0)
    for most, kept in ((7, (2, 0)), (6, (2, 1)), (5, (2, 1))):
        own = candidates(most)
        purse = Purse(own, own.open).after({(0, 0): 1, (0, 1): 1, (1, 0): 0, (1, 1): 1, (1, 2): 1 if most == 5 else 0})
        found = affordable(missed, 1, purse)
        assert (found.kept, {*found.kept, *found.dropped}) == (kept, {0, 1, 2})
