"""Forks of a search's weights: each is trained under mixing weights of its own, and measured picture by picture."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from dadarts.architecture.supernet import Batch, Mixing
from dadarts.config import SearchConfig
from dadarts.data import Loader
from dadarts.errors import RunError
from dadarts.methods.missed import Harm
from dadarts.methods.schedules import Progress, cosine
from dadarts.methods.terms import Terms
from dadarts.runs.events import Event, SelectionStep
from dadarts.runs.returning import Returning
from dadarts.runs.run import Run
from dadarts.searching import paired
from dadarts.searching.races import Outcome
from dadarts.searching.state import SearchState


def stream(loader: Loader, epoch: int, first: int) -> Iterator[Batch]:
    """The batches from number `first` on, counted over epochs from the beginning of `epoch`."""
    while True:
        passed, step = divmod(first, loader.steps())
        yield from loader.epoch(epoch + passed, step)
        first = (passed + 1) * loader.steps()


@dataclass
class Forks:
    """The race that a selection runs.

    What every fork has lost is kept in the checkpoint, its weights in memory alone: where a run was stopped, those that
    go on and the winner are trained again, to the same bits.

    Args:
        split: mixing weights of the stacked nodes as the supernet takes them.
    """

    run: Run[SearchConfig]
    state: SearchState
    split: Callable[[Tensor], Mixing]
    _forks: Mapping[int, Tensor] = field(default_factory=dict, init=False)
    _terms: Terms = field(default_factory=Terms, init=False)
    _trained: dict[int, tuple[int, list[Tensor]]] = field(default_factory=dict, init=False)
    """How many copies of a fork are trained, and their mean."""
    _rung: int = field(default=0, init=False)
    _entering: Sequence[int] = field(default=(), init=False)

    def race(
        self, forks: Mapping[int, Tensor], terms: Terms, rung: int, races: int
    ) -> Generator[Event, None, Mapping[int, Harm]]:
        """See `Searched.race`."""
        self._forks, self._terms, self._rung = forks, terms, rung
        if rung == 0:
            self._entering = terms.entering(len(forks))
        known, validation = self.state.races.losses, self.state.loaders.validation
        loader = validation.at_least(terms.pictures) if terms.pictures else validation
        if len(known) > sum(self._entering) or any(len(harm) != len(loader.index) for harm in known):
            raise self.run.damaged("has measured other forks than those of its race")
        first, steps = sum(self._entering[:rung]), terms.steps_of(rung) + loader.steps()
        begin, end = self._passed(rung, loader.steps(), races)
        for number, name in enumerate(forks):
            if first + number < len(known):
                continue
            with self._forked(), self.state.bilevel.work.unless_stopped():
                for step in self._train(name, rung):
                    yield SelectionStep(min(begin + number * steps + step, end), end)
                measuring = Returning(paired.harms(self.state.bilevel, loader, {name: self.split(forks[name])}))
                for step, _ in measuring:
                    yield SelectionStep(min(begin + (number + 1) * steps - loader.steps() + step, end), end)
                self.state.bilevel.work.measured({name: self.split(forks[name])}, len(loader.index))
            known.append(measuring.value[name])
            self.run.save_if_due(self.state)
        return dict(zip(forks, known[first : first + len(forks)], strict=True))

    def _passed(self, rung: int, measuring: int, races: int) -> tuple[int, int]:
        """How many steps were taken before a rung, and how many are in all if all races are as long as this one."""
        rungs = [count * (self._terms.steps_of(number) + measuring) for number, count in enumerate(self._entering)]
        passed = min(len(self.state.races.outcomes), races - 1)
        return passed * sum(rungs) + sum(rungs[:rung]), races * sum(rungs)

    def conclude(self, outcomes: Sequence[Outcome], winner: int | None) -> Generator[Event, None, None]:
        """See `Searched.conclude`."""
        state = self.state
        if winner is not None:
            with self._forked(), state.bilevel.work.uncounted():
                for step in self._train(winner, self._rung):
                    yield SelectionStep(step, self._terms.steps_of(self._rung))
                weights = self._weights()
            self._take(weights)
            state.optimizers.sgd.state.clear()
        self._trained = {}
        state.races.conclude(outcomes)
        state.bilevel.work.decided()
        self.run.save(state)

    def _weights(self) -> list[Tensor]:
        return [w.detach().clone() for w in self.state.bilevel.w]

    @torch.no_grad()
    def _take(self, weights: list[Tensor]) -> None:
        torch._foreach_copy_(self.state.bilevel.w, weights)

    @contextmanager
    def _forked(self) -> Iterator[None]:
        """Weights and momentum that may be trained for a while; they come back before a stop is saved."""
        sgd = self.state.optimizers.sgd
        weights, momentum = self._weights(), dict(sgd.state)
        sgd.state.clear()
        try:
            yield
        finally:
            self._take(weights)
            sgd.state.clear()
            sgd.state.update(momentum)

    def _train(self, name: int, rung: int) -> Iterator[int]:
        """Train the copies of a fork's rung, and those before it that are forgotten, and leave the mean of all.

        The steps of the rung are counted.
        """
        begun, terms = self._weights(), self._terms
        before, (done, mean) = terms.copies_before(rung), self._trained.get(name, (0, begun))
        for copy in range(done, terms.copies_before(rung + 1)):
            self._take(begun)
            with self.state.bilevel.work.uncounted() if copy < before else nullcontext():
                for step in self._train_copy(name, copy):
                    yield max(0, (copy - before) * terms.steps + step)
            # One after another, so that what is kept of the rung before gives the same bits.
            mean = list(torch._foreach_lerp(mean, self._weights(), 1 / (copy + 1)))
        self._trained[name] = terms.copies_before(rung + 1), mean
        self._take(mean)

    def _train_copy(self, name: int, copy: int) -> Iterator[int]:
        """Train the weights on the batches of a copy, and count its steps."""
        state, terms, mixing = self.state, self._terms, self.split(self._forks[name])
        state.optimizers.sgd.state.clear()
        start = terms.rate * state.rates.weights
        end = min(start, self.run.config.w_lr_min)
        first = (len(state.races.outcomes) * terms.copies_before(terms.rungs) + copy) * terms.steps
        batches: Any = stream(state.loaders.train, len(state.history), first)
        for step, batch in enumerate(islice(batches, terms.steps)):
            losses = state.optimizers.weight_step(batch, mixing, cosine(start, end, Progress(step, terms.steps)))
            if not bool(losses.train_loss.isfinite()):
                raise RunError(
                    f"the loss of a fork is {losses.train_loss.item()} in its step {step + 1}; lower "
                    f"{self.run.kind.rates}. The last good checkpoint is {self.run.folder.checkpoint}"
                )
            yield step + 1
