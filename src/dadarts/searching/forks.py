"""Forks of a search's weights: each is trained under mixing weights of its own, and measured picture by picture."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from torch import Tensor

from dadarts.config import SearchConfig
from dadarts.errors import RunError
from dadarts.methods.missed import Harm
from dadarts.methods.terms import Terms
from dadarts.runs.events import Event, SelectionStep
from dadarts.runs.run import Run
from dadarts.searching.copies import Copy, DivergedError, Fork, Trained, judging, take, weights_of
from dadarts.searching.races import Outcome
from dadarts.searching.state import SearchState
from dadarts.searching.trainers import Trainers


@dataclass
class Forks:
    """The race that a selection runs.

    What every fork has lost is kept in the checkpoint, its weights in memory alone: where a run was stopped, those that
    go on and the winner are trained again, to the same bits.

    Args:
        trainers: have what trains them.
    """

    run: Run[SearchConfig]
    state: SearchState
    trainers: Trainers
    _forks: Mapping[int, Tensor] = field(default_factory=dict, init=False)
    _terms: Terms = field(default_factory=Terms, init=False)
    _trained: dict[int, tuple[int, list[Tensor]]] = field(default_factory=dict, init=False)
    """How many copies of a fork are trained, and their mean."""
    _rung: int = field(default=0, init=False)
    _at: SelectionStep = field(default=SelectionStep(0, 1), init=False)
    _entering: Sequence[int] = field(default=(), init=False)

    def race(
        self, forks: Mapping[int, Tensor], terms: Terms, rung: int, races: float, passed: float
    ) -> Generator[Event, None, Mapping[int, Harm]]:
        """See `Searched.race`."""
        self._forks, self._terms, self._rung = forks, terms, rung
        if rung == 0:
            self._entering = terms.entering(len(forks))
        known, loader = self.state.races.losses, judging(self.state, terms.pictures)
        if len(known) > sum(self._entering) or any(len(harm) != len(loader.index) for harm in known):
            raise self.run.damaged("has measured other forks than those of its race")
        first, steps = sum(self._entering[:rung]), terms.steps_of(rung) + loader.steps()
        begin, end = self._passed(rung, loader.steps(), races, passed)
        before = min(len(forks), len(known) - first)
        if before < len(forks):
            widest = max(count << own for own, count in enumerate(self._entering))
            yield from self.trainers.prepare(SelectionStep(min(begin, end), end), widest)
        with closing(self._train([*forks][before:], rung, terms.pictures)) as underway:
            for taken, trained in underway:
                if trained is not None and trained.harm is not None:
                    known.append(trained.harm)
                    self.run.save_if_due(self.state)
                self._at = SelectionStep(min(begin + before * steps + taken, end), end)
                yield self._at
        return dict(zip(forks, known[first : first + len(forks)], strict=True))

    def _passed(self, rung: int, measuring: int, races: float, passed: float) -> tuple[int, int]:
        """How many steps were taken before a rung, and how many are in all, in steps of this race."""
        rungs = [count * (self._terms.steps_of(number) + measuring) for number, count in enumerate(self._entering)]
        before = round(passed * sum(rungs))
        return before + sum(rungs[:rung]), max(round(races * sum(rungs)), before + sum(rungs))

    def conclude(self, outcomes: Sequence[Outcome], winner: int | None) -> Generator[Event, None, None]:
        """See `Searched.conclude`."""
        state = self.state
        if winner is not None:
            with closing(self._train([winner], self._rung, None)) as underway:
                for _ in underway:
                    # It was counted when it raced.
                    yield self._at
            take(state, self._trained[winner][1])
            state.optimizers.sgd.state.clear()
        self._trained = {}
        state.races.conclude(outcomes)
        state.bilevel.work.decided()
        self.run.save(state)

    def _train(
        self, names: Sequence[int], rung: int, pictures: int | None
    ) -> Generator[tuple[int, Trained | None], None, None]:
        """Train the copies of some forks' rung, and those before it that are forgotten; see `Trainer.train`.

        What comes of them is kept, and counted where it is measured.
        """
        waiting = iter(names)
        forks = [self._fork(name, rung, pictures) for name in names]
        try:
            with closing(self.trainers.train(forks)) as underway:
                for passed, trained in underway:
                    if trained is not None:
                        self._trained[next(waiting)] = self._terms.copies_before(rung + 1), trained.mean
                        self.state.bilevel.work.add(trained.thirds if trained.harm is not None else 0)
                    yield passed, trained
        except DivergedError as error:
            raise RunError(
                f"the loss of a fork is {error.loss} in its step {error.step}; lower "
                f"{self.run.kind.rates}. The last good checkpoint is {self.run.folder.checkpoint}"
            ) from None

    def _fork(self, name: int, rung: int, pictures: int | None) -> Fork:
        """What is left to do of a fork."""
        terms, M_NEO = self._terms, self._forks[name]
        done, mean = self._trained.get(name, (0, weights_of(self.state)))
        copies = [self._copy(M_NEO, copy) for copy in range(done, terms.copies_before(rung + 1))]
        return Fork(
            self.state.bilevel.alphas.split(M_NEO),
            copies,
            max(0, terms.copies_before(rung) - done),
            done,
            mean,
            pictures,
        )

    def _copy(self, M_NEO: Tensor, copy: int) -> Copy:
        state, terms = self.state, self._terms
        start = terms.rate * state.rates.weights
        first = (len(state.races.outcomes) * terms.copies_before(terms.rungs) + copy) * terms.steps
        return Copy(M_NEO, len(state.history), first, terms.steps, start, min(start, self.run.config.w_lr_min))
