"""What a fit calls its network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dadarts import files
from dadarts.rundir.kinds import FINAL, RECORD, TRAINING


def fit_of(training: Path) -> Path | None:
    """The folder of the fit whose last training is in a folder; None of another training."""
    folder = training.absolute()
    is_final = folder.parts[-2:] == (TRAINING.name, FINAL) and (folder.parents[1] / RECORD).is_file()
    return folder.parents[1] if is_final else None


def called(training: Path) -> str | None:
    """The title of the candidate that a fit's last training trained, from the fit's record; None of another run."""
    fit = fit_of(training)
    if fit is None:
        return None
    try:
        kept: dict[str, Any] = json.loads(files.read_text(fit / RECORD))
        titles = {entrant["name"]: str(entrant["title"]) for entrant in kept["entrants"]}
        return next((titles[each["entrant"]] for each in kept["trained"] if each["run"] == FINAL), None)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        # What a network is called is no part of it.
        return None
