"""Carrying out a selection: from a searched supernet to the scores that `discretize` makes a genotype of."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest
from math import ceil
from typing import TypeAlias

import torch
from torch import Tensor

from dadarts import diagnostics
from dadarts.alphas import Candidates, Mixing
from dadarts.config import SearchConfig
from dadarts.diagnostics import Name, Score
from dadarts.evaluating import evaluated
from dadarts.events import Event, Note, SelectionStep
from dadarts.genotype import draw_scores
from dadarts.position import timed
from dadarts.run import Run, Taken
from dadarts.schedules import Progress, cosine
from dadarts.search_state import SearchState
from dadarts.seeds import generator
from dadarts.selection import BestOfRandom, Perturbation, UniformDraw

Scores: TypeAlias = Generator[Event, None, Mixing]
"""Events, and at the end kind -> node -> (E, O)"""

AT_ONCE = 8
"""Genotypes that are measured in one pass over the validation half, between two saves that are due."""
TUNING_RATE = 0.1
"""Where the learning rate of tuning begins, in parts of the search's (the code that goes with arXiv 2108.04392)."""


def select(run: Run[SearchConfig], state: SearchState) -> Scores:
    """The scores of the run's selection, which counts its seconds.

    No random draw depends on when it was stopped and gone on with.
    """
    with closing(_selected(run, state)) as selected:
        while True:
            began = time.monotonic()
            try:
                event = next(selected)
            except StopIteration as end:
                scores: Mixing = end.value
                return scores
            finally:
                state.selecting += time.monotonic() - began
            yield event


def _selected(run: Run[SearchConfig], state: SearchState) -> Scores:
    match run.config.method.selection:
        case UniformDraw():
            return draw_scores(run.config.space, generator(run.config.seed, "random-genotype"))
        case BestOfRandom(genotypes):
            return (yield from _best_of_random(run, state, genotypes))
        case Perturbation() as perturbation:
            return (yield from _Perturbing(run, state, perturbation).scores())
    return state.scores()


def _rank(score: Score) -> tuple[float, float]:
    """What makes a score better than another: accuracy, and among equals the loss."""
    return score.top1, -score.loss


def _best_of_random(run: Run[SearchConfig], state: SearchState, genotypes: int) -> Scores:
    space, seed = run.config.space, run.config.seed

    def drawn(number: int) -> Mixing:
        return draw_scores(space, generator(seed, "best-of-random", number))

    passes = ceil(genotypes / AT_ONCE)
    for passed in range(ceil(len(state.measured) / AT_ONCE), passes):
        numbers = range(passed * AT_ONCE, min((passed + 1) * AT_ONCE, genotypes))
        scores = yield from _evaluated(run, state, {number: drawn(number) for number in numbers}, passed, passes)
        state.measured += [(scores[number].loss, scores[number].top1) for number in numbers]
    all_scores = {number: Score(*pair) for number, pair in enumerate(state.measured)}
    best = max(all_scores, key=lambda number: _rank(all_scores[number]))
    yield Note(f"the best of {genotypes} random genotypes has {all_scores[best].top1:.1%} on the validation half")
    return drawn(best)


def _evaluated(
    run: Run[SearchConfig], state: SearchState, mixings: Mapping[Name, Mixing], passed: int, passes: int
) -> Generator[Event, None, Mapping[Name, Score]]:
    """The scores of mixing weights on the validation half, after so many of the selection's passes over it."""
    like = state.bilevel.alpha[0]
    placed = {
        name: {kind: tuple(node.to(like) for node in nodes) for kind, nodes in mixing.items()}
        for name, mixing in mixings.items()
    }
    evaluation = diagnostics.evaluate_mixings(state.bilevel, state.loaders.validation, placed)

    def event(step: int, steps: int) -> SelectionStep:
        return SelectionStep(passed * steps + step, passes * steps)

    return (yield from evaluated(run, state, evaluation, event))


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


class _Perturbing:
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

    def scores(self) -> Scores:
        alphas = self.state.bilevel.alphas
        if self.state.mixing is None:
            self.state.mixing = alphas.weights().detach().clone()
        M = self.state.mixing = self.state.mixing.to(self.state.device)
        while self.state.decided < len(self.decisions):
            decision = self.decisions[self.state.decided]
            yield from self._tuned(M, self.searched + decision.round * self.perturbation.epochs)
            edge = decision.edge
            decided = self._edges(M, decision.node) if edge is None else self._operation(M, decision.node, edge)
            text = yield from decided
            self.state.decided += 1
            self.run.save(self.state)
            yield Note(f"selection {self.state.decided}/{len(self.decisions)}: {text}")
        return alphas.split(M)

    def _operation(self, M: Tensor, node: int, edge: int) -> Generator[Event, None, str]:
        columns = self.candidates.open[node, edge].nonzero().flatten().tolist()
        scores = yield from self._without(M, {column: (node, edge, column) for column in columns})
        kept = _most_missed(scores)
        M[node, edge] = 0
        M[node, edge, kept] = 1
        kind, number = self._place(node)
        name = self.config.space.table(kind)[number][edge][kept]
        return f"{kind} node {number}, edge {edge} keeps {name} ({scores[kept].top1:.1%} without it)"

    def _edges(self, M: Tensor, node: int) -> Generator[Event, None, str]:
        keeps = self.candidates.rule.edges
        edges = self.candidates.open[node].any(dim=-1).nonzero().flatten().tolist()
        left = dict((yield from self._without(M, {edge: (node, edge) for edge in edges})))
        kept: list[int] = []
        while keeps is not None and len(kept) < keeps:
            kept.append(_most_missed(left))
            del left[kept[-1]]
        for edge in left:
            M[node, edge] = 0
        kind, number = self._place(node)
        return f"{kind} node {number} keeps edges {' and '.join(map(str, sorted(kept)))}"

    def _without(self, M: Tensor, places: Mapping[int, tuple[int, ...]]) -> Generator[Event, None, Mapping[int, Score]]:
        """The scores of the mixture without an operation or an edge; the other weights stay as they are."""
        split = self.state.bilevel.alphas.split
        perturbed = {}
        for name, place in places.items():
            removed = M.clone()
            removed[place] = 0
            perturbed[name] = split(removed)
        return (yield from _evaluated(self.run, self.state, perturbed, self.state.decided, len(self.decisions)))

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

    def _place(self, node: int) -> tuple[str, int]:
        """The kind and the number in its cell of a stacked node."""
        kinds = self.candidates.kinds
        return kinds[node], node - kinds.index(kinds[node])


def _most_missed(scores: Mapping[int, Score]) -> int:
    """The name whose removal leaves the worst score; the first among equals."""
    return min(scores, key=lambda name: _rank(scores[name]))
