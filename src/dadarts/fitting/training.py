"""The trainings of a fit: those of the race, each for its seconds, and the last, for what is left of the minutes."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from typing import Any

from dadarts.config import TrainConfig
from dadarts.data import DataSet
from dadarts.fitting import entering, plan, sizing, trial
from dadarts.fitting.course import Course
from dadarts.fitting.pace import Pace
from dadarts.fitting.record import Entrant, Trained, in_words
from dadarts.pacing import counted, duration
from dadarts.rundir.history import SECONDS
from dadarts.rundir.kinds import FINAL
from dadarts.runs.events import Event, Note, PartBegun
from dadarts.runs.returning import Returning

ATTEMPTS = 3
"""How often the last training is begun at most: anew where its first steps are not as fast as was thought."""
LEAVES = 2.0
"""How many times the seconds of a training of the race must be left when one begins: its own, and the last one's."""
_SURE, _EARLY = 0.04, 0.1
"""The parts of its steps after which its pace is known, and up to which it is begun anew."""
_FEWEST = 5
"""Steps that tell a pace."""
_MISSED = 0.035
"""The part of the minutes by which its end may miss them."""
_RECENT = 3
"""Epochs that tell how long those to come take, and that lie between two changes of how many there are."""


class _OffPaceError(Exception):
    """A training would not end when it should: its steps take so many times what was thought."""

    def __init__(self, slower: float) -> None:
        super().__init__(slower)
        self.slower = slower


@dataclass(frozen=True)
class _Due:
    """When a training should end.

    Args:
        end: seconds of the fit.
        taking: seconds of all its epochs, as was thought.
        step: seconds of a step alone, as was thought.
        epoch: seconds of an epoch: the end is no finer than that.
    """

    end: float
    taking: float
    step: float
    epoch: float

    def check(self, course: Course, pace: Pace) -> None:
        """Raise `_OffPaceError` where the end is seen to be off, and it is early enough to begin anew."""
        steps, alone = pace.taken + pace.left, pace.of_step_alone
        if alone is None or not max(_FEWEST, _SURE * steps) <= pace.taken <= _EARLY * steps:
            return
        slower = alone / self.step
        late = course.spent + self.taking * pace.left / steps * slower - self.end
        missed = _MISSED * course.seconds
        if late > missed or -late > max(missed, 1.5 * self.epoch):
            raise _OffPaceError(slower)


@dataclass
class _Lasting:
    """How many epochs the last training has: others than it began with where the machine changes its pace on the way.

    Args:
        end: seconds of the fit when the last of them should end.
    """

    course: Course
    end: float
    _ends: list[float] = field(default_factory=list, init=False)

    def __call__(self, done: int, epochs: int) -> int:
        """See `dadarts.training.loop.Length`."""
        self._ends.append(self.course.spent)
        # Up to then it is begun anew where it is off.
        if len(self._ends) <= _RECENT or done <= _EARLY * epochs or done == epochs:
            return epochs
        each = (self._ends[-1] - self._ends[-1 - _RECENT]) / _RECENT
        left = (self.end - self._ends[-1]) / each
        if abs(epochs - done - left) * each <= _MISSED * self.course.seconds:
            return epochs
        self._ends = self._ends[-1:]
        return done + max(0, round(left))


def race(course: Course) -> Generator[Event, None, Entrant]:
    """Successive halving; the winner. It ends where another training would leave the last one less time than it has."""
    standing = list(course.record.entrants or ())
    rungs = plan.rungs(course.shares.race, len(standing))
    for number, rung in enumerate(rungs, 1):
        scores: dict[str, float] = {}
        for place, entrant in enumerate(standing[: rung.standing], 1):
            what = f"race {number} of {len(rungs)}, {place} of {rung.standing} candidates"
            run = f"race-{number}-{entrant.name}"
            ended = course.record.of(run)
            if ended is None and course.left < course.writing + LEAVES * rung.seconds:
                yield Note(f"the race ends here: {duration(course.left)} are left for everything")
                return max(standing[: place - 1] or standing[:1], key=lambda each: scores.get(each.name, 0.0))
            ended = ended or (yield from _raced(course, run, number, entrant, rung.seconds, what))
            scores[entrant.name] = ended.score
        # Equal ones stand as before: the likelier winner first.
        standing = sorted(standing[: rung.standing], key=lambda each: -scores[each.name])
    return standing[0]


def _raced(
    course: Course, run: str, number: int, entrant: Entrant, seconds: float, what: str
) -> Generator[Event, None, Trained]:
    """A training of the race and its score on the validation part."""
    data = course.racing
    of_epoch = _filling(len(data.train), course.record.batch_size)
    wanted = max(0.0, seconds - course.record.around) * entrant.images_per_second / of_epoch
    epochs, portion = plan.length(wanted if wanted < 1 else round(wanted), len(data.train), course.record.batch_size)
    yield PartBegun(f"{what}: {entrant.title}", course.left)

    def training(batch: int) -> Generator[Event, None, Trained]:
        config = trial.settings(course.config, course.folder.path, run, entrant, epochs, batch)
        # Where not even an epoch can be trained, all see the same part of the pictures.
        config = config.model_copy(update={"dataset_portion": portion})
        pace = Pace(course.clock)
        found = yield from _watched(course, config, data, pace)
        return _result(course, run, number, entrant, pace, found, batch)

    trained = yield from course.in_memory(training)
    course.keep(course.record.after(trained))
    yield Note(
        f"{entrant.title}: {in_words(course.record.metric)} {trained.score:.1%} on the validation part after "
        f"{counted(epochs, 'epoch')}"
    )
    return trained


