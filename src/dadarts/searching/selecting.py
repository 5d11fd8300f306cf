"""Carrying out a selection: from a searched supernet to the scores that `discretize` makes a genotype of."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from math import ceil
from typing import TypeAlias

import torch
from torch import Tensor

from dadarts.architecture.spaces import SearchSpace
from dadarts.architecture.supernet import Mixing
from dadarts.config import SearchConfig
from dadarts.errors import CheckpointError
from dadarts.methods.alphas import Candidates
from dadarts.methods.missed import Harm
from dadarts.methods.schedules import Progress, cosine
from dadarts.methods.searched import Mixings
from dadarts.methods.terms import Terms
from dadarts.runs.evaluation import Counted, Name, evaluated
from dadarts.runs.events import Event, Note, SelectionStep
from dadarts.runs.meter import timed
from dadarts.runs.returning import Found, Returning
from dadarts.runs.run import Run
from dadarts.runs.state import Taken
from dadarts.searching import diagnostics
from dadarts.searching.copies import judging
from dadarts.searching.forks import Forks
from dadarts.searching.races import Outcome
from dadarts.searching.state import SearchState
from dadarts.searching.trainers import Trainers
from dadarts.seeds import generator

Scores: TypeAlias = Generator[Event, None, Mixing]
"""Events, and at the end kind -> node -> (E, O)"""

AT_ONCE = 8
"""Mixing weights that are measured in one pass over the validation half, between two saves that are due."""
TUNING_RATE = 0.1
"""Where the learning rate of tuning begins, in parts of the search's (the code that goes with arXiv 2108.04392)."""


def select(run: Run[SearchConfig], state: SearchState, alone: bool = False) -> Scores:
    """The scores of the run's selection, which counts its seconds.

    No random draw depends on when it was stopped and gone on with.

    Args:
        alone: whether no other process can read the data.
    """
    state.bilevel.work.begin_selection()
    with ExitStack() as held:
        searched = _Searched(run, state, Trainers(run, state, held, alone))
        scores = Returning(held.enter_context(closing(run.config.method.selection.scores(searched))))
        began = time.monotonic()
        for event in scores:
            state.selecting += time.monotonic() - began
            yield event
            began = time.monotonic()
        state.selecting += time.monotonic() - began
        return scores.value


