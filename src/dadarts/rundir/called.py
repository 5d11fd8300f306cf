"""What a fit says of its runs: that they are a part of it, and what it calls its network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dadarts import files
from dadarts.rundir.contents import CONFIG
from dadarts.rundir.kinds import FINAL, FIT, KINDS, RECORD, TRAINING

_KINDS = frozenset(kind.name for kind in KINDS)


def fit_of(run: Path) -> Path | None:
    """The folder of the fit that a search or training in a folder is a part of; None of another run."""
    folder = run.absolute()
    is_part = len(folder.parts) > 2 and folder.parent.name in _KINDS and (folder.parents[1] / RECORD).is_file()
    return folder.parents[1] if is_part else None


def fit_at(word: str, runs_dir: Path) -> Path | None:
    """The folder of the fit that a word means: its path, or its name where no search and no training has that."""
    name = word.removeprefix("@")
    is_name = "/" not in name and name.strip(".") != ""
    if is_name and any(_is_file(CONFIG.at(kind.folder(runs_dir, name))) for kind in KINDS):
        return None
    places = [Path(word), *([FIT.folder(runs_dir, name)] if is_name else [])]
    return next((place for place in places if is_fit(place)), None)


def is_fit(folder: Path) -> bool:
    """Whether a folder is that of a fit."""
    return _is_file(folder / RECORD)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def fit_ending_with(training: Path) -> Path | None:
    """The folder of the fit whose last training is in a folder; None of another run."""
    folder = training.absolute()
    return fit_of(folder) if folder.parts[-2:] == (TRAINING.name, FINAL) else None


def called(training: Path) -> str | None:
    """The title of the candidate that a fit's last training trained, from the fit's record; None of another run."""
    kept = _record(training)
    try:
        titles = {entrant["name"]: str(entrant["title"]) for entrant in kept["entrants"]}
        return next((titles[each["entrant"]] for each in kept["trained"] if each["run"] == FINAL), None)
    except (KeyError, TypeError):
        # What a network is called is no part of it.
        return None


def judged_by(training: Path) -> int | None:
    """How many validation pictures chose the network of a fit's last training; None where none did."""
    try:
        return next((int(each["pictures"]) for each in _record(training)["trained"] if each["rung"]), None)
    except (KeyError, TypeError, ValueError):
        return None


def _record(training: Path) -> dict[str, Any]:
    """The record of the fit whose last training is in a folder; empty of another run, or where it is damaged."""
    fit = fit_ending_with(training)
    if fit is None:
        return {}
    try:
        kept: dict[str, Any] = json.loads(files.read_text(fit / RECORD))
    except (OSError, ValueError, RecursionError):
        return {}
    return kept
