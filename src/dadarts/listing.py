"""The runs that there are, and how far they have come."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path

from dadarts.errors import InputError
from dadarts.replaced import replaces
from dadarts.runfolder import RunFolder, rows_of
from dadarts.selection import UniformDraw


@dataclass(frozen=True)
class RunSummary:
    """One line of ``dadarts runs``.

    Args:
        epoch, epochs: how many have ended, of how many; both 0 where nothing is trained (``--method random``).
        state: ``finished``, ``running`` (a process writes it), ``stopped`` (it can be gone on with), ``replaced``
            (``-overwrite`` keeps it until the run that replaces it has ended) or ``damaged``.
        result: what it ended with; empty where it has not ended.
        processes: how many compute it.
    """

    kind: str
    name: str
    dataset: str
    epoch: int
    epochs: int
    state: str
    result: str
    processes: int = 1

    def as_dict(self) -> dict[str, str | int]:
        """For ``--json``."""
        return asdict(self)


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; a text too long for a path is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def list_runs(runs_dir: Path) -> list[RunSummary]:
    """Every search and training below a runs folder, by kind and name; damaged ones are said to be so."""
    return [
        _summary(kind, RunFolder(path))
        for kind in ("search", "augment")
        for path in sorted((runs_dir / kind).glob("*"))
        if RunFolder(path).exists
    ]


def list_comparisons(runs_dir: Path) -> list[Path]:
    """The folders of the comparisons below a runs folder; each is the runs folder of its own runs."""
    return sorted(path.parent for path in runs_dir.glob("compare/*/search"))


def _summary(kind: str, folder: RunFolder) -> RunSummary:
    try:
        saved = folder.saved_config()
        settings = saved["settings"]
        epochs, dataset = int(settings["epochs"]), str(settings["dataset"])
        processes = int(saved["versions"].get("processes", 1))
        done = rows_of(folder.history)
        if repr(UniformDraw()) in str(settings.get("method")):
            # Its history has a row all the same: what can be said of the genotype.
            done = epochs = 0
        # In this order: a run that ends in between has ended.
        running = folder.is_held
        result = folder.result()
    except (InputError, OSError, KeyError, ValueError, TypeError, OverflowError, csv.Error):
        return RunSummary(kind, folder.path.name, "", 0, 0, "damaged", "")
    return RunSummary(
        kind,
        folder.path.name,
        dataset,
        done,
        epochs,
        _state(folder, result, running),
        result or "",
        processes,
    )


def _state(folder: RunFolder, result: str | None, running: bool) -> str:
    if replaces(folder.path.name) is not None:
        return "replaced"
    return "finished" if result is not None else "running" if running else "stopped"
