"""Which runs the words of ``dadarts report`` mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from dadarts.errors import InputError, shortened
from dadarts.pages import fitted
from dadarts.rundir.called import fit_at, is_fit
from dadarts.rundir.contents import CONFIG
from dadarts.rundir.kinds import FIT, KINDS
from dadarts.rundir.saved import SavedConfig, SavedRun

MOST_RUNS = 12
"""On a page."""


@dataclass(frozen=True)
class Begun:
    """A run, and what its config.json says."""

    run: SavedRun
    saved: SavedConfig

    @property
    def name(self) -> str:
        return str(self.saved.settings["name"])


def begun(words: Sequence[str], runs_dir: Path) -> list[Begun]:
    """The runs that words mean, each once: a name is its search and its training, a path the run there.

    Raises:
        InputError: a word means none, a run is damaged, or they are too many for a page.
    """
    runs = {run.path.resolve(): run for word in words for run in _meant(word, runs_dir)}
    if len(runs) > MOST_RUNS:
        raise InputError(
            f"a page has room for {MOST_RUNS} runs, and these are {len(runs)}; `dadarts compare --report` is for more"
        )
    return [Begun(run, run.saved_config()) for run in runs.values()]


def _meant(word: str, runs_dir: Path) -> list[SavedRun]:
    path = Path(word)
    name = word.removeprefix("@")
    if not word.startswith("@") and is_fit(path):
        return fitted.runs_of(path)
    if not word.startswith("@") and _is_run(path):
        return [SavedRun(path)]
    found = [] if "/" in name else [kind.folder(runs_dir, name) for kind in KINDS]
    runs = [SavedRun(folder) for folder in found if _is_run(folder)]
    if not runs and "/" not in name and is_fit(fit := FIT.folder(runs_dir, name)):
        return fitted.runs_of(fit)
    if not runs:
        names = sorted({*_names(runs_dir)})
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {shortened(near[0], 60)}?" if near else "`dadarts runs` lists those that there are"
        raise InputError(f"{shortened(word)}: there is no run of that name in {shortened(runs_dir)}; {hint}")
    return runs


def fit_of(words: Sequence[str], runs_dir: Path) -> Path | None:
    """The folder of the fit that the words mean where they mean one and nothing else."""
    return fit_at(words[0], runs_dir) if len(words) == 1 else None


def _is_run(path: Path) -> bool:
    try:
        return SavedRun(path).exists
    except (OSError, ValueError):
        return False


def _names(runs_dir: Path) -> Iterator[str]:
    for kind in (*KINDS, FIT):
        yield from (path.parent.name for path in (runs_dir / kind.name).glob(f"*/{CONFIG.name}"))
