"""Progress for a person at a notebook: a bar below the cell, redrawn as the run goes on."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from html import escape
from importlib import import_module
from typing import Protocol

from dadarts.cli.eta import Forecast
from dadarts.errors import in_python
from dadarts.runs.events import (
    AssessmentStep,
    EpochDone,
    Event,
    FitDone,
    Note,
    PartBegun,
    RunStarted,
    SearchDone,
    SelectionStep,
    StepDone,
    TrainDone,
    ValidationStep,
)

_BETWEEN = 0.2
"""Seconds from a drawing to the next: a kernel that sends more is slower to follow."""
_NOTES = 6
"""That stand below the bar, the last ones."""


class Handle(Protocol):
    """What is shown below a cell, to be replaced."""

    def update(self, shown: object) -> None: ...


class Bar:
    """How far a run is, as HTML; elsewhere as a line of text.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._forecast, self._clock, self._since = Forecast(clock), clock, clock()
        self._is_fit = False
        self._begun = ""
        self._doing = "getting ready"
        self._part = 0.0
        self._notes: deque[str] = deque(maxlen=_NOTES)

    def __call__(self, event: Event) -> None:
        """Take notice of an event."""
        self._forecast(event)
        match event:
            case RunStarted():
                self._begun = event.summary
                self._notes.append(in_python(event.data))
            case Note():
                self._notes.append(event.text)
            case PartBegun():
                self._is_fit = True
                self._notes.append(str(event))
                self._doing = event.what
            case StepDone():
                self._part = self._share_of_minutes() if self._is_fit else _share_of_steps(event)
                self._doing = f"{event}{self._forecast}"
            case ValidationStep() | SelectionStep() | AssessmentStep() | EpochDone():
                self._doing = f"{event}{self._forecast}"
            case SearchDone() | TrainDone() | FitDone():
                self._part, self._doing = 1.0, str(event)

    def _share_of_minutes(self) -> float:
        """How far all of a fit is; a forecast that grows moves nothing back."""
        passed, left = self._clock() - self._since, self._forecast.left
        return self._part if left is None or passed + left <= 0 else max(self._part, passed / (passed + left))

    def __repr__(self) -> str:
        return self._doing

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(note)}</li>" for note in self._notes)
        return (
            '<div style="font-size:.9em">'
            f"<div>{escape(self._begun)}</div>"
            f'<progress style="width:100%" max="1" value="{self._part:.4f}" aria-label="progress"></progress>'
            f"<div>{escape(self._doing)}</div>"
            f'<ul style="margin:.3em 0;color:#6b6b6b">{notes}</ul>'
            "</div>"
        )


def _share_of_steps(event: StepDone) -> float:
    return (event.epoch * event.steps + event.step) / (event.epochs * event.steps)


class Follower:
    """Keeps a bar below the cell up to date.

    Args:
        handle: where the bar is shown.
    """

    def __init__(self, bar: Bar, handle: Handle, clock: Callable[[], float] = time.monotonic) -> None:
        self._bar, self._handle, self._clock = bar, handle, clock
        self._drawn = clock()

    def __call__(self, event: Event) -> None:
        """Show an event, unless another has just been shown; the last one always."""
        self._bar(event)
        now = self._clock()
        if now - self._drawn >= _BETWEEN or isinstance(event, SearchDone | TrainDone | FitDone):
            self._handle.update(self._bar)
            self._drawn = now


def follower() -> Follower | None:
    """What shows events below the cell that runs; None where no notebook does."""
    if "IPython" not in sys.modules:
        return None
    shell = import_module("IPython").get_ipython()
    # A terminal's shell has none.
    if getattr(shell, "kernel", None) is None:
        return None
    bar = Bar()
    return Follower(bar, import_module("IPython.display").display(bar, display_id=True))
