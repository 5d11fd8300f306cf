"""Folders of comparisons that somebody or something has been at."""

from __future__ import annotations

from pathlib import Path
from random import Random
from shutil import copytree

import pytest

from dadarts.cli import execute
from dadarts.compare import worker
from dadarts.compare.executors import Local
from dadarts.compare.store import JobFolder, Try
from tests.commands import without_pictures
from tests.fuzz.fuzz_runs import damage_file
from tests.fuzz.fuzzer import Fuzzer, command

COMPARISON = Path("runs/compare/it")
WORDS = [
    *("compare", "--name", "it", "--methods", "darts-first-order", "--seeds", "0:2", "--dataset", "digits"),
    *("--space", "connect-nas-bench", "--nodes", "2", "--epochs", "1", "--init_channels", "2", "--layers", "1"),
    *("--batch_size", "16", "--dataset_portion", "0.1", "--workers", "0", "--jobs", "1", "--train", "--report"),
    *("--train_epochs", "1", "--train_init_channels", "2", "--train_layers", "1", "--train_cutout_length", "0"),
    *("--device", "cpu", "--threads", "1", "--engine", "torch"),
]


class _Ended:
    """A job that this process has run already."""

    def __init__(self, code: int) -> None:
        self.code = code

    def poll(self) -> int:
        return self.code

    def stop(self) -> None: ...

    def kill(self) -> None: ...


def _here(place: Local, folder: Path, log: Path) -> _Ended:
    """Run a job in this process: one of its own would spend a second on imports."""
    return _Ended(execute.guarded("dadarts compare", lambda: worker.work(JobFolder(folder))))


def prepare(base: Path) -> None:
    """Two jobs that have ended, each a search and a training."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_pictures(monkeypatch)
        _without_rendering(monkeypatch)
        monkeypatch.setattr(Local, "start", _here)
        command("dadarts", *WORDS)
    for path in (base / COMPARISON / "jobs").iterdir():
        assert JobFolder(path).tries() == [Try(0, JobFolder(path).tries()[0].seconds)]


def _without_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes three quarters of a report: turning a finished figure into a file."""
    monkeypatch.setattr("dadarts.compare.figures.svg", lambda figure, title, description: b"<svg/>")


_RENDERED = Path("rendered")


def _damaged(draw: Random, base: Path, folder: Path) -> None:
    copytree(base / "runs", folder / "runs")
    jobs = folder / COMPARISON
    # What a report writes it never reads.
    files = [path for path in sorted(jobs.glob("*/*/*")) if path.suffix in (".json", ".csv", ".npz", ".txt")]
    for path in draw.sample(files, draw.choice([1, 1, 1, 2])):
        damage_file(draw, path)
    if draw.random() < 0.2:
        (folder / _RENDERED).touch()


def _reports(folder: Path) -> None:
    """Every job is reported, whatever has become of it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_pictures(monkeypatch)
        if not (folder / _RENDERED).exists():
            _without_rendering(monkeypatch)
        monkeypatch.setattr(Local, "start", _here)
        monkeypatch.setattr("dadarts.compare.schedule._PAUSE", 0.0)
        try:
            command("dadarts", *WORDS)
        finally:
            listed = command("dadarts", "runs", "--runs_dir", str(COMPARISON))
            assert listed.count("\n") >= 1


FUZZERS = (Fuzzer("comparisons", _damaged, _reports, prepare, tests=3, seconds=90),)
