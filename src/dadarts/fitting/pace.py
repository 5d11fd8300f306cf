"""How fast a training goes by the clock of a fit, told by its events."""

from __future__ import annotations

from dataclasses import dataclass, field

from dadarts.fitting.speed import Clock
from dadarts.runs.events import EpochDone, Event, StepDone


@dataclass
class Pace:
    """Looks at the clock at every event of a training.

    Args:
        clock: what seconds are of.
        began: where it stood before the first event.
    """

    clock: Clock
    began: float = field(init=False)
    _first: float = field(init=False, default=0.0)
    _last: float = field(init=False, default=0.0)
    _taken: int = field(init=False, default=0)
    _within: float = field(init=False, default=0.0)
    _counted: int = field(init=False, default=0)
    left: int = field(init=False, default=0)
    """Steps that are left."""

    def __post_init__(self) -> None:
        self.began = self.clock()

    def __call__(self, event: Event) -> None:
        """Take notice of an event that has just come."""
        if not isinstance(event, StepDone | EpochDone):
            return
        before, self._last = self._last, self.clock()
        if isinstance(event, StepDone):
            if event.step > 1 and self._taken:
                self._within += self._last - before
                self._counted += 1
            self._first = self._first if self._taken else self._last
            self._taken += 1
            self.left = (event.epochs - event.epoch) * event.steps - event.step

    @property
    def taken(self) -> int:
        """Steps that speak for others: without the first, which finds caches cold."""
        return max(0, self._taken - 1)

    @property
    def of_step_alone(self) -> float | None:
        """Seconds of a step alone; None where none is known."""
        return self._within / self._counted if self._within else None

    @property
    def of_step(self) -> float | None:
        """Seconds of a step, with what is done between epochs; of the whole time where there is but one.

        None where there is none: of a training that goes on when only its test is left.
        """
        if not self._taken:
            return None
        return (self._last - self._first) / self.taken if self.taken else self._last - self.began

    @property
    def around(self) -> float:
        """Seconds before the first step and behind the last epoch, until now."""
        return max(0.0, self.clock() - self.began - (self.of_step or 0.0) * self._taken)
