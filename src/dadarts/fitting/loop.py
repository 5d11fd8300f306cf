"""A network for somebody's pictures within minutes: candidates race, the winner is trained on all, and tested once."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from dadarts.config.fitting import FitConfig
from dadarts.data import DataSet, load
from dadarts.distributed import ALONE, Processes
from dadarts.errors import InputError
from dadarts.fitting import entering, parts, plan, record, trial, verdict
from dadarts.fitting.candidates import FAMILIES
from dadarts.fitting.entering import Applicant
from dadarts.fitting.memory import OutOfMemoryError
from dadarts.fitting.record import Entrant, Record, Trained
from dadarts.pacing import counted, duration
from dadarts.rundir.kinds import FINAL, FIT
from dadarts.runs import setup
from dadarts.runs.events import Event, FitDone, Note, RunStarted
from dadarts.runs.folder import RunFolder
from dadarts.training import metrics

Found = TypeVar("Found")


def fit(
    config: FitConfig, *, resume: bool = False, overwrite: bool = False, processes: Processes = ALONE
) -> Iterator[Event]:
    """Choose a network for labelled pictures, train it, test it once, and yield what happens, within `minutes`.

    Candidates are trained on a part of the training pictures and judged on the rest, by successive halving; the winner
    is trained anew on all of them for the time that is left. Everything is in ``runs/fit/NAME``: ordinary runs, the
    record of the race, and the result.

    Raises:
        InputError: the configuration, the data or the name cannot be used; nothing was created.
        RunError: a training cannot go on; what has ended is kept.
    """
    if processes.several:
        raise InputError("`dadarts fit` computes in one process; its choice can be trained with several")
    since = time.monotonic()
    folder = RunFolder(FIT.folder(config.runs_dir, config.name))
    folder.check(resume, overwrite)
    if resume:
        record.refuse_other_settings(folder, config)
        if folder.result() is not None:
            yield _done(folder, record.read(folder.path))
            return
    data = parts.portion(load(setup.request_of(config)), config.dataset_portion, config.seed)
    racing = parts.racing(data, config.seed)
    applicants = entering.applicants(FAMILIES, config, racing)
    fresh = Record(entering.metric(config, data), entering.batch_size(len(data.train)))
    with folder.claimed(resume, overwrite):
        kept = record.read(folder.path) if resume else fresh
        if not resume:
            kept.write(folder.path)
            folder.write_config(config.to_json(), {"data": data.fingerprint})
        yield from _Fit(config, folder, data, racing, applicants, kept, since).events()


def _done(folder: RunFolder, kept: Record) -> FitDone:
    final, winner = trial.folder_of(folder.path, FINAL), kept.of(FINAL)
    result = final.result()
    if winner is None or result is None:
        raise InputError(f"{folder.path} is damaged; replace the fit with -overwrite")
    title = next(each.title for each in kept.entrants or () if each.name == winner.entrant)
    found = metrics.left(result).metrics(final.path)
    return FitDone(folder.path, final.path, title, found, verdict.searching_paid(kept.ranked()))


class _Fit:
    def __init__(
        self,
        config: FitConfig,
        folder: RunFolder,
        data: DataSet,
        racing: DataSet,
        applicants: Sequence[Applicant],
        kept: Record,
        since: float,
    ) -> None:
        self.config = config
        self.folder = folder
        self.data = data
        self.racing = racing
        self.applicants = applicants
        self.record = kept
        self.since = since - kept.spent
        self.seconds = 60 * config.minutes

    @property
    def spent(self) -> float:
        """Seconds since the beginning, without those between a stop and its resumption."""
        return time.monotonic() - self.since

    def events(self) -> Iterator[Event]:
        """All that is left to do."""
        yield RunStarted(
            self.folder.path,
            f"read {self.data.described}",
            f"fit on {self.config.dataset}: {duration(self.seconds)} for everything; candidates are chosen by "
            f"{self.record.metric} on {len(self.racing.test):,} of the training pictures",
        )
        try:
            if self.record.entrants is None:
                yield from self._enter()
            winner = yield from self._race()
            yield from self._end(winner)
        finally:
            self._keep(self.record)
        self.folder.write_result(f"{winner.name}")
        yield _done(self.folder, self.record)

    def _keep(self, changed: Record) -> None:
        self.record = replace(changed, spent=self.spent)
        self.record.write(self.folder.path)

    def _enter(self) -> Iterator[Event]:
        """Give every candidate the size that the minutes can train, and say so."""
        seconds = plan.final(self.seconds)
        entered = []
        for applicant in self.applicants:
            entrant = yield from self._in_memory(partial(_entrant, applicant, seconds))
            entered.append(entrant)
            epochs = seconds * entrant.images_per_second / len(self.racing.train)
            yield Note(
                f"{entrant.title}: {counted(entrant.channels, 'channel')}, {counted(entrant.layers, 'layer')}, "
                f"{entrant.images_per_second:,.0f} pictures/s, {epochs:.0f} epochs in "
                f"{duration(seconds)}: {entrant.why}"
            )
        self._keep(replace(self.record, entrants=tuple(entered)))

    def _race(self) -> Generator[Event, None, Entrant]:
        """Successive halving; the winner."""
        standing = list(self.record.entrants or ())
        rungs = plan.rungs(plan.RACE * self.seconds, len(standing))
        if not rungs:
            yield Note(f"{duration(self.seconds)} are too short for a race: {standing[0].title} is trained")
        for number, rung in enumerate(rungs, 1):
            scores = {}
            for entrant in standing[: rung.standing]:
                epochs = max(1, round(rung.seconds * entrant.images_per_second / len(self.racing.train)))
                trained = yield from self._trained(
                    f"race-{number}-{entrant.name}", number, entrant, epochs, self.racing
                )
                scores[entrant.name] = trained.score
            # Equal ones stand as before: the likelier winner first.
            standing = sorted(standing[: rung.standing], key=lambda each: -scores[each.name])
        return standing[0]

    def _end(self, winner: Entrant) -> Iterator[Event]:
        """Train the winner on all training pictures for the time that is left, and test it, once."""
        left = max(0.0, self.seconds - self.spent - plan.reserve(self.seconds))
        epochs = max(1, int(left * self.record.speed(winner) / len(self.data.train)))
        yield from self._trained(FINAL, 0, winner, epochs, self.data)

    def _trained(
        self, run: str, number: int, entrant: Entrant, epochs: int, data: DataSet
    ) -> Generator[Event, None, Trained]:
        """A training of an entrant and its score on a data set's test part."""
        ended = self.record.of(run)
        if ended is not None:
            return ended
        began = self.spent
        found = yield from self._in_memory(
            lambda batch: trial.trained(
                trial.settings(self.config, self.folder.path, run, entrant, epochs, batch), data
            )
        )
        score = entering.score(found, self.record.metric)
        speed = epochs * len(data.train) / (self.spent - began)
        trained = Trained(run, number, entrant.name, score, len(data.test), speed)
        self._keep(self.record.after(trained))
        what = "test" if run == FINAL else "validation"
        yield Note(
            f"{entrant.title}: {self.record.metric} {score:.1%} on the {what} part after {counted(epochs, 'epoch')}"
        )
        return trained

    def _in_memory(self, does: Callable[[int], Generator[Event, None, Found]]) -> Generator[Event, None, Found]:
        """Do something with batches of a size; where memory runs out, anew with half of it."""
        while True:
            try:
                return (yield from does(self.record.batch_size))
            except OutOfMemoryError:
                self._keep(replace(self.record, batch_size=self.record.batch_size // 2))
                yield Note(f"memory has run out: from here on a batch has {counted(self.record.batch_size, 'picture')}")


def _entrant(applicant: Applicant, seconds: float, batch: int) -> Generator[Event, None, Entrant]:
    yield from ()
    return applicant.entrant(batch, seconds)
