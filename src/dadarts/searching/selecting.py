"""Carrying out a selection: from a searched supernet to the scores that `discretize` makes a genotype of."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import ceil
from typing import TypeAlias

import torch

from dadarts.architecture.genotype import draw_scores
from dadarts.architecture.spaces import SearchSpace
from dadarts.architecture.supernet import Mixing
from dadarts.config import SearchConfig
from dadarts.methods.selection import BestOfRandom, Perturbation
from dadarts.runs.evaluation import Name, Score, evaluated
from dadarts.runs.events import Event, Note, SelectionStep
from dadarts.runs.returning import Returning
from dadarts.runs.run import Run
from dadarts.searching import diagnostics
from dadarts.searching.perturbing import Perturbing
from dadarts.searching.state import SearchState
from dadarts.seeds import generator

Scores: TypeAlias = Generator[Event, None, Mixing]
"""Events, and at the end kind -> node -> (E, O)"""

AT_ONCE = 8
"""Genotypes that are measured in one pass over the validation half, between two saves that are due."""


def select(run: Run[SearchConfig], state: SearchState) -> Scores:
    """The scores of the run's selection, which counts its seconds.

    No random draw depends on when it was stopped and gone on with.
    """
    with closing(_selected(run, state)) as selected:
        scores = Returning(selected)
        began = time.monotonic()
        for event in scores:
            state.selecting += time.monotonic() - began
            yield event
            began = time.monotonic()
        state.selecting += time.monotonic() - began
        return scores.value


def _selected(run: Run[SearchConfig], state: SearchState) -> Scores:
    match run.config.method.selection:
        # These two go on where they were stopped, with what the run's checkpoint holds of them.
        case BestOfRandom(genotypes):
            return (yield from _best_of_random(run, state, genotypes))
        case Perturbation() as perturbation:
            return (yield from Perturbing(run, state, perturbation).scores())
        case selection:
            return (yield from selection.scores(_Searched(run, state)))


@dataclass(frozen=True)
class _Searched:
    """What a selection may ask of a search."""

    run: Run[SearchConfig]
    state: SearchState

    @property
    def space(self) -> SearchSpace:
        return self.run.config.space

    def weights(self) -> Mixing:
        return self.state.scores()

    def draw(self, *purpose: str | int) -> torch.Generator:
        return generator(self.run.config.seed, *purpose)

    def evaluate(self, mixings: Sequence[Mixing]) -> Generator[Event, None, list[tuple[float, float]]]:
        scores = yield from _evaluated(self.run, self.state, dict(enumerate(mixings)), 0, 1)
        return [(scores[number].loss, scores[number].top1) for number in range(len(mixings))]


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
