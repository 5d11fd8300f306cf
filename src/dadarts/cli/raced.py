"""The candidates of a fit: what the first round of its race, when all were trained as long, said of each; its costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dadarts.architecture.genotype import Genotype
from dadarts.cli.show import NetworkCost, cost_of
from dadarts.cli.shown_run import Pictures, what_it_says
from dadarts.fitting.record import Entrant, Record
from dadarts.rundir.contents import CONFIG
from dadarts.rundir.kinds import TRAINING
from dadarts.rundir.saved import SavedRun


@dataclass(frozen=True)
class Raced:
    """A candidate.

    Args:
        score: by the metric of the fit, on its validation part; None where it has not raced.
        cost: None where no training says what its pictures are like.
    """

    entrant: Entrant
    score: float | None
    cost: NetworkCost | None


def raced(folder: Path, kept: Record) -> Iterator[Raced]:
    """All that the race of the fit in a folder began with.

    Raises:
        InputError: the fit is damaged.
    """
    pictures = _pictures(folder)
    for entrant in kept.entrants or ():
        first = next((each for each in kept.trained if each.entrant == entrant.name and each.rung == 1), None)
        cost = None
        if pictures is not None:
            genotype = Genotype.parse(entrant.genotype)
            cost = cost_of(genotype, pictures, init_channels=entrant.channels, layers=entrant.layers)
        yield Raced(entrant, None if first is None else first.score, cost)


def _pictures(folder: Path) -> Pictures | None:
    """The pictures of any of its trainings, which all have the same."""
    trainings = sorted(path.parent for path in (folder / TRAINING.name).glob(f"*/{CONFIG.name}"))
    said = (what_it_says(SavedRun(path)).pictures for path in trainings)
    return next((pictures for pictures in said if pictures is not None), None)
