"""What a page says of a fit: whether searching paid, and the candidates as the first round of its race judged them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dadarts.cli.raced import raced
from dadarts.errors import InputError, shortened
from dadarts.fitting import record
from dadarts.report.page.content import Candidate
from dadarts.rundir.contents import CONFIG
from dadarts.rundir.kinds import FINAL, SEARCH, TRAINING
from dadarts.rundir.saved import SavedRun

_MEASURED_ON = "validation part ({}), all trained as long"


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
    measured_on = _MEASURED_ON.format(record.in_words(kept.metric))
    for each in raced(folder, kept):
        yield Candidate(
            each.entrant.title,
            each.entrant.why,
            each.score,
            "not raced" if each.score is None else measured_on,
            parameters=each.cost.parameters if each.cost else None,
            multiply_adds=each.cost.multiply_adds if each.cost else None,
            latency_us=each.cost.prediction_us if each.cost else None,
        )


def metric_of(folder: Path) -> str:
    """What the candidates of a fit are chosen by.

    Raises:
        InputError: the fit is damaged.
    """
    return record.read(folder).metric


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
