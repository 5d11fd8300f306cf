"""Selection by perturbation: edge by edge, what is missed most in the mixture stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from math import inf

import torch
from torch import Tensor

from dadarts.architecture.supernet import Mixing
from dadarts.config import SearchConfig
from dadarts.errors import CheckpointError
from dadarts.methods.alphas import Candidates
from dadarts.methods.schedules import Progress, cosine
from dadarts.methods.selection import Perturbation
from dadarts.runs.evaluation import evaluated
from dadarts.runs.events import Event, Note, SelectionStep
from dadarts.runs.meter import timed
from dadarts.runs.run import Run
from dadarts.runs.state import Taken
from dadarts.searching.paired import Harm, Missed, harms, most_missed, surest
from dadarts.searching.state import SearchState
from dadarts.seeds import generator

TUNING_RATE = 0.1
"""Where the learning rate of tuning begins, in parts of the search's (the code that goes with arXiv 2108.04392)."""


@dataclass(frozen=True)
class Decision:
    """What a perturbation decides: the operation of an edge of a stacked node, or (no edge) which edges it keeps."""

    round: int
    node: int
    edge: int | None = None


def decisions_of(candidates: Candidates, seed: int) -> tuple[Decision, ...]:
    """In which order a perturbation decides: a round takes one edge, and later one node, of each kind of cell."""
    choosable = candidates.open.any(dim=-1).cpu()
    keeps = candidates.rule.edges
    edges: list[list[Decision]] = []
    nodes: list[list[Decision]] = []
    for kind in dict.fromkeys(candidates.kinds):
        own = [n for n, name in enumerate(candidates.kinds) if name == kind]
        places = [Decision(0, n, e) for n in own for e in choosable[n].nonzero().flatten().tolist()]
        full = [Decision(0, n) for n in own if keeps is not None and int(choosable[n].sum()) > keeps]
        draw = generator(seed, "selection", kind)
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
    """Where `SearchState.settled_places` has it."""
    return decision.node, -1 if decision.edge is None else decision.edge


