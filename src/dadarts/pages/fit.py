"""A fit that leaves its exported network and its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dadarts import files
from dadarts.config.fitting import FitConfig
from dadarts.distributed import ALONE, Processes
from dadarts.fitting import endings, loop
from dadarts.fitting.endings import Ending
from dadarts.pages.gather import page_of
from dadarts.report.page.render import render
from dadarts.rundir.kinds import PAGE
from dadarts.runs.events import Event


def fit(
    config: FitConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    processes: Processes = ALONE,
    since: float | None = None,
) -> Iterator[Event]:
    """Choose a network for labelled pictures, train it, test it once, and yield what happens, within `minutes`.

    In its folder, ``runs/fit/NAME``, are then ``model``, the network as `dadarts.export` writes it, and
    ``report.html``; where the minutes are too short for these, it says so. See `dadarts.fitting.loop.fit`.

    Args:
        since: where `time.monotonic` stood when the minutes began; None is now.

    Raises:
        InputError: the configuration, the data or the name cannot be used; nothing was created.
        RunError: a training cannot go on; what has ended is kept.
    """
    return loop.fit(
        config, endings=(endings.EXPORT, _PAGE), since=since, resume=resume, overwrite=overwrite, processes=processes
    )


def _write(folder: Path) -> Iterator[str]:
    files.write_text(folder / PAGE, render(page_of([str(folder)], folder)))
    yield from ()


_PAGE = Ending("the page", 2.0, _write, "dadarts report")
