"""Selection by perturbation: edge by edge, what is missed most in the mixture stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, zip_longest
from math import inf
from typing import Any, Literal

import torch
from torch import Tensor

from dadarts.architecture.supernet import Mixing
from dadarts.methods.affordable import Purse
from dadarts.methods.alphas import Candidates
from dadarts.methods.missed import By, Missed, most_missed, surest
from dadarts.methods.searched import Searched


@dataclass(frozen=True)
class Decision:
    """What a perturbation decides: the operation of an edge of a stacked node, or (no edge) which edges it keeps."""

    round: int
    node: int
    edge: int | None = None


def decisions_of(candidates: Candidates, draw_for: Callable[..., torch.Generator]) -> tuple[Decision, ...]:
    """In which order a perturbation decides: a round takes one edge, and later one node, of each kind of cell."""
    choosable = candidates.open.any(dim=-1).cpu()
    keeps = candidates.rule.edges
    edges: list[list[Decision]] = []
    nodes: list[list[Decision]] = []
    for kind in dict.fromkeys(candidates.kinds):
        own = [n for n, name in enumerate(candidates.kinds) if name == kind]
        places = [Decision(0, n, e) for n in own for e in choosable[n].nonzero().flatten().tolist()]
        full = [Decision(0, n) for n in own if keeps is not None and int(choosable[n].sum()) > keeps]
        draw = draw_for("selection", kind)
        edges.append(_shuffled(places, draw))
        nodes.append(_shuffled(full, draw))
    rounds = [*zip_longest(*edges), *zip_longest(*nodes)]
    return tuple(
        Decision(number, decision.node, decision.edge)
        for number, together in enumerate(rounds)
        for decision in together
        if decision is not None
    )


def _shuffled(items: list[Decision], draw: torch.Generator) -> list[Decision]:
    return [items[place] for place in torch.randperm(len(items), generator=draw).tolist()]


def place_of(decision: Decision) -> tuple[int, int]:
    """Where `Searched.settled` has it."""
    return decision.node, -1 if decision.edge is None else decision.edge


@dataclass(frozen=True)
class Perturbing:
    """Perturbation-based selection (arXiv 2108.04392); the mixing weights of what is decided become 0 and 1.

    Args:
        search: the search that it ends.
        epochs: see `Perturbation`, as all that follow.
    """

    search: Searched
    epochs: int
    order: Literal["random", "surest"]
    by: By
    renormalise: bool
    pictures: int

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """All that is decided, in the order that a random one has."""
        return decisions_of(self.search.candidates, self.search.draw)

    def scores(self) -> Generator[Any, None, Mixing]:
        """Events, and at the end the mixing weights of what was decided."""
        search = self.search
        if self.order == "surest":
            self._refuse_other_places()
        M = search.mixing
        while search.decided < len(self.decisions):
            due, last = self.decisions[search.decided], self.decisions[-1]
            yield from search.tune(M, due.round * self.epochs, last.round * self.epochs)
            decision, missed = yield from self._next(M)
            keep(M, decision, missed)
            search.settle(decision.node, decision.edge)
            yield search.said(f"selection {search.decided}/{len(self.decisions)}: {self._said(decision, missed)}")
        return search.split(M)

    def _refuse_other_places(self) -> None:
        """Refuse a checkpoint whose places are not those of as many decisions."""
        kinds, places = self.search.candidates.kinds, self.search.settled
        known = torch.zeros_like(places)
        for one in self.decisions:
            known[place_of(one)] = True
        made = Counter((kinds[one.node], one.edge is None) for one in self.decisions[: self.search.decided])
        found = Counter((kinds[node], edge == places.shape[1] - 1) for node, edge in places.nonzero().tolist())
        if made != found or bool((places & ~known).any()):
            raise self.search.damaged("has other decisions than their number says")

    def _next(self, M: Tensor) -> Generator[Any, None, tuple[Decision, Missed]]:
        """What is decided next, and how: of one measurement, which serves the order and the decision."""
        candidates, due = self.search.candidates, self._due()
        purse = self._purse(M)
        without = {
            (place, name): self.search.split(left)
            for place, decision in enumerate(due)
            for name, left in without_each(M, candidates, decision, self.renormalise).items()
            if decision.edge is None or purse.after({(decision.node, decision.edge): name}).is_enough
        }
        measured = yield from self.search.harms(without, self.pictures, len(self.decisions))
        found = []
        for place, decision in enumerate(due):
            harm = {name: measured[place, name] for own, name in without if own == place}
            kept = 1 if decision.edge is not None else candidates.rule.edges or len(harm)
            missed = most_missed(harm, kept, self.by)
            found.append(missed if decision.edge is not None else affordable(missed, decision.node, purse))
        first = surest(found)
        return due[first], found[first]

    def _purse(self, M: Tensor) -> Purse:
        """What the decisions so far leave open: of a decided edge what it keeps, and nothing of a dropped one."""
        candidates = self.search.candidates
        undecided = ~self.search.settled[:, :-1].to(M.device)
        return Purse(candidates, (candidates.open & (undecided.unsqueeze(-1) | (M > 0))).cpu())

    def _due(self) -> list[Decision]:
        """The decisions that may be the next one: of the same kind of cell, and all edges before all nodes."""
        following = self.decisions[self.search.decided]
        if self.order == "random":
            return [following]
        kinds, settled = self.search.candidates.kinds, self.search.settled
        return sorted(
            (
                one
                for one in self.decisions
                if kinds[one.node] == kinds[following.node]
                and (one.edge is None) == (following.edge is None)
                and not settled[place_of(one)]
            ),
            key=lambda one: (one.node, one.edge or 0),
        )

    def _said(self, decision: Decision, missed: Missed) -> str:
        kinds = self.search.candidates.kinds
        kind, number = kinds[decision.node], decision.node - kinds.index(kinds[decision.node])
        how_sure = f", {missed.z:.1f} standard errors before the next" if missed.z != inf else ""
        if decision.edge is None:
            return f"{kind} node {number} keeps edges {' and '.join(map(str, sorted(missed.kept)))}{how_sure}"
        name = self.search.space.table(kind)[number][decision.edge][missed.kept[0]]
        return f"{kind} node {number}, edge {decision.edge} keeps {name} ({missed.top1:.1%} without it{how_sure})"


def affordable(missed: Missed, node: int, purse: Purse) -> Missed:
    """The edges that are missed most of those that a node may keep within the limits.

    The first set of as many in the order of what is missed: sets differ by their least missed edge first.
    """
    ranked = (*missed.kept, *missed.dropped)
    for places in sorted(combinations(range(len(ranked)), len(missed.kept)), key=lambda places: places[::-1]):
        dropped = [name for place, name in enumerate(ranked) if place not in places]
        if purse.after({}, [(node, edge) for edge in dropped]).is_enough:
            return replace(missed, kept=tuple(ranked[place] for place in places), dropped=tuple(dropped))
    return missed


def without_each(M: Tensor, candidates: Candidates, decision: Decision, renormalise: bool) -> dict[int, Tensor]:
    """The mixture without each operation of an edge, or each edge of a node, that a decision may keep.

    The other weights stay as they are, or where an operation is left out and it is to `renormalise`, are scaled to what
    the edge had.
    """
    open_EO = candidates.open[decision.node]
    names = (open_EO.any(dim=-1) if decision.edge is None else open_EO[decision.edge]).nonzero().flatten().tolist()
    found = {}
    for name in names:
        left = M.clone()
        place = (decision.node, name) if decision.edge is None else (decision.node, decision.edge, name)
        left[place] = 0
        if renormalise and decision.edge is not None:
            # In float32 the quotient could be infinite where next to nothing is left; MPS has nothing else.
            row, before = (each[decision.node, decision.edge].cpu().double() for each in (left, M))
            # Where nothing is left there is nothing to scale.
            left[decision.node, decision.edge] = (row * (before.sum() / row.sum()) if row.any() else row).to(M)
        found[name] = left
    return found


def keep(M: Tensor, decision: Decision, missed: Missed) -> None:
    """Write a decision into the mixing weights: ones and zeros of an edge, zeros of the edges that are dropped."""
    if decision.edge is not None:
        M[decision.node, decision.edge] = 0
        M[decision.node, decision.edge, missed.kept[0]] = 1
        return
    M[decision.node, list(missed.dropped)] = 0