class Perturbing:
    """Perturbation-based selection (arXiv 2108.04392); the mixing weights of what is decided become 0 and 1.

    Its tuning epochs are counted on from the search's, so that a checkpoint says where it stands.
    """

    def __init__(self, run: Run[SearchConfig], state: SearchState, perturbation: Perturbation) -> None:
        self.run = run
        self.config = run.config
        self.state = state
        self.perturbation = perturbation
        self.candidates = state.bilevel.alphas.candidates
        self.decisions = decisions_of(self.candidates, run.config.seed)
        self.searched = len(state.history)
        validation = state.loaders.validation
        self.validation = validation.at_least(perturbation.pictures) if perturbation.pictures else validation
        if perturbation.order == "surest":
            self._refuse_other_places()

    def _refuse_other_places(self) -> None:
        """Refuse a checkpoint whose places are not those of as many decisions.

        Raises:
            CheckpointError: they are not.
        """
        kinds, places = self.candidates.kinds, self.state.settled_places
        known = torch.zeros_like(places)
        for one in self.decisions:
            known[place_of(one)] = True
        made = Counter((kinds[one.node], one.edge is None) for one in self.decisions[: self.state.decided])
        found = Counter((kinds[node], edge == places.shape[1] - 1) for node, edge in places.nonzero().tolist())
        if made != found or bool((places & ~known).any()):
            raise CheckpointError(f"{self.run.folder.checkpoint} has other decisions than their number says")

    def scores(self) -> Generator[Event, None, Mixing]:
        """Events, and at the end the mixing weights of what was decided."""
        state, alphas = self.state, self.state.bilevel.alphas
        if state.mixing is None:
            state.mixing = alphas.weights().detach().clone()
        M = state.mixing = state.mixing.to(state.foundation.device)
        while state.decided < len(self.decisions):
            yield from self._tuned(M, self.searched + self.decisions[state.decided].round * self.perturbation.epochs)
            decision, missed = yield from self._next(M)
            keep(M, decision, missed)
            state.settled_places[place_of(decision)] = True
            state.decided += 1
            self.run.save(state)
            yield Note(f"selection {state.decided}/{len(self.decisions)}: {self._said(decision, missed)}")
        return alphas.split(M)

    def _next(self, M: Tensor) -> Generator[Event, None, tuple[Decision, Missed]]:
        """What is decided next, and how: of one measurement, which serves the order and the decision."""
        due = self._due()
        without = {
            (place, name): self.state.bilevel.alphas.split(left)
            for place, decision in enumerate(due)
            for name, left in without_each(M, self.candidates, decision, self.perturbation.renormalise).items()
        }
        measured = yield from self._measured(without)
        found = []
        for place, decision in enumerate(due):
            harm = {name: measured[place, name] for own, name in without if own == place}
            kept = 1 if decision.edge is not None else self.candidates.rule.edges or len(harm)
            found.append(most_missed(harm, kept, self.perturbation.by))
        first = surest(found)
        return due[first], found[first]

    def _due(self) -> list[Decision]:
        """The decisions that may be the next one: of the same kind of cell, and all edges before all nodes."""
        following = self.decisions[self.state.decided]
        if self.perturbation.order == "random":
            return [following]
        kinds = self.candidates.kinds
        return sorted(
            (
                one
                for one in self.decisions
                if kinds[one.node] == kinds[following.node]
                and (one.edge is None) == (following.edge is None)
                and not self.state.settled_places[place_of(one)]
            ),
            key=lambda one: (one.node, one.edge or 0),
        )

    def _measured(
        self, mixings: Mapping[tuple[int, int], Mixing]
    ) -> Generator[Event, None, Mapping[tuple[int, int], Harm]]:
        passed, passes = self.state.decided, len(self.decisions)
        return (
            yield from evaluated(
                self.run,
                self.state,
                harms(self.state.bilevel, self.validation, mixings),
                lambda step, steps: SelectionStep(passed * steps + step, passes * steps),
            )
        )

    def _said(self, decision: Decision, missed: Missed) -> str:
        kinds = self.candidates.kinds
        kind, number = kinds[decision.node], decision.node - kinds.index(kinds[decision.node])
        how_sure = f", {missed.z:.1f} standard errors before the next" if missed.z != inf else ""
        if decision.edge is None:
            return f"{kind} node {number} keeps edges {' and '.join(map(str, sorted(missed.kept)))}{how_sure}"
        name = self.config.space.table(kind)[number][decision.edge][missed.kept[0]]
        return f"{kind} node {number}, edge {decision.edge} keeps {name} ({missed.top1:.1%} without it{how_sure})"

    def _tuned(self, M: Tensor, epoch: int) -> Iterator[Event]:
        """Train the weights under M until so many epochs are through."""
        state = self.state
        total = self.searched + self.decisions[-1].round * self.perturbation.epochs
        while state.position.epoch < epoch:
            progress = Progress(state.position.epoch, total)
            yield from self.run.counted(state, progress, self._steps(M, progress))
            state.position = state.position.next_epoch()

    def _steps(self, M: Tensor, progress: Progress) -> Iterator[Taken]:
        config, state = self.config, self.state
        start = TUNING_RATE * state.rates.weights
        through = Progress(progress.epoch - self.searched, progress.epochs - self.searched)
        weight_lr = cosine(start, min(start, config.w_lr_min), through)
        mixing = state.bilevel.alphas.split(M)
        for batch, loading in timed(state.loaders.train.epoch(progress.epoch, state.position.step)):
            losses = state.optimizers.weight_step(batch, mixing, weight_lr)
            yield self.run.taken(losses.train_loss, losses.train_correct, batch.labels, loading)


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
            # In float32 the quotient could be infinite where next to nothing is left.
            row, whole = left[decision.node, decision.edge].double(), M[decision.node, decision.edge].double().sum()
            # Where nothing is left there is nothing to scale.
            left[decision.node, decision.edge] = (row * (whole / row.sum()) if row.any() else row).to(M)
        found[name] = left
    return found


def keep(M: Tensor, decision: Decision, missed: Missed) -> None:
    """Write a decision into the mixing weights: ones and zeros of an edge, zeros of the edges that are dropped."""
    if decision.edge is not None:
        M[decision.node, decision.edge] = 0
        M[decision.node, decision.edge, missed.kept[0]] = 1
        return
    M[decision.node, list(missed.dropped)] = 0
