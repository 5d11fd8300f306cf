"""Evaluations in the course of a run: between two batches it may be saved, looked at and stopped."""

from __future__ import annotations

from collections.abc import Callable, Generator

from dadarts.diagnostics import Counted, Found
from dadarts.events import Event
from dadarts.run import AnyConfig, Run
from dadarts.run_state import State


def evaluated(
    run: Run[AnyConfig], state: State, evaluation: Counted[Found], event: Callable[[int, int], Event]
) -> Generator[Event, None, Found]:
    """What an evaluation finds; `event` is made of how many of its batches are measured, and of how many."""
    while True:
        try:
            counted = next(evaluation)
        except StopIteration as end:
            found: Found = end.value
            return found
        run.save_if_due(state)
        yield event(*counted)
