"""The kinds of run, and where they are below a runs folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Args:
        name: its folder below the runs folder, and the word in its checkpoints.
        noun: what messages call it.
        verb: the command of ``dadarts`` that makes one.
        rates: the flags to lower where its loss is not finite.
    """

    name: str
    noun: str
    verb: str
    rates: str

    @property
    def script(self) -> str:
        """The original's script that makes one."""
        return f"{self.name}.py"

    def folder(self, runs_dir: Path, name: str) -> Path:
        """Where the run of a name is."""
        return runs_dir / self.name / name


SEARCH = Kind("search", "search", "search", "-w_lr or -alpha_lr")
TRAINING = Kind("augment", "training", "train", "-lr")
FIT = Kind("fit", "fit", "fit", "-minutes")
"""Its folder is the runs folder of its own runs."""
FINAL = "final"
"""The name of the training whose network a fit gives."""
BUNDLE, PAGE = "model", "report.html"
"""The exported network and the page in the folder of a fit."""
RECORD = "fit.json"
"""What a fit has done so far, in its folder."""
KINDS = (SEARCH, TRAINING)

COMPARISONS = "compare"
"""The folder of comparisons below a runs folder."""


def comparisons(runs_dir: Path) -> list[Path]:
    """The folders of the comparisons below a runs folder; each is the runs folder of its own runs."""
    return sorted(path.parent for path in runs_dir.glob(f"{COMPARISONS}/*/{SEARCH.name}"))
