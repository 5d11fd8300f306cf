"""Evaluations in the course of a run: between two batches it may be saved, looked at and stopped."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping

from dadarts.diagnostics import Evaluation, Name, Score
from dadarts.events import Event
from dadarts.run import AnyConfig, Run, State


def evaluated(
    run: Run[AnyConfig], state: State, evaluation: Evaluation[Name], event: Callable[[int, int], Event]
) -> Generator[Event, None, Mapping[Name, Score]]:
    """The scores of an evaluation; `event` is made of how many of its batches are measured, and of how many."""
    while True:
        try:
            counted = next(evaluation)
        except StopIteration as end:
            scores: Mapping[Name, Score] = end.value
            return scores
        run.save_if_due(state)
        yield event(*counted)
