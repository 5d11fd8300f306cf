"""Which runs a person may have meant by a name that there is not."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from dadarts.errors import InputError, shortened
from dadarts.rundir.contents import GENOTYPE_TEXT, NETWORK, Entry
from dadarts.rundir.kinds import FINAL, FIT, SEARCH, TRAINING, Kind
from dadarts.rundir.replaced import replaces
from dadarts.rundir.saved import SavedRun

_MOST_NAMED = 5


def searches(name: str, runs_dir: Path) -> str:
    """Searches that have ended."""
    return _said("@", name, runs_dir, SEARCH, [(SEARCH, _with(GENOTYPE_TEXT, SEARCH, runs_dir))])


def genotypes(name: str, runs_dir: Path) -> str:
    """Runs that have a genotype: searches that have ended, trainings and fits."""
    return _said("@", name, runs_dir, SEARCH, [(kind, _with(GENOTYPE_TEXT, kind, runs_dir)) for kind in _KINDS])


def networks(name: str, runs_dir: Path) -> str:
    """Runs that have a trained network: trainings and fits."""
    return _said("", name, runs_dir, TRAINING, [(kind, _with(NETWORK, kind, runs_dir)) for kind in _KINDS[1:]])


_KINDS = (SEARCH, TRAINING, FIT)


def _with(entry: Entry, kind: Kind, runs_dir: Path) -> list[str]:
    """The names of the runs of a kind that have a file; a fit's is that of its last training."""
    below = Path(TRAINING.name, FINAL, entry.name) if kind == FIT else Path(entry.name)
    folders = (path.parents[len(below.parts) - 1] for path in (runs_dir / kind.name).glob(f"*/{below}"))
    return sorted(
        folder.name for folder in folders if replaces(folder.name) is None and not (kind == SEARCH and _runs_on(folder))
    )


def _runs_on(folder: Path) -> bool:
    """Whether a search has not ended, and its genotype is only what it has so far."""
    run = SavedRun(folder)
    try:
        return run.exists and run.result() is None
    except InputError:
        return True


def _said(mark: str, name: str, runs_dir: Path, kind: Kind, found: Sequence[tuple[Kind, list[str]]]) -> str:
    """The nearest name, and the first ones of each kind; where there are none, how there would be one."""
    there = [(own, names) for own, names in found if names]
    if not there:
        places = " or ".join(shortened(runs_dir / own.name) for own, _ in found)
        fit = "`dadarts fit`, " if kind == TRAINING else ""
        return (
            f"there are none in {places}: make one with {fit}`dadarts {kind.verb}` or {kind.script}, or give the "
            "-runs_dir where it is"
        )
    near = get_close_matches(name, [each for _, names in there for each in names], n=1)
    hint = f"did you mean {mark}{shortened(near[0], 60)}? " if near else ""
    lists = "; ".join(f"in {shortened(runs_dir / own.name)}: {_listed(mark, names)}" for own, names in there)
    return hint + (f"I{lists[1:]}" if hint else lists)


def _listed(mark: str, names: list[str]) -> str:
    listed = ", ".join(f"{mark}{shortened(each, 40)}" for each in names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED:,} more, which `dadarts runs` lists" if len(names) > _MOST_NAMED else ""
    return f"{listed}{more}"
