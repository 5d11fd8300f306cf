"""What a person is told meanwhile: a line at least every ten seconds, and how long it will take yet."""

from __future__ import annotations

import io
import itertools
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dadarts.cli.console import Progress
from dadarts.cli.eta import Forecast
from dadarts.data.decoding import shown
from dadarts.pacing import counted, duration
from dadarts.runs.events import (
    AssessmentStep,
    EpochDone,
    Event,
    Note,
    RunStarted,
    SelectionStep,
    StepDone,
    ValidationStep,
)

STARTED = RunStarted(Path("run"), "read it", "computes it")
ROW = {"train_loss": 1.0}


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def step(number: int, steps: int, epoch: int = 0, epochs: int = 1) -> StepDone:
    return StepDone(epoch, epochs, number, steps, 1.0, 0.5, 10.0)


@dataclass
class Watched:
    """Progress of a run on a stream, and when which line came."""

    print_freq: int = 10**9
    stream: io.StringIO | None = None

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.stream = self.stream or io.StringIO()
        self.logged: list[str] = []
        log = lambda _, line: self.logged.append(line)  # noqa: E731
        self.progress = Progress(self.print_freq, log, self.stream, clock=self.clock)
        self.lines: list[tuple[float, str]] = []

    def after(self, seconds: float, event: Event | None = None) -> None:
        """Let time pass, second by second as the watching thread sees it, and an event come then."""
        while seconds > 0:
            self.clock.now += min(seconds, 1.0)
            seconds -= 1.0
            self.progress.tick()
            self._read()
        if event is not None:
            self.progress(event)
            self._read()

    def _read(self) -> None:
        assert self.stream is not None
        new = self.stream.getvalue().splitlines()[len(self.lines) :]
        self.lines += [(self.clock.now, line) for line in new]

    @property
    def last(self) -> str:
        return self.lines[-1][1]


PHASES = st.lists(
    st.tuples(st.sampled_from(["step", "validation", "selection", "test", "note"]), st.floats(0, 40)), max_size=30
)


@given(PHASES, st.sampled_from([1, 7, 10**9]))
def test_no_more_than_ten_seconds_pass_between_two_lines_whatever_is_going_on(
    phases: list[tuple[str, float]], print_freq: int
) -> None:
    watched = Watched(print_freq)
    watched.after(0, STARTED)
    events: dict[str, Event] = {
        "step": step(3, 100),
        "validation": ValidationStep(0, 1, 3, 100),
        "selection": SelectionStep(3, 100),
        "test": AssessmentStep(3, 100),
        "note": Note("that"),
    }
    for phase, seconds in phases:
        watched.after(seconds, events[phase])
    times = [at for at, _ in watched.lines] + [watched.clock.now]
    assert all(later - at <= 11 for at, later in itertools.pairwise(times))


@given(st.lists(st.floats(0.01, 9), min_size=1, max_size=60))
def test_lines_that_nobody_asked_for_are_ten_seconds_apart(pauses: list[float]) -> None:
    watched = Watched()
    watched.after(0, STARTED)
    for number, pause in enumerate(pauses, start=1):
        watched.after(pause, step(number, 1000))
    times = [at for at, _ in watched.lines[1:]]
    assert all(later - at >= 10 for at, later in itertools.pairwise(times))


def test_lines_come_at_every_so_many_steps_and_that_of_an_epoch_in_place_of_its_last() -> None:
    watched = Watched(print_freq=4)
    for number in range(1, 11):
        watched.after(0.1, step(number, 10))
    assert [re.findall(r"step (\d+)/10", line) for _, line in watched.lines] == [["4"], ["8"]]


def test_a_first_step_that_takes_minutes_is_said_to_be_under_way() -> None:
    watched = Watched()
    watched.after(25)
    assert [line for _, line in watched.lines] == ["getting ready  (for 0:10)", "getting ready  (for 0:20)"]
    watched.after(0, STARTED)
    watched.after(12)
    assert watched.last == "the first step is under way  (for 0:10)"
    assert watched.logged == ["read it", "computes it"], "what passes is not for the log"


def test_what_the_package_logs_counts_as_a_line() -> None:
    watched = Watched()
    watched.after(9)
    watched.progress.show("decoding pictures 1/2")
    watched.after(9)
    assert [line for _, line in watched.lines] == ["decoding pictures 1/2"]


def test_a_terminal_shows_every_step_and_is_not_written_to_between_them() -> None:
    stream = Terminal()
    watched = Watched(stream=stream)
    for number in (1, 2, 3):
        watched.after(0.1, step(number, 10))
    before = stream.getvalue()
    assert before.count("step ") == 3
    watched.after(60)
    assert stream.getvalue() == before


def test_a_terminal_shows_how_much_is_done_in_a_line_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    watched = Watched(stream=stream)
    watched.after(0.1, step(5, 10, epoch=0, epochs=2))
    watched.after(0.1, step(10, 10, epoch=1, epochs=2))
    first, last = (line for line in stream.getvalue().split("\r\x1b[K") if line)
    assert first.startswith("███░░░░░░░ epoch 1/2  step 5/10")
    assert last.startswith("██████████ epoch 2/2")
    assert len(first) == len(last) == 39


