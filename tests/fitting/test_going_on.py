"""How a fit goes on that was stopped or killed, and what it replaces."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from dadarts.config.fitting import FitConfig
from dadarts.errors import InputError, RunError
from dadarts.fitting import course, record, searching, training
from dadarts.fitting.loop import fit
from dadarts.fitting.memory import OutOfMemoryError, told_apart
from dadarts.rundir import replaced
from dadarts.rundir.kinds import FINAL
from dadarts.runs.events import Event, FitDone, Note, PartBegun, SelectionStep, StepDone
from dadarts.runs.folder import RunFolder
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


@pytest.mark.parametrize(("asked", "kind"), [("always", SelectionStep), ("never", StepDone)])
def test_a_fit_goes_on_where_it_is_found(asked: str, kind: type[Event]) -> None:
    before, here = Path("before/runs"), Path("runs")
    stopped(lambda event: isinstance(event, kind), config(runs_dir=before, searching=asked))
    shutil.copytree(before, here)
    files = tree(before)
    *_, done = fit(config(runs_dir=here, searching=asked), clock=Ticking(0.002), resume=True)
    assert isinstance(done, FitDone)
    assert done.folder == here / "fit/digits"
    assert tree(before) == files
    kept = record.read(done.folder)
    assert kept.of(FINAL) is not None
    assert (kept.search is not None and kept.search.genotype is not None) == (asked == "always")


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


def test_a_fit_goes_on_with_no_other_pictures(tmp_path: Path) -> None:
    images, labels = load_digits(return_X_y=True)
    pictures = images.reshape(-1, 8, 8).astype(np.uint8)[:200]
    own = config(dataset="mine.npz", dataset_portion=1.0)
    np.savez("mine.npz", x=pictures, y=labels[:200])
    stopped(lambda event: isinstance(event, StepDone), own)
    np.savez("mine.npz", x=255 - pictures, y=labels[:200])
    files = tree(tmp_path)
    with pytest.raises(InputError, match="runs/fit/mine has begun with other training pictures or labels"):
        list(fit(own, resume=True))
    assert tree(tmp_path) == files


def test_a_search_that_cannot_go_on_here_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    own = config(searching="always")
    stopped(lambda event: isinstance(event, SelectionStep), own)

    def refusing(*_: object, **__: object) -> Iterator[Event]:
        yield from ()
        raise InputError("it cannot go on")

    monkeypatch.setattr(searching, "search", refusing)
    with pytest.raises(InputError, match="it cannot go on"):
        list(fit(own, clock=Ticking(0.002), resume=True))
    known = record.read(Path("runs/fit/digits")).search
    assert known is not None
    assert not known.is_over


def test_a_search_that_is_killed_has_kept_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "KEPT_EVERY", 0.0)
    with closing(fit(config(searching="always"), clock=Ticking(0.002))) as events:  # type: ignore[type-var]
        began = next(event for event in events if isinstance(event, PartBegun) and event.what == "search")
        next(event for event in events if isinstance(event, SelectionStep))
        # As a process leaves it that is killed here.
        kept = record.read(Path("runs/fit/digits"))
    assert kept.search is not None
    assert (kept.search.genotype, kept.search.left_out) == (None, "")
    assert kept.search.seconds == pytest.approx(began.left - (1.8 - kept.spent), abs=0.1)


def test_a_run_that_is_killed_while_it_is_removed_leaves_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(Path("fit/augment/final"))

    def begin() -> None:
        run.check(resume=False, overwrite=False)
        run.path.mkdir(parents=True)
        for name in ("config.json", "history.csv"):
            (run.path / name).touch()

    def killed(path: Path, **_: object) -> None:
        if path.exists():
            (path / "config.json").unlink()
            raise KeyboardInterrupt

    begin()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            run.remove()
    begin()
    run.remove()
    assert list(run.path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        MemoryError(),
    ],
)
def test_memory_that_runs_out_is_told_on_every_device(error: Exception) -> None:
    with pytest.raises(OutOfMemoryError), told_apart(64):
        raise error
    with pytest.raises(type(error)), told_apart(8):
        raise error
