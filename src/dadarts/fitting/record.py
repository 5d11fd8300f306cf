"""What a fit has done so far, kept in its folder: candidates, finished trainings, and seconds spent."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from dadarts import files
from dadarts.config.fitting import FitConfig
from dadarts.config.run import Precision
from dadarts.config.training import ClassWeights
from dadarts.errors import InputError
from dadarts.fitting.verdict import Ranked, searching_paid
from dadarts.pacing import duration
from dadarts.rundir.kinds import RECORD
from dadarts.runs.folder import RunFolder
from dadarts.runs.resuming import refuse_differences, refuse_other_data


@dataclass(frozen=True)
class Entrant:
    """A candidate as it entered: its genotype as text, its size, and how fast it is trained.

    Args:
        name: of its runs.
        family: the name of its family, or ``found``.
        title: what it is called in a sentence.
        why: why it is a candidate.
        precision, class_weights: as in a training's settings.
        bound: what keeps it from being larger, in a phrase; empty in a fit from before that was noted.
        parameters: of the network; None of a fit from before they were noted.
    """

    name: str
    family: str
    title: str
    why: str
    genotype: str
    channels: int
    layers: int
    images_per_second: float
    precision: Precision = "float32"
    class_weights: ClassWeights = "none"
    bound: str = ""
    parameters: int | None = None


@dataclass(frozen=True)
class Trained:
    """A training of the race that has ended.

    Args:
        run: its folder's name.
        rung: in which round, from 1 on; 0 is the training behind the race, which the test part judges.
        entrant: whose.
        score: by the metric of the fit, on the validation part, in [0, 1].
        pictures: how many judged it.
        images_per_second: training pictures, from its first step to its last epoch's end; None where that is not known.
        around: seconds before and behind that.
        in_steps: training pictures a second of steps alone; None where that is not known.
    """

    run: str
    rung: int
    entrant: str
    score: float
    pictures: int
    images_per_second: float | None
    around: float = 0.0
    in_steps: float | None = None


@dataclass(frozen=True)
class Searched:
    """A search.

    Args:
        seconds: that it has taken.
        genotype: that it has found, as text; None where it has not ended.
        left_out: why the race goes on without it; empty where it does not.
    """

    seconds: float
    genotype: str | None
    left_out: str

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.genotype is not None or self.left_out != ""


@dataclass(frozen=True)
class Record:
    """All of it.

    Args:
        metric: what candidates are chosen by.
        batch_size: pictures in a batch.
        spent: seconds since the beginning, without those between a stop and its resumption.
        entrants: None before they are known.
        trained: in the order of time.
        search: None where nothing was searched, or not yet.
        minutes: that everything should take; None of a fit from before they were noted.
    """

    metric: str
    batch_size: int
    spent: float = 0.0
    entrants: tuple[Entrant, ...] | None = None
    trained: tuple[Trained, ...] = field(default=())
    search: Searched | None = None
    minutes: float | None = None

    def after(self, trained: Trained) -> Record:
        """With one more training."""
        return replace(self, trained=(*self.trained, trained))

    def of(self, run: str) -> Trained | None:
        """The training of that name, where it has ended."""
        return next((each for each in self.trained if each.run == run), None)

    def ranked(self) -> list[Ranked]:
        """The entrants in every round of the race so far."""
        named = {entrant.name: entrant for entrant in self.entrants or ()}
        return [
            Ranked(own.family, own.title, each.score, each.pictures, each.rung, own.parameters)
            for each in self.trained
            if each.rung
            for own in [named[each.entrant]]
        ]

    @property
    def verdict(self) -> str | None:
        """Whether searching paid, and what it cost, in a sentence; None where nothing was found and raced."""
        said = searching_paid(self.ranked(), in_words(self.metric))
        of = "" if self.minutes is None else f" of {duration(60 * self.minutes)}"
        return said and f"{said}; the search took {duration(self.search.seconds if self.search else 0.0)}{of}"

    def speed(self, entrant: Entrant) -> float:
        """Training pictures a second: of its last training, with what is done between epochs; else as probed."""
        own = [
            each.images_per_second for each in self.trained if each.entrant == entrant.name and each.images_per_second
        ]
        return own[-1] if own else entrant.images_per_second

    def in_steps(self, entrant: Entrant) -> float:
        """Training pictures a second of steps alone, in its last training; else as probed."""
        own = [each.in_steps for each in self.trained if each.entrant == entrant.name and each.in_steps]
        return own[-1] if own else entrant.images_per_second

    @property
    def around(self) -> float:
        """Seconds that a training takes besides its epochs: as the last one did."""
        return self.trained[-1].around if self.trained else 0.0

    def write(self, folder: Path) -> None:
        """Keep it, whole or not at all."""
        files.write_text(folder / RECORD, json.dumps({**asdict(self), "verdict": self.verdict}, indent=1) + "\n")


def in_words(metric: str) -> str:
    """What a metric is called in a sentence.

    >>> in_words("balanced_accuracy"), in_words("auc")
    ('balanced accuracy', 'AUC')
    """
    return {"auc": "AUC", "macro_f1": "macro F1"}.get(metric, metric.replace("_", " "))


def read(folder: Path) -> Record:
    """What a fit's folder has of it.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = folder / RECORD
    try:
        return TypeAdapter(Record).validate_json(files.read_text(path))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path} is damaged; replace the fit with -overwrite") from None


def refuse_other_settings(folder: RunFolder, config: FitConfig) -> None:
    """Refuse to go on with settings that are not those of the beginning.

    Raises:
        InputError: settings that decide what is done are not those that the fit has begun with, or are damaged.
    """
    refuse_differences(folder, config.differences(_begun_with(folder, "settings")))


def refuse_other_pictures(folder: RunFolder, fingerprint: str) -> None:
    """Refuse to go on with pictures that are not those of the beginning: what was measured of those is kept.

    Raises:
        InputError: the training pictures are others, or what they were is damaged.
    """
    refuse_other_data(folder, _begun_with(folder, "versions").get("data"), fingerprint)


def _begun_with(folder: RunFolder, what: str) -> dict[str, Any]:
    try:
        return dict(json.loads(files.read_text(folder.config))[what])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{folder.config} is damaged; replace the fit with -overwrite") from None