def test_a_thread_ticks_while_nothing_else_happens() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(1, lambda *_: None, stream, clock=clock)
    clock.now += 11
    with progress.ticking(glance=0.001):
        deadline = time.monotonic() + 10
        while not stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.001)
    assert stream.getvalue() == "getting ready  (for 0:11)\n"


def forecast(*course: tuple[float, Event]) -> tuple[Forecast, Clock]:
    clock = Clock()
    told = Forecast(clock)
    for seconds, event in course:
        clock.now += seconds
        told(event)
    return told, clock


STEADY = [(100.0, step(1, 20)), (30.0, step(2, 20)), *((2.0, step(number, 20)) for number in range(3, 11))]


def test_the_first_steps_do_not_speak_for_those_to_come() -> None:
    assert forecast((0, STARTED))[0].left is None
    assert forecast((0, STARTED), *STEADY[:1])[0].left == 100 * 19
    assert forecast((0, STARTED), *STEADY)[0].left == pytest.approx(2 * 10)


def test_the_last_fifty_steps_speak_for_those_to_come() -> None:
    slow = [(9.0, step(number, 200)) for number in range(1, 60)]
    fast = [(1.0, step(number, 200)) for number in range(60, 110)]
    assert forecast(*slow, *fast)[0].left == pytest.approx(91)


def test_what_an_epoch_takes_after_its_steps_is_counted_once_it_is_known() -> None:
    first = [(1.0, step(number, 5, 0, 3)) for number in range(1, 6)]
    validation = [(2.0, ValidationStep(0, 3, number, 4)) for number in range(1, 5)]
    told, _ = forecast(*first)
    assert told.left == pytest.approx(10), "nothing is known of what follows the steps"
    told, clock = forecast(*first, *validation[:2])
    assert told.left == pytest.approx(10 + 2 * 8 + 4), "half of the first validation tells of the whole"
    told, clock = forecast(*first, *validation, (0.0, EpochDone(0, 3, ROW)))
    assert told.left == pytest.approx(10 + 2 * 8)
    told(step(1, 5, 1, 3))
    second = [(1.0, step(number, 5, 1, 3)) for number in range(1, 6)]
    told, clock = forecast(*first, *validation, (0.0, EpochDone(0, 3, ROW)), *second, (1.0, ValidationStep(1, 3, 1, 4)))
    assert told.left == pytest.approx(5 + 8 + 7)
    clock.now += 3
    assert told.left == pytest.approx(5 + 8 + 4)
    clock.now += 100
    assert told.left == pytest.approx(5 + 8), "a phase that takes longer than usual has no time that is below none"


def test_a_selection_that_goes_on_is_forecast_by_what_this_process_has_done_of_it() -> None:
    told, _ = forecast((0, STARTED), (5.0, SelectionStep(60, 100)))
    assert told.left is None
    told, _ = forecast((0, STARTED), (5.0, SelectionStep(60, 100)), (6.0, SelectionStep(62, 100)))
    assert told.left == pytest.approx(3 * 38)
    assert str(told) == "  ETA 1:54"


def test_the_test_set_is_said_to_be_tested_and_its_end_is_forecast() -> None:
    course: list[tuple[float, Event]] = [(0, STARTED), *((5.0, step(number, 2)) for number in (1, 2))]
    course += [(0.0, EpochDone(0, 1, ROW)), *((12.0, AssessmentStep(number, 10)) for number in (1, 2, 3))]
    assert forecast(*course)[0].left == pytest.approx(12 * 7)
    watched = Watched()
    for seconds, event in course:
        watched.after(seconds, event)
    assert watched.last == "testing 2/10  ETA 2:24  (for 0:06)"


def test_long_loops_over_data_say_how_far_they_are_where_no_bar_can_be_seen(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()

    def items() -> list[int]:
        return list(range(20))

    with caplog.at_level(logging.INFO, "dadarts"):
        for _ in shown(items(), 4900, "decoding pictures", 256, clock):
            clock.now += 4
    said = [record.getMessage() for record in caplog.records]
    assert said[:2] == ["decoding pictures 768/4,900  ETA 1:05", "decoding pictures 1,536/4,900  ETA 0:53"]
    assert len(said) == 6


def test_short_loops_over_data_say_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "dadarts"):
        assert list(shown(range(1000), 1000, "measuring pictures")) == list(range(1000))
    assert not caplog.records


def test_one_is_singular() -> None:
    assert [counted(count, "epoch") for count in (0, 1, 2, 1234)] == ["0 epochs", "1 epoch", "2 epochs", "1,234 epochs"]
    assert [duration(seconds) for seconds in (0, 59.4, 59.6, 3599.9, 86400)] == [
        *("0:00", "0:59", "1:00", "1:00:00", "24:00:00")
    ]
