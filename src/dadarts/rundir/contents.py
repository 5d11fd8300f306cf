"""What is in a run's folder: every file's name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dadarts.rundir.kinds import KINDS, SEARCH, TRAINING, Kind


@dataclass(frozen=True)
class Entry:
    """A file, or a folder of files, that a run leaves.

    Args:
        name: below the run's folder.
        holds: what is in it, for people.
        of: the kinds of run that leave it.
        early: whether it may be there before config.json makes the folder a run.
    """

    name: str
    holds: str
    of: tuple[Kind, ...] = KINDS
    early: bool = False

    def at(self, folder: Path) -> Path:
        """Its path in a run's folder."""
        return folder / self.name

    @property
    def top(self) -> str:
        """What of it lies in the run's folder itself."""
        return self.name.partition("/")[0]


CONFIG = Entry("config.json", "all settings, and on which machine, data and plugins")
GENOTYPE_TEXT = Entry(
    "genotype.txt", "the genotype as others write it; of a search in progress, the last epoch's", early=True
)
GENOTYPE = Entry("genotype.json", "the genotype, with the search's verdict on it", early=True)
HISTORY = Entry("history.csv", "[what was measured](history.md), a row an epoch")
ALPHAS = Entry("alphas.npz", "the alphas after every epoch, and those of the first draw", of=(SEARCH,))
LIMITS = Entry("limits.json", "what its network may cost, and what every choice costs", of=(SEARCH,))
NETWORK = Entry("model.safetensors", "the trained network and all that its use needs", of=(TRAINING,))
METRICS = Entry("metrics.json", "[the scores on the test part](metrics.md)", of=(TRAINING,))
RESULT = Entry("result.txt", "what the run ended with; not there before")
LOG = Entry("log.txt", "the lines of progress, with the time")
CURVES = Entry("curves.svg", "a picture of the history")
CELLS = Entry("cells", "pictures of the genotype's cells")
TENSORBOARD = Entry("tensorboard", "the history as TensorBoard's events")
CHECKPOINT = Entry("checkpoints/last.pt", "what `--resume` goes on from", early=True)

ENTRIES = (
    *(CONFIG, GENOTYPE_TEXT, GENOTYPE, HISTORY, ALPHAS, LIMITS, NETWORK, METRICS, RESULT, LOG, CURVES, CELLS),
    *(TENSORBOARD, CHECKPOINT),
)
"""All of them; names that begin with a dot are the program's own."""


def pictures(folder: Path, kinds: Iterable[str]) -> tuple[Path, ...]:
    """Where the cells of these kinds and, last, the curves are drawn."""
    return (*(CELLS.at(folder) / f"{kind}.svg" for kind in kinds), CURVES.at(folder))
