"""Forks of a search's weights: each is trained under mixing weights of its own, and measured picture by picture."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
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

    What every fork has lost is kept in the checkpoint, its weights in memory alone: where a run was stopped, the
    winner is trained again, to the same bits.

    Args:
        split: mixing weights of the stacked nodes as the supernet takes them.
    """

    run: Run[SearchConfig]
    state: SearchState
    split: Callable[[Tensor], Mixing]
    _forks: Mapping[int, Tensor] = field(default_factory=dict, init=False)
    _terms: Terms = field(default_factory=Terms, init=False)
    _trained: dict[int, list[Tensor]] = field(default_factory=dict, init=False)

    def race(self, forks: Mapping[int, Tensor], terms: Terms, races: int) -> Generator[Event, None, Mapping[int, Harm]]:
        """See `Searched.race`."""
        self._forks, self._terms = forks, terms
        known, validation = self.state.races.losses, self.state.loaders.validation
        loader = validation.at_least(terms.pictures) if terms.pictures else validation
        if len(known) > len(forks) or any(len(harm) != len(loader.index) for harm in known):
            raise self.run.damaged("has measured other forks than those of its race")
        steps = terms.steps + loader.steps()
        passed = min(len(self.state.races.outcomes), races - 1)
        for number, name in enumerate(forks):
            if number < len(known):
                continue
            begin, end = (passed * len(forks) + number) * steps, races * len(forks) * steps
            with self._forked(), self.state.bilevel.work.unless_stopped():
                for step in self._train(name):
                    yield SelectionStep(begin + step, end)
                measuring = Returning(paired.harms(self.state.bilevel, loader, {name: self.split(forks[name])}))
                for step, _ in measuring:
                    yield SelectionStep(begin + terms.steps + step, end)
                self._trained[name] = self._weights()
                self.state.bilevel.work.measured({name: self.split(forks[name])}, len(loader.index))
            known.append(measuring.value[name])
            self.run.save_if_due(self.state)
        return dict(zip(forks, known, strict=True))

    def conclude(self, outcomes: Sequence[Outcome], winner: int | None) -> Generator[Event, None, None]:
        """See `Searched.conclude`."""
        state = self.state
        if winner is not None:
            if winner not in self._trained:
                with self._forked(), state.bilevel.work.uncounted():
                    for step in self._train(winner):
                        yield SelectionStep(step, self._terms.steps)
                    self._trained[winner] = self._weights()
            self._take(self._trained[winner])
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

    def _train(self, name: int) -> Iterator[int]:
        """Train a fork, and count its steps."""
        state, terms, mixing = self.state, self._terms, self.split(self._forks[name])
        start = terms.rate * state.rates.weights
        end = min(start, self.run.config.w_lr_min)
        batches: Any = stream(state.loaders.train, len(state.history), len(state.races.outcomes) * terms.steps)
        for step, batch in enumerate(islice(batches, terms.steps)):
            losses = state.optimizers.weight_step(batch, mixing, cosine(start, end, Progress(step, terms.steps)))
            if not bool(losses.train_loss.isfinite()):
                raise RunError(
                    f"the loss of a fork is {losses.train_loss.item()} in its step {step + 1}; lower "
                    f"{self.run.kind.rates}. The last good checkpoint is {self.run.folder.checkpoint}"
                )
            yield step + 1