@dataclass
class _Searched:
    """A search as its selection sees it.

    Tuning epochs are counted on from the search's, so that a checkpoint says where it stands.

    Args:
        evaluated: how many mixing weights the selection has asked for since its last decision, or since it was begun
            or gone on with.
    """

    run: Run[SearchConfig]
    state: SearchState
    trainers: Trainers
    evaluated: int = field(default=0, init=False)
    forks: Forks = field(init=False)

    def __post_init__(self) -> None:
        self.forks = Forks(self.run, self.state, self.trainers)

    @property
    def space(self) -> SearchSpace:
        return self.state.space

    @property
    def candidates(self) -> Candidates:
        return self.state.bilevel.alphas.candidates

    def weights(self) -> Mixing:
        return self.state.scores()

    def split(self, M_NEO: Tensor) -> Mixing:
        return self.state.bilevel.alphas.split(M_NEO)

    @property
    def trained(self) -> int:
        return len(self.state.history) * self.state.loaders.train.steps()

    @property
    def batch_size(self) -> int:
        return self.run.config.batch_size

    def draw(self, *purpose: str | int) -> torch.Generator:
        return generator(self.run.config.seed, *purpose)

    def evaluate(self, mixings: Mixings) -> Generator[Event, None, list[tuple[float, float]]]:
        state, begin = self.state, self.evaluated
        end = self.evaluated = begin + len(mixings)
        while (known := len(state.measured)) < end:
            passed = ceil(known / AT_ONCE)
            numbers = range(known - begin, min(known - begin + AT_ONCE, len(mixings)))
            placed = {number: self._placed(mixings[number]) for number in numbers}
            evaluation = diagnostics.evaluate_mixings(state.bilevel, state.loaders.validation, placed)
            scores = yield from self._measured(evaluation, passed, passed + ceil((end - known) / AT_ONCE))
            state.measured += [(scores[number].loss, scores[number].top1) for number in numbers]
            state.bilevel.work.measured(placed, len(state.loaders.validation.index))
        return state.measured[begin:end]

    def harms(
        self, mixings: Mapping[Name, Mixing], pictures: int, decisions: float, passed: float | None = None
    ) -> Generator[Event, None, Mapping[Name, Harm]]:
        harms = self.trainers.harms(mixings, pictures)
        behind = min(self.state.decided, decisions - 1) if passed is None else passed
        found = yield from self._measured(harms, behind, decisions)
        self.state.bilevel.work.measured_for_decision(mixings, len(judging(self.state, pictures).index))
        return found

    def _placed(self, mixing: Mixing) -> Mixing:
        like = self.state.bilevel.alpha[0]
        return {kind: tuple(node.to(like) for node in nodes) for kind, nodes in mixing.items()}

    def _measured(self, evaluation: Counted[Found], passed: float, passes: float) -> Generator[Event, None, Found]:
        """What an evaluation finds, which follows on so many of the selection's passes."""

        def event(step: int, steps: int) -> SelectionStep:
            return SelectionStep(
                round(passed * steps) + step, max(round(passes * steps), round(passed * steps) + steps)
            )

        return (yield from evaluated(self.run, self.state, evaluation, event))

    def tune(self, M_NEO: Tensor, through: int, epochs: int) -> Generator[Event, None, None]:
        state, searched = self.state, len(self.state.history)
        while state.position.epoch < searched + through:
            progress = Progress(state.position.epoch, searched + epochs)
            steps = self._steps(M_NEO, progress, Progress(progress.epoch - searched, epochs))
            yield from self.run.counted(state, progress, steps)
            state.position = state.position.next_epoch()

    def _steps(self, M_NEO: Tensor, progress: Progress, tuned: Progress) -> Iterator[Taken]:
        state = self.state
        start = TUNING_RATE * state.rates.weights
        weight_lr = cosine(start, min(start, self.run.config.w_lr_min), tuned)
        mixing = self.split(M_NEO)
        for batch, loading in timed(state.loaders.train.epoch(progress.epoch, state.position.step)):
            losses = state.optimizers.weight_step(batch, mixing, weight_lr)
            yield self.run.taken(losses.train_loss, losses.train_correct, batch.labels, loading)

    @property
    def mixing(self) -> Tensor:
        state = self.state
        begun = state.bilevel.alphas.weights().detach().clone() if state.mixing is None else state.mixing
        state.mixing = begun.to(state.foundation.device)
        return state.mixing

    @property
    def decided(self) -> int:
        return self.state.decided

    @property
    def settled(self) -> Tensor:
        return self.state.settled_places

    def settle(self, node: int, edge: int | None) -> None:
        self.state.settled_places[node, -1 if edge is None else edge] = True
        self.state.decided += 1
        # What was evaluated for it is done with; a selection that goes on does so behind its last decision.
        self.state.measured, self.evaluated = [], 0
        self.state.bilevel.work.decided()
        self.run.save(self.state)

    @property
    def outcomes(self) -> Sequence[Outcome]:
        return tuple(self.state.races.outcomes)

    def race(
        self, forks: Mapping[int, Tensor], terms: Terms, rung: int, races: float, passed: float
    ) -> Generator[Event, None, Mapping[int, Harm]]:
        return (yield from self.forks.race(forks, terms, rung, races, passed))

    def conclude(self, outcomes: Sequence[Outcome], winner: int | None = None) -> Generator[Event, None, None]:
        yield from self.forks.conclude(outcomes, winner)

    def said(self, text: str) -> Note:
        return Note(text)

    def damaged(self, why: str) -> CheckpointError:
        return self.run.damaged(why)
