"""What trains the forks of a selection: this process, or several side by side, chosen when the first race begins."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from dadarts.architecture.supernet import Mixing
from dadarts.config import SearchConfig
from dadarts.errors import RunError
from dadarts.methods.missed import Harm
from dadarts.rundir import history
from dadarts.runs.evaluation import Counted, Name
from dadarts.runs.events import Event, Note, SelectionStep
from dadarts.runs.run import Run
from dadarts.searching import fork_jobs
from dadarts.searching.copies import Fork, LostError, OneAfterAnother, Trainer, Underway
from dadarts.searching.fork_jobs import Jobs
from dadarts.searching.messages import Message
from dadarts.searching.side_by_side import SideBySide
from dadarts.searching.state import SearchState

_TELLING = 100
"""Steps that tell how long others take; the first of a process are slow."""


@dataclass
class Trainers:
    """Has the trainer of a selection's forks.

    Args:
        held: ends what is begun here.
        alone: whether no other process can read the data.
    """

    run: Run[SearchConfig]
    state: SearchState
    held: ExitStack
    alone: bool
    _trainer: Trainer = field(init=False)
    _is_chosen: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._trainer = OneAfterAnother(self.state)
        self._is_chosen = self.alone

    def train(self, forks: Sequence[Fork]) -> Underway:
        """See `Trainer.train`.

        Raises:
            DivergedError: a loss is not finite.
            RunError: what trains them is gone; all that was measured is saved.
        """
        with self._told(), closing(self._trainer.train(forks)) as underway:
            yield from underway

    def harms(self, mixings: Mapping[Name, Mixing], pictures: int) -> Counted[Mapping[Name, Harm]]:
        """See `Trainer.harms`.

        Raises:
            RunError: as in `train`.
        """
        with self._told():
            return (yield from self._trainer.harms(mixings, pictures))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except LostError as error:
            self.run.save(self.state)
            raise RunError(f"{error}; all that was measured is kept: go on in one with -resume -fork_jobs 1") from None

    def prepare(self, at: SelectionStep, widest: int) -> Generator[Event, None, None]:
        """Choose it, once, and say which it is and why.

        Args:
            at: how far the selection is.
            widest: how many copies at most can be trained at a time.

        Raises:
            RunError: processes that were asked for cannot begin.
        """
        if self._is_chosen:
            return
        self._is_chosen = True
        config = self.run.config
        jobs = fork_jobs.pick(config, self.state.foundation, self._seconds(at.steps - at.step), widest)
        if jobs.count == 1:
            yield from (Note(f"forks are trained one after another ({why})") for why in [jobs.why] if why)
            return
        try:
            yield from self._begun(jobs, at)
        except LostError as error:
            if config.fork_jobs is not None:
                raise RunError(f"-fork_jobs {config.fork_jobs}: {error}; go on with -resume -fork_jobs 1") from None
            yield Note(f"forks are trained one after another: {error}")

    def _begun(self, jobs: Jobs, at: SelectionStep) -> Generator[Event, None, None]:
        trainer = SideBySide(self.state)
        self.held.callback(trainer.end)
        try:
            for _ in trainer.begin(self._settings, jobs.count):
                yield at
        except LostError:
            trainer.end()
            raise
        self._trainer = trainer
        yield Note(f"forks are trained in {jobs.count} processes at a time ({jobs.why})")

    def _seconds(self, steps: int) -> float:
        """What so many steps take, as those before the selection tell; 0 where they are too few to tell."""
        rows = self.state.history
        before = len(rows) * self.state.steps
        if before < _TELLING:
            return 0.0
        return steps * sum(float(history.SECONDS.of(row) or 0) for row in rows) / before

    @property
    def _settings(self) -> Message:
        """Those that another process computes the same numbers with."""
        here = {"device": "cpu", "gpus": None, "fork_jobs": None, "logger": None}
        computed = {name: self.state.computed[name] for name in ("threads", "engine")}
        return {**self.run.config.to_json(), **here, **computed}