def last(course: Course, winner: Entrant) -> Iterator[Event]:
    """Train the winner on all training pictures for the time that is left, and test it, once."""
    if course.record.of(FINAL) is not None:
        return
    yield PartBegun(f"last training: {winner.title}", _left(course, winner), after=course.writing)
    slower = 1.0
    for attempt in range(1, ATTEMPTS + 1):
        does = partial(_last, course, winner, slower, surely=attempt == ATTEMPTS)
        try:
            trained = yield from course.in_memory(does)
            break
        except _OffPaceError as error:
            slower *= error.slower
            trial.folder_of(course.folder.path, FINAL).remove()
    course.keep(course.record.after(trained))
    yield Note(f"{winner.title}: {in_words(course.record.metric)} {trained.score:.1%} on the test part")


def _left(course: Course, winner: Entrant) -> float:
    """Seconds that a fit has left at its last training.

    Of one that goes on they are no fewer than its whole epochs take: what it did after it was last saved is done again.
    """
    final = trial.folder_of(course.folder.path, FINAL)
    if not final.exists:
        return course.left
    saved, done = final.saved_config().settings, final.measured()
    epochs = max(0, int(saved["epochs"]) - len(done) - 1)
    took = [float(seconds) for row in done if (seconds := SECONDS.of(row)) is not None]
    pictures = float(saved["dataset_portion"]) * len(course.data.train)
    each = fmean(took) if took else pictures / course.record.speed(winner)
    return max(course.left, epochs * each + course.writing)


def _last(
    course: Course, winner: Entrant, slower: float, batch: int, *, surely: bool
) -> Generator[Event, None, Trained]:
    """The last training.

    Args:
        slower: how many times as long as in the race a step takes.
        surely: whether it is not begun anew.
    """
    data, kept = course.data, course.record
    rate = kept.speed(winner) / slower
    of_epoch = _filling(len(data.train), batch)
    left = course.seconds - course.spent - course.writing - kept.around
    # An epoch more where the end comes nearer to that of the minutes by it.
    wanted = (left + plan.BEYOND * course.seconds) * rate / of_epoch
    epochs, portion = plan.length(wanted, len(data.train), batch)
    config = trial.settings(course.config, course.folder.path, FINAL, winner, epochs, batch)
    config = config.model_copy(update={"dataset_portion": portion})
    taking, step = epochs * portion * of_epoch / rate, slower * batch / kept.in_steps(winner)
    due = _Due(course.seconds - course.writing - kept.around / 2, taking, step, of_epoch / rate)
    if slower != 1.0:
        yield Note(
            f"the last training begins anew, of {counted(epochs, 'epoch')}: its steps take {slower:.2f} times as long "
            "as was thought"
        )
    resumed = trial.folder_of(course.folder.path, FINAL).exists
    if wanted < sizing.FEWEST and slower == 1.0 and not resumed:
        enough = course.seconds + (sizing.FEWEST - wanted) * of_epoch / rate
        there = f"there is time for {wanted:.1f} epochs, and {sizing.FEWEST:g} are few"
        if round(wanted, 1) <= 0:
            there = "no time is left for the last training, so that it is one of few pictures"
        yield Note(f"{there}: these pictures want about {duration(enough)} or more")
    pace = Pace(course.clock)
    lasting = _Lasting(course, due.end)
    found = yield from _watched(course, config, data, pace, None if surely or resumed else due, lasting)
    return _result(course, FINAL, 0, winner, pace, found, batch)


def _watched(
    course: Course,
    config: TrainConfig,
    data: DataSet,
    pace: Pace,
    due: _Due | None = None,
    lasting: _Lasting | None = None,
) -> Generator[Event, None, Mapping[str, Any]]:
    """The events of a training; it raises `_OffPaceError` as `_Due.check` does."""
    with closing(trial.trained(config, data, lasting)) as begun:
        training = Returning(begun)
        for event in training:
            pace(event)
            yield event
            course.keep_now_and_then()
            if due is not None:
                due.check(course, pace)
        return training.value


def _filling(pictures: int, batch: int) -> int:
    """How many pictures an epoch has: as many as fill batches."""
    return max(1, pictures // batch) * batch


def _result(
    course: Course,
    run: str,
    rung: int,
    entrant: Entrant,
    pace: Pace,
    found: Mapping[str, Any],
    batch: int,
) -> Trained:
    pictures, alone = (None if each is None else batch / each for each in (pace.of_step, pace.of_step_alone))
    judging = len((course.data if run == FINAL else course.racing).test)
    score = entering.score(found, course.record.metric)
    return Trained(run, rung, entrant.name, score, judging, pictures, pace.around, alone)
