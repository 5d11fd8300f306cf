"""The runs that there are, and how far they have come."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path

from dadarts import files
from dadarts.cli import columns
from dadarts.errors import InputError
from dadarts.methods.selection import SELECTIONS
from dadarts.pacing import duration, size
from dadarts.rundir.history import TIMES, VALID_TOP1, Column
from dadarts.rundir.kinds import FINAL, FIT, KINDS, RECORD, SEARCH, TRAINING
from dadarts.rundir.replaced import replaces
from dadarts.runs.folder import RunFolder
from dadarts.training.metrics import Left, left

_VERBS = {kind.name: kind.verb for kind in (*KINDS, FIT)}
HEADER = ("kind", "name", "data set", "epochs", "state", "began", "took", "size", "accuracy", "result")
MOST = (8, 32, 24, 15, 9, 16, 12, 9, 15)
FLUSH_RIGHT = (False, False, False, True, False, False, True, True, True)
_MINUTE = "%Y-%m-%d %H:%M"
_DEEPEST = 2
_BLOCK = 512


@dataclass(frozen=True)
class RunSummary:
    """One line of ``dadarts runs``.

    Args:
        kind: ``search``, ``augment`` or ``fit``, as its folder is called.
        epoch, epochs: how many have ended, of how many; both 0 where nothing is trained (``--method random``), and of
            a fit, which has minutes.
        state: ``finished``, ``running`` (a process writes it), ``stopped`` (it can be gone on with), ``replaced``
            (``-overwrite`` keeps it until the run that replaces it has ended) or ``damaged``.
        result: what it ended with; empty where it has not ended.
        processes: how many compute it.
        began: local time, ``2026-11-27 20:15``.
        seconds: computing time of what has ended: steps, validations, selection.
        bytes: on disk.
        accuracy: a training's on the test set, where it has ended; else the last on the validation part.
        verdict: of a search that has ended: decided, undecided, locked or collapsed.
        plugin: what ``--plugin`` was told when it began.

    The last five are None where the run does not tell.
    """

    kind: str
    name: str
    dataset: str
    epoch: int
    epochs: int
    state: str
    result: str
    processes: int = 1
    began: str | None = None
    seconds: float | None = None
    bytes: int | None = None
    accuracy: float | None = None
    verdict: str | None = None
    plugin: str | None = None

    @property
    def verb(self) -> str:
        """The command that it is a run of, ``search``, ``train`` or ``fit``."""
        return _VERBS[self.kind]

    def as_dict(self) -> dict[str, str | int | float | None]:
        """For ``--json``."""
        return asdict(self)

    def cells(self) -> tuple[str, ...]:
        """What `HEADER` names but the last, for a person; ``-`` is what the run does not tell."""
        of = "test" if self.kind in (TRAINING.name, FIT.name) and self.state in ("finished", "replaced") else "valid"
        return (
            self.verb,
            self.name,
            self.dataset or "-",
            f"{self.epoch}/{self.epochs}" if self.epochs else "-",
            self.state,
            self.began or "-",
            "-" if self.seconds is None else duration(self.seconds),
            "-" if self.bytes is None else size(self.bytes),
            "-" if self.accuracy is None else f"{self.accuracy:.2%} {of}",
        )

    def in_short(self) -> str:
        """What it ended with, as far as the other cells do not say it."""
        is_said = self.kind == TRAINING.name and self.accuracy is not None
        result = f"{self.verdict}: {self.result}" if self.verdict else self.result
        return "" if is_said else columns.cut(columns.printable(result), 60)


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; a text too long for a path is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def list_runs(runs_dir: Path) -> list[RunSummary]:
    """Every search, training and fit below a runs folder, the newest of each last; damaged ones are said to be so."""
    return [
        run for kind in _VERBS for run in sorted(_runs_of(kind, runs_dir), key=lambda run: (run.began or "", run.name))
    ]


def _runs_of(kind: str, runs_dir: Path) -> Iterator[RunSummary]:
    for path in (runs_dir / kind).glob("*"):
        folder = RunFolder(path)
        if folder.exists:
            depth = _DEEPEST + (2 if kind == FIT.name else 0)
            summary = _of_fit(folder) if kind == FIT.name else _summary(kind, folder)
            yield replace(summary, began=_began(folder), bytes=_bytes(path, depth))


def _of_fit(folder: RunFolder) -> RunSummary:
    name = folder.path.name
    try:
        # As JSON: to read it as what it is would import torch.
        settings, kept = (json.loads(files.read_text(path)) for path in (folder.config, folder.path / RECORD))
        dataset, spent = str(settings["settings"]["dataset"]), float(kept["spent"])
        plugins = ",".join(map(str, settings["settings"].get("plugin") or ()))
        running = folder.is_held
        result = folder.result()
        tested = RunFolder(TRAINING.folder(folder.path, FINAL)).result() if result is not None else None
        accuracy = left(tested).accuracy if tested is not None else None
    except (InputError, OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError):
        return RunSummary(FIT.name, name, "", 0, 0, "damaged", "")
    state = _state(folder, result, running)
    return RunSummary(
        FIT.name, name, dataset, 0, 0, state, result or "", seconds=spent, accuracy=accuracy, plugin=plugins or None
    )


def _summary(kind: str, folder: RunFolder) -> RunSummary:
    try:
        saved = folder.saved_config()
        settings = saved.settings
        epochs, dataset = int(settings["epochs"]), str(settings["dataset"])
        processes = int(saved.processes)
        history = folder.rows()
        done = len(history)
        untrained = (kind.__name__ for kind in SELECTIONS.values() if not kind.trains)
        if any(f"selection={name}(" in str(settings.get("method")) for name in untrained):
            # Its history has a row all the same: what can be said of the genotype.
            done = epochs = 0
        # In this order: a run that ends in between has ended.
        running = folder.is_held
        result = folder.result()
    except (InputError, OSError, KeyError, ValueError, TypeError, OverflowError, csv.Error):
        return RunSummary(kind, folder.path.name, "", 0, 0, "damaged", "")
    of_training = left(result) if kind == TRAINING.name and result is not None else None
    verdict = folder.verdict() if kind == SEARCH.name and result is not None else None
    return RunSummary(
        kind,
        folder.path.name,
        dataset,
        done,
        epochs,
        _state(folder, result, running),
        of_training.brief if of_training else result or "",
        processes,
        seconds=_seconds(history),
        accuracy=_accuracy(history, of_training),
        verdict=verdict.word or None if verdict else None,
        plugin=",".join(map(str, settings.get("plugin") or ())) or None,
    )


def _numbers(history: list[dict[str, str]], column: Column) -> list[float]:
    """The finite numbers of a column; the history is the user's to edit."""
    found = []
    for row in history:
        with suppress(ValueError, TypeError):
            found.append(float(row.get(column.name) or "nan"))
    return [number for number in found if isfinite(number)]


def _seconds(history: list[dict[str, str]]) -> float | None:
    times = [number for column in TIMES for number in _numbers(history, column)]
    return sum(times) if times else None


def _accuracy(history: list[dict[str, str]], of_training: Left | None) -> float | None:
    if of_training is not None and of_training.accuracy is not None:
        return of_training.accuracy
    return next(reversed(_numbers(history, VALID_TOP1)), None)


def _began(folder: RunFolder) -> str | None:
    began = folder.began()
    return None if began is None else began.strftime(_MINUTE)


def _bytes(folder: Path, depth: int = _DEEPEST) -> int | None:
    """What the files of a run take on the disk; what people put deeper than a run does is not looked at."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += (_bytes(Path(entry.path), depth - 1) or 0) if depth else 0
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
    except OSError:
        return None
    return total


def _state(folder: RunFolder, result: str | None, running: bool) -> str:
    if replaces(folder.path.name) is not None:
        return "replaced"
    return "finished" if result is not None else "running" if running else "stopped"
