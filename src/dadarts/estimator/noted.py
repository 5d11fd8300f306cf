"""The call that a run of the estimator was begun with, noted in its log as a command's is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from inspect import signature
from typing import Any

from dadarts.rundir.command import line_of_call
from dadarts.runs.events import Event, RunStarted
from dadarts.runs.folder import RunFolder

_ABOUT_PLACES = ("runs_dir", "verbose")
"""Parameters that decide nothing of what is found."""


def call_of(estimator: Any) -> str:
    """The fit of an estimator, without the parameters that are as they are where nothing is said."""
    usual = {name: each.default for name, each in signature(type(estimator)).parameters.items()}
    given = estimator.get_params(deep=False)
    said = [
        f"{name}={given[name]!r}"
        for name in usual
        if name not in _ABOUT_PLACES and repr(given[name]) != repr(usual[name])
    ]
    return f"{type(estimator).__name__}({', '.join(said)}).fit(X, y)"


def noted(events: Iterator[Event], call: str) -> Iterator[Event]:
    """The events of a run, in whose log the call is when it has begun."""
    with closing(events):  # type: ignore[type-var]
        for event in events:
            if isinstance(event, RunStarted):
                RunFolder(event.folder).log(line_of_call(call))
            yield event
