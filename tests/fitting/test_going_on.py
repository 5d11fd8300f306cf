"""How a fit goes on that was stopped or killed, and what it replaces."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dadarts.config.fitting import FitConfig
from dadarts.fitting import record
from dadarts.fitting.loop import fit
from dadarts.rundir.kinds import FINAL
from dadarts.runs.events import Event, FitDone, SelectionStep, StepDone
from tests.commands import tree
from tests.fitting.clocks import Ticking
from tests.fitting.test_fit import small
from tests.fitting.test_searching import SETTINGS, tiny

__all__ = ["small", "tiny"]

pytestmark = pytest.mark.usefixtures("small", "tiny")


def config(**more: Any) -> FitConfig:
    """A fit that races two candidates, in seconds of a clock that ticks."""
    return FitConfig(**{"dataset": "digits", "minutes": 0.03, "searching": "never", **SETTINGS, **more})


def stopped(at: Callable[[Event], bool], own: FitConfig, **given: Any) -> None:
    """Begin a fit, and stop it at an event."""
    with closing(fit(own, clock=Ticking(0.002), **given)) as events:  # type: ignore[type-var]
        next(event for event in events if at(event))


@pytest.mark.parametrize(("searching", "kind"), [("always", SelectionStep), ("never", StepDone)])
def test_a_fit_goes_on_where_it_is_found(searching: str, kind: type[Event]) -> None:
    before, here = Path("before/runs"), Path("runs")
    stopped(lambda event: isinstance(event, kind), config(runs_dir=before, searching=searching))
    shutil.copytree(before, here)
    files = tree(before)
    *_, done = fit(config(runs_dir=here, searching=searching), clock=Ticking(0.002), resume=True)
    assert isinstance(done, FitDone)
    assert done.folder == here / "fit/digits"
    assert tree(before) == files
    kept = record.read(done.folder)
    assert kept.of(FINAL) is not None
    assert (kept.search is not None and kept.search.genotype is not None) == (searching == "always")
