"""Minutes are kept, whatever the machine does meanwhile, and how much of them is left is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dadarts.cli.eta import Forecast
from dadarts.config import TrainConfig
from dadarts.config.fitting import FitConfig
from dadarts.data import DataRequest, DataSet, load
from dadarts.fitting import parts, plan, speed, training, trial
from dadarts.fitting.candidates import FAMILIES
from dadarts.fitting.course import Course
from dadarts.fitting.record import Entrant, Record
from dadarts.rundir import history
from dadarts.rundir.history import Row
from dadarts.rundir.kinds import FINAL
from dadarts.runs.events import EpochDone, Event, Note, RunStarted, StepDone, TrainDone
from dadarts.runs.folder import RunFolder
from tests.fitting.clocks import Told

BATCH = 16


@cache
def data() -> DataSet:
    return load(DataRequest("digits", workers=0))


@dataclass
class Machine:
    """Trainings that compute nothing and take seconds of a clock.

    Args:
        step, epoch, around: seconds of a step, between epochs, and before and behind all of them.
        slower: how many times as long a run of a name takes for its steps, and between epochs.
        later: the same of the last training alone, by the seconds of the clock.
    """

    step: float
    epoch: float
    around: float
    slower: Callable[[str], float]
    clock: Told
    later: Callable[[float], float] = lambda now: 1.0

    def train(self, config: TrainConfig, **given: Any) -> Iterator[Event]:
        loaded, length = given["loaded"](None), given["length"]
        steps = max(1, int(config.dataset_portion * len(loaded.train)) // config.batch_size)
        self.clock.now += self.around / 2
        yield RunStarted(Path(), "", "")
        yield Note(f"-lr 0.1 for {config.epochs} epochs")
        epochs, rows = config.epochs, list[Row]()
        while len(rows) < epochs:
            factor = self.slower(config.name) * (self.later(self.clock.now) if config.name == FINAL else 1.0)
            for step in range(steps):
                self.clock.now += factor * self.step
                yield StepDone(len(rows), epochs, step + 1, steps, 1.0, 0.5, 1.0)
            self.clock.now += factor * self.epoch
            rows.append(history.row_of({history.EPOCH: len(rows)}))
            epochs = length(len(rows), epochs) if length is not None else epochs
            yield EpochDone(len(rows) - 1, epochs, {})
        folder = trial.folder_of(config.runs_dir, config.name)
        folder.path.mkdir(parents=True)
        folder.write_config(config.to_json(), {})
        folder.write_history(rows)
        self.clock.now += self.around / 2
        yield TrainDone(Path(), {"test_top1": 0.5}, ())


@contextmanager
def course(machine: Machine, minutes: float, batch: int = BATCH) -> Iterator[Course]:
    config = FitConfig(dataset="digits", minutes=minutes, searching="never", threads=1, workers=0, device="cpu")
    entrants = tuple(
        Entrant(own.name, own.name, own.title, own.why, own.genotype, 4, 1, batch / machine.step)
        for own in FAMILIES[:2]
    )
    kept = Record("accuracy", batch, entrants=entrants)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "train", machine.train)
        yield Course(config, RunFolder(Path(folder)), data(), parts.racing(data(), 1), kept, machine.clock, 0.0)


def fitted(own: Course) -> Iterator[Event]:
    winner = yield from training.race(own)
    yield from training.last(own, winner)


@settings(max_examples=15, deadline=None)
@given(
    step=st.floats(0.02, 0.1),
    between=st.floats(0, 0.5),
    around=st.floats(0, 3),
    slower=st.floats(0.4, 2.5),
    minutes=st.floats(4, 10),
)
def test_the_minutes_are_kept_where_the_last_training_is_faster_or_slower_than_the_race(
    step: float, between: float, around: float, slower: float, minutes: float
) -> None:
    epoch = step * (len(data().train) // BATCH)
    # The end is no finer than an epoch.
    assume(slower * (epoch + between) < 0.02 * 60 * minutes)
    machine = Machine(step, between, around, lambda run: slower if run == FINAL else 1.0, Told())
    with course(machine, minutes) as own:
        events = list(fitted(own))
        assert own.record.spent == machine.clock.now == pytest.approx(60 * minutes, rel=0.05)
    anew = [event for event in events if isinstance(event, Note) and "begins anew" in event.text]
    assert len(anew) <= training.ATTEMPTS - 1
    # Nobody sets the rates of a fit.
    assert not any(isinstance(event, Note) and "-lr 0.1" in event.marked for event in events)
    if 0.97 < slower < 1.03:
        assert not anew


@settings(max_examples=12, deadline=None)
@given(part=st.floats(0.15, 0.75), later=st.floats(0.5, 2.0), minutes=st.floats(15, 20), slower=st.floats(0.8, 1.25))
def test_the_minutes_are_kept_where_the_machine_changes_its_pace_on_the_way(
    part: float, later: float, minutes: float, slower: float
) -> None:
    begin, own_slower = 60 * minutes * 0.3, slower

    def pace(now: float) -> float:
        return later if now > begin + part * (60 * minutes - begin) else 1.0

    machine = Machine(0.8, 0.05, 1.0, lambda run: own_slower if run == FINAL else 1.0, Told(), pace)
    with course(machine, minutes, batch=8 * BATCH) as own:
        events = list(fitted(own))
        assert own.record.spent == machine.clock.now == pytest.approx(60 * minutes, rel=0.05)
        saved = trial.folder_of(own.folder.path, FINAL).saved_config().settings
    # What is said of a training is what it was.
    assert saved["epochs"] == sum(isinstance(event, EpochDone) for event in events[_last_begun(events) :])


def _last_begun(events: Sequence[Event]) -> int:
    return max(place for place, event in enumerate(events) if isinstance(event, StepDone) and event.epoch == 0)


@pytest.mark.parametrize("slower", [0.7, 1.0, 1.4])
def test_what_is_left_is_known_after_a_tenth_of_the_minutes(slower: float) -> None:
    machine = Machine(0.02, 0.1, 1.0, lambda run: slower if run == FINAL else 1.0, Told())
    forecast, told = Forecast(machine.clock), []
    with course(machine, 4.0) as own:
        for event in fitted(own):
            forecast(event)
            told.append((machine.clock.now, forecast.left))
    end = machine.clock.now
    known = [(now, left) for now, left in told if 0.1 * end <= now < 0.9 * end]
    off = [(now, left) for now, left in known if left is None or abs(left - (end - now)) > 0.15 * (end - now)]
    # Before the last training has begun anew nobody knows that it must.
    assert len(off) <= (0 if slower == 1.0 else 0.1 * len(known))


@given(late=st.floats(-0.01, 300))
@settings(max_examples=10, deadline=None)
def test_where_no_time_is_left_that_is_said_and_no_number_below_zero(late: float) -> None:
    machine = Machine(0.01, 0.0, 0.0, lambda _: 1.0, Told())
    with course(machine, 1.0) as own:
        machine.clock.now = 60 + late
        assert own.record.entrants is not None
        events = list(training.last(own, own.record.entrants[0]))
    said = [event.text for event in events if isinstance(event, Note)]
    # Of a hundredth of the minutes, which the end may be late, a training has as much.
    if late > plan.BEYOND * 60:
        assert any(note.startswith("no time is left for the last training, so that it is one of few") for note in said)
    assert not any(re.search(r"-\d", note) for note in said)


def test_pictures_that_no_epoch_fits_are_trained_on_in_part() -> None:
    machine = Machine(1.0, 0.0, 0.0, lambda _: 1.0, Told())
    with course(machine, 1.0) as own:
        events = list(fitted(own))
    # An epoch of all pictures takes 89 s.
    assert any(
        re.search(
            r"there is time for 0\.\d epochs, and 3 are few: these pictures want about [345]:\d\d or more", str(event)
        )
        for event in events
    )
    assert machine.clock.now == pytest.approx(60.0, rel=0.1)


def test_a_race_that_took_longer_than_its_share_leaves_the_last_training_its_time() -> None:
    machine = Machine(0.02, 0.0, 0.0, lambda _: 1.0, Told())
    with course(machine, 4.0) as own:
        # The sizes of candidates were measured that long.
        machine.clock.now = 200.0
        events = list(fitted(own))
    said = [event.text for event in events if isinstance(event, Note)]
    assert "the race ends here: 0:40 are left for everything" in said
    assert [each.run for each in own.record.trained] == [FINAL]
    assert machine.clock.now == pytest.approx(240.0, rel=0.05)


@dataclass
class Stopped(Machine):
    """One whose races were stopped before their tests, and go on with these."""

    def train(self, config: TrainConfig, **given: Any) -> Iterator[Event]:
        if config.name == FINAL:
            yield from super().train(config, **given)
            return
        yield RunStarted(Path(), "", "")
        self.clock.now += 3.0
        yield TrainDone(Path(), {"test_top1": 0.5}, ())


def test_of_a_training_of_which_only_the_test_was_left_no_speed_is_known() -> None:
    machine = Stopped(0.02, 0.1, 1.0, lambda _: 1.0, Told())
    with course(machine, 4.0) as own:
        events = list(fitted(own))
        *races, final = own.record.trained
        entrants = {each.name: each for each in own.record.entrants or ()}
        raced = replace(own.record, trained=tuple(races))
    assert races
    assert all((each.images_per_second, each.in_steps, each.around) == (None, None, 3.0) for each in races)
    winner = entrants[final.entrant]
    assert raced.speed(winner) == raced.in_steps(winner) == winner.images_per_second == BATCH / 0.02
    assert not any("few" in event.text for event in events if isinstance(event, Note))
    assert machine.clock.now == pytest.approx(240.0, rel=0.05)


def steps(clock: Told, *seconds: float) -> Iterator[Event]:
    clock.now += 100.0
    yield RunStarted(Path(), "", "")
    for number, each in enumerate(seconds):
        clock.now += each
        yield StepDone(0, 1, number + 1, len(seconds), 1.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("seconds", "step", "taken"),
    [
        ([0.9, 0.6, 0.5, 0.5, 0.5], 0.5, 4),
        ([3.0, 0.25, *[0.25] * 9], 0.25, 6),
        ([7.0, 7.0], 7.0, 1),
        ([4.0, 6.0, 6.0], 6.0, 2),
    ],
)
def test_a_speed_is_that_of_warm_steps_and_slow_ones_are_told_by_one(
    seconds: list[float], step: float, taken: int
) -> None:
    clock = Told()
    assert speed.images_per_second(lambda _: steps(clock, *seconds), 8, clock) == pytest.approx(8 / step)
    assert clock.now == 100.0 + sum(seconds[:taken])
