"""What a fit was begun with: the command in its log, or the call in Python."""

from __future__ import annotations

import json
from pathlib import Path

from dadarts import files
from dadarts.config.calls import in_python
from dadarts.config.fitting import FitConfig
from dadarts.config.run import ENVIRONMENT
from dadarts.rundir.command import Begin, begun_with, words_of, written
from dadarts.rundir.contents import CONFIG


def of_fit(folder: Path) -> Begin | None:
    """What the fit in a folder was begun with, as it was typed; of one begun in Python with a configuration that.

    None where neither its log nor its settings can be read.
    """
    begin, config = begun_with(folder), _settings(folder)
    return begin if begin or config is None else Begin(in_python(config), is_call=True)


def of_fit_anywhere(folder: Path) -> Begin | None:
    """`of_fit` for somebody else: of paths their last parts, and of a configuration what decides the fit."""
    begin, config = begun_with(folder), _settings(folder)
    if begin is not None and begin.is_call:
        return begin
    if begin is not None:
        return Begin(written([*map(_without_place, words_of(begin.text))]), is_call=False)
    if config is None:
        return None
    path = config.test_path and Path(config.test_path.name)
    config = config.model_copy(update={"dataset": last_part(config.dataset), "test_path": path})
    return Begin(in_python(config, ENVIRONMENT), is_call=True)


def last_part(path: str) -> str:
    """Of a path its last part, since the others are nobody's business."""
    return Path(path).name or path


def _without_place(word: str) -> str:
    flag, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return f"{flag}{equals}{last_part(value) if '/' in value else value}"


def _settings(folder: Path) -> FitConfig | None:
    try:
        return FitConfig(**json.loads(files.read_text(CONFIG.at(folder)))["settings"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        # Pages and cards say less without them, and all else.
        return None
