"""How long a run will take yet, told by its last steps and by what its epochs have taken besides."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import fmean

from dadarts.pacing import duration
from dadarts.runs.events import (
    AssessmentStep,
    EpochDone,
    Event,
    PartBegun,
    RunStarted,
    SelectionStep,
    StepDone,
    ValidationStep,
)

_WINDOW = 50
"""Steps that speak for those to come."""
_TELLING = 5
"""Steps that tell more of the last training of a fit than the minutes that it was given."""
_FIRST = 2
"""Steps of a process that do not, where there are others: they compile, and find caches cold."""


class Forecast:
    """The seconds that a run has left, from the times at which its events come.

    They are those of the steps left, at the mean of the last 50; of the phase after the steps of each epoch left, at
    the mean of those so far; and of the phase at hand. A fit has minutes, which tell when all ends, until its last
    training has begun.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        self._first: deque[float] = deque(maxlen=_FIRST)
        self._steps: deque[float] = deque(maxlen=_WINDOW)
        self._rests: list[float] = []
        self._steps_left: int | None = None
        self._rests_left = 0
        self._phase: ValidationStep | SelectionStep | AssessmentStep | None = None
        self._last_phase_since: tuple[float, float] | None = None
        self._ends: float | None = None
        self._after: float | None = None

    def __call__(self, event: Event) -> None:
        """Take notice of an event that has just come."""
        now = self._clock()
        match event:
            case RunStarted():
                self._last = now
            case PartBegun():
                self._begin(now + event.left, event.after)
            case StepDone():
                (self._first if len(self._first) < _FIRST else self._steps).append(now - self._last)
                self._last, self._phase = now, None
                self._steps_left = (event.epochs - event.epoch) * event.steps - event.step
                self._rests_left = event.epochs - event.epoch
            case ValidationStep():
                self._phase, self._rests_left = event, event.epochs - event.epoch - 1
            case EpochDone():
                self._rests.append(now - self._last)
                self._last, self._phase, self._rests_left = now, None, event.epochs - event.epoch - 1
            case SelectionStep() | AssessmentStep():
                self._phase = event
                self._last_phase_since = self._last_phase_since or (now, event.step / event.steps)
            case _:
                pass

    def _begin(self, ends: float, after: float | None) -> None:
        """Forget the training before; what follows this one is known by when all ends, or by how long it takes."""
        self.__init__(self._clock)  # type: ignore[misc]
        self._ends, self._after = ends, after

    @property
    def left(self) -> float | None:
        """Seconds; None where nothing is known yet."""
        if self._ends is not None and (self._after is None or len(self._steps) < _TELLING):
            return max(0.0, self._ends - self._clock())
        own = self._of_run
        return None if own is None else own + (self._after or 0.0)

    @property
    def _of_run(self) -> float | None:
        match self._phase:
            case SelectionStep() | AssessmentStep() as at:
                return self._of_last_phase(at)
            case ValidationStep() as at:
                passed = self._clock() - self._last
                rest = fmean(self._rests) if self._rests else passed * at.steps / at.step
                at_hand = max(rest - passed, 0.0)
            case _:
                rest, at_hand = fmean(self._rests) if self._rests else 0.0, 0.0
        steps = self._steps or self._first
        if self._steps_left is None or not steps:
            return None
        return self._steps_left * fmean(steps) + self._rests_left * rest + at_hand

    def _of_last_phase(self, at: SelectionStep | AssessmentStep) -> float | None:
        # Parts, since the steps of a race are not those of an order.
        part = at.step / at.steps
        if self._last_phase_since is None or part <= self._last_phase_since[1]:
            return None
        began, before = self._last_phase_since
        return (self._clock() - began) / (part - before) * (1 - part)

    def __str__(self) -> str:
        """``  ETA 1:23``; empty where nothing is known yet."""
        left = self.left
        return "" if left is None else f"  ETA {duration(left)}"
