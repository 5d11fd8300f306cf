"""What a fit leaves of its network when that is tested: the folder of it that others can use, and more."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dadarts.bundle.making import export
from dadarts.errors import DadartsError
from dadarts.fitting import trial
from dadarts.fitting.course import Course
from dadarts.pacing import duration
from dadarts.rundir.kinds import BUNDLE, FINAL, FIT
from dadarts.rundir.lookup import word_of
from dadarts.runs.events import Event, Note, PartBegun

_SHORT = 0.2
"""The part of the time for all endings within which one is written whatever the others take."""


@dataclass(frozen=True)
class Ending:
    """Something that is written when the network is tested.

    Args:
        what: that.
        seconds: what it takes, about.
        write: writes it into the folder of a fit; what is to be said of it.
        command: what writes it afterwards, before the run.
    """

    what: str
    seconds: float
    write: Callable[[Path], Iterator[str]]
    command: str


def _export(folder: Path) -> Iterator[str]:
    run = trial.folder_of(folder, FINAL).path
    bundle = export(run, out=folder / BUNDLE, runs_dir=folder, overwrite=True)
    for file, why in bundle.left_out.items():
        yield f"there is no {file}: {why}"


EXPORT = Ending("the folder of the network", 18.0, _export, "dadarts export")


def fitting(endings: Sequence[Ending], seconds: float, most: float) -> tuple[Ending, ...]:
    """Those of them that fit into a part of so many seconds together, the first ones first; what is short always does.

    >>> page = Ending("the page", 4.0, lambda _: iter(()), "dadarts report")
    >>> [[each.what for each in fitting((EXPORT, page), 60 * minutes, 0.1)] for minutes in (0.5, 1, 4.5)]
    [[], ['the page'], ['the folder of the network', 'the page']]
    """
    kept: list[Ending] = []
    for ending in endings:
        together = sum(each.seconds for each in [*kept, ending])
        if together <= most * seconds or ending.seconds <= _SHORT * most * seconds:
            kept.append(ending)
    return tuple(kept)


def written(course: Course, endings: Sequence[Ending], within: Sequence[Ending]) -> Iterator[Event]:
    """Write them, and say of those that there is no time for how they are written.

    Args:
        within: those that there is time for.
    """
    config = course.config
    # A folder needs no flag that says where its runs are.
    word = word_of(FIT, config.name, config.runs_dir) if config.runs_dir == Path("runs") else str(course.folder.path)
    for ending in endings:
        if ending not in within:
            yield Note(
                f"{duration(course.seconds)} are too short for {ending.what}, which takes about "
                f"{duration(ending.seconds)}: write it with `{shlex.join([*ending.command.split(), word])}`"
            )
            continue
        yield PartBegun(f"writing {ending.what}", course.left)
        try:
            yield from map(Note, ending.write(course.folder.path))
        except (DadartsError, OSError) as error:
            # The network is trained and tested all the same.
            why = error.marked if isinstance(error, DadartsError) else str(error)
            yield Note(f"{ending.what} was not written: {why}")
