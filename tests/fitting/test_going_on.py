"""How a fit goes on that was stopped or killed, and what it replaces."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dadarts.config.fitting import FitConfig
from dadarts.errors import RunError
from dadarts.fitting import record, training
from dadarts.fitting.loop import fit
from dadarts.rundir import replaced
from dadarts.rundir.kinds import FINAL
from dadarts.runs.events import Event, FitDone, Note, SelectionStep, StepDone
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


def test_a_fit_keeps_what_it_replaces_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("runs/fit/digits")
    stopped(lambda event: isinstance(event, StepDone), config())
    stopped(lambda event: isinstance(event, StepDone), config(), overwrite=True)
    (kept,) = replaced.kept(folder)

    def failing(*_: object) -> Iterator[Event]:
        yield from ()
        raise RunError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(training, "race", failing)
        with pytest.raises(RunError, match=f"the disk is full; what this run replaces is kept .*: {kept}$"):
            list(fit(config(), clock=Ticking(0.02), resume=True))
    assert kept.exists()
    said = [event.text for event in fit(config(), clock=Ticking(0.02), resume=True) if isinstance(event, Note)]
    assert said[0] == f"what this run replaces is kept until it has ended: {kept}"
    assert said[-1] == f"removed {kept}, which this run has replaced"
    assert replaced.kept(folder) == []
    # As where a process dies in the midst of removing it.
    kept.mkdir()
    assert len(list(fit(config(), resume=True))) == 1
    assert not kept.exists()
