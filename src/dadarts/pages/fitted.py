"""What a page says of a fit: whether searching paid, and the candidates as the first round of its race judged them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dadarts.architecture.genotype import Genotype
from dadarts.cli.show import cost_of
from dadarts.cli.shown_run import Pictures, what_it_says
from dadarts.errors import InputError, shortened
from dadarts.fitting import record
from dadarts.fitting.record import Entrant, Record
from dadarts.report.page.content import Candidate
from dadarts.rundir.contents import CONFIG
from dadarts.rundir.kinds import FINAL, RECORD, SEARCH, TRAINING
from dadarts.rundir.saved import SavedRun

_MEASURED_ON = "validation part, {}, all trained as long"


def is_fit(folder: Path) -> bool:
    """Whether a folder is that of a fit."""
    try:
        return (folder / RECORD).is_file()
    except (OSError, ValueError):
        return False


def runs_of(folder: Path) -> list[SavedRun]:
    """The searches of a fit and its last training.

    Raises:
        InputError: it has not come to that.
    """
    final = SavedRun(TRAINING.folder(folder, FINAL))
    if not final.exists:
        raise InputError(f"{shortened(folder)} has not ended: go on with it, with `dadarts fit` and -resume")
    searches = sorted(path.parent for path in (folder / SEARCH.name).glob(f"*/{CONFIG.name}"))
    return [*map(SavedRun, searches), final]


def candidates_of(folder: Path) -> Iterator[Candidate]:
    """All that the race began with.

    Raises:
        InputError: the fit is damaged.
    """
    kept = record.read(folder)
    pictures = what_it_says(SavedRun(TRAINING.folder(folder, FINAL))).pictures
    for entrant in kept.entrants or ():
        yield _candidate(kept, entrant, pictures)


def _candidate(kept: Record, entrant: Entrant, pictures: Pictures | None) -> Candidate:
    first = next((each for each in kept.trained if each.entrant == entrant.name and each.rung == 1), None)
    cost = None
    if pictures is not None:
        genotype = Genotype.parse(entrant.genotype)
        cost = cost_of(genotype, pictures, init_channels=entrant.channels, layers=entrant.layers)
    return Candidate(
        entrant.title,
        entrant.why,
        first.score if first else None,
        _MEASURED_ON.format(record.in_words(kept.metric)) if first else "not raced",
        parameters=cost.parameters if cost else None,
        multiply_adds=cost.multiply_adds if cost else None,
        latency_us=cost.prediction_us if cost else None,
    )


def verdict_of(folder: Path) -> str:
    """Whether searching paid, in a sentence; where nothing was searched, which of the candidates has won.

    Raises:
        InputError: the fit is damaged.
    """
    kept = record.read(folder)
    said = kept.verdict
    if said:
        return f"{said[0].upper()}{said[1:]}."
    final = kept.of(FINAL)
    titles = [entrant.title for entrant in kept.entrants or () if final and entrant.name == final.entrant]
    return f"Nothing was searched: the network is {titles[0] if titles else 'a plain or a published one'}."
