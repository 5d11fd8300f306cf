"""The result of a training: its keys in a file, and what they say in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import sqrt
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dadarts.errors import InputError

_SURE = 3.0
"""Standard deviations below a half at which an AUC is no accident."""
_WRONG_WAY = (
    "the two classes are told apart, but the wrong way round (AUC {auc:.3f}, 0.5 by chance): that can come of pictures "
    "whose mirror image is of the other class, for which give -flip none, or of labels that differ between the parts"
)
_NOT_BEATEN = "the accuracy does not significantly beat the majority baseline of {baseline}: {cure}"
_CURES = "try more {more}, more pictures, or -flip none where a mirrored picture is of another class"
_CURES_OF_RARE = "look at the balanced accuracy, and try {weighing}more pictures of rare classes; or"
_UNEQUAL = 1.5
"""Times the share of equal classes from which on the most frequent one makes others rare."""


Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Count: TypeAlias = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Measured:
    """What every result begins with; those from before there was an assessment have nothing else.

    Args:
        test_top1, test_loss: accuracy in [0, 1] and mean cross entropy on the test part.
        parameters, multiply_adds: of the network, and of a picture's pass.
        seconds: of all steps.
    """

    test_top1: float
    test_loss: float
    parameters: int
    multiply_adds: int
    seconds: float


ACCURACY = "accuracy"
FIRST = tuple(field.name for field in fields(Measured))


class ClassScore(BaseModel):
    """How one class fares: `support` pictures are of it, `predicted` are taken for it.

    Precision is 0 where nothing is taken for it, recall where nothing is of it, F1 where nothing of it is found.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    precision: Share
    recall: Share
    f1: Share
    support: Count
    predicted: Count


class Assessment(BaseModel):
    """What answers to a test part say.

    Args:
        test_top1_interval: the accuracy's 95 % Wilson interval.
        balanced_accuracy: mean recall of the classes that the test part has.
        macro_f1: mean F1 of the classes that it has or that were answered.
        balanced_accuracy_interval, macro_f1_interval: their 95 % intervals (`training.intervals`); None of results from
            before there were these, and of a macro F1 of over a thousand classes.
        log_loss: mean cross entropy, in nats.
        auc: area under the receiver operating characteristic; None unless there are two classes, both in the test part.
        majority_class: the class with the most training pictures; of several the one with the most test pictures.
        majority_baseline: the share of test pictures that are of it: the accuracy of always answering it.
        beats_majority: whether the interval lies above the baseline.
        confusion: rows are classes, columns what was answered; None where there are over a thousand classes.
        test_data: 16 digits that another test part has others of; None of results from before there were these.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    test_pictures: Count
    test_top1_interval: tuple[Share, Share]
    balanced_accuracy: Share
    macro_f1: Share
    log_loss: float
    auc: Share | None
    majority_class: str
    majority_baseline: Share
    beats_majority: bool
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[Count, ...], ...] | None
    balanced_accuracy_interval: tuple[Share, Share] | None = None
    macro_f1_interval: tuple[Share, Share] | None = None
    test_data: str | None = None

    @property
    def auc_by_chance(self) -> float:
        """Standard deviation of two classes' AUC where answers know nothing (Mann & Whitney, Ann. Math. Stat. 18)."""
        first, second = (score.support for score in self.present)
        return sqrt((first + second + 1) / (12 * first * second))

    @property
    def present(self) -> list[ClassScore]:
        """The classes that the test part has."""
        return [score for score in self.classes if score.support]

    @model_validator(mode="after")
    def _is_of_pictures(self) -> Assessment:
        if not self.present:
            raise ValueError("no class has a picture")
        return self

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        values: dict[str, Any] = self.model_dump(mode="json")
        return values


def result(measured: Measured, assessed: Assessment) -> dict[str, Any]:
    """What a training ends with, as JSON values."""
    return {**asdict(measured), **assessed.as_json()}


def laid_out(metrics: Mapping[str, Any]) -> str:
    """JSON that a person can read: a line for every key, every class and every row of the confusion matrix."""

    def value_of(value: Any) -> str:
        if isinstance(value, list) and value and isinstance(value[0], dict | list):
            return "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]"
        return json.dumps(value)

    return "{\n " + ",\n ".join(f"{json.dumps(name)}: {value_of(value)}" for name, value in metrics.items()) + "\n}\n"


@dataclass(frozen=True)
class Left:
    """A training's result as it was left, which may be damaged.

    Args:
        text: as it stands in its file.
        found: its keys and values; None where it is no JSON object.
    """

    text: str
    found: Mapping[str, Any] | None

    @property
    def accuracy(self) -> float | None:
        """The accuracy on the test set; None where it is not told."""
        number = (self.found or {}).get("test_top1")
        return float(number) if isinstance(number, int | float) and 0 <= number <= 1 else None

    @property
    def brief(self) -> str:
        """The text without what has an entry for every class."""
        if self.found is None:
            return self.text
        return json.dumps({name: value for name, value in self.found.items() if name not in ("classes", "confusion")})

    def metrics(self, folder: Path) -> dict[str, Any]:
        """All of it, of a training in a folder.

        Raises:
            InputError: it is damaged.
        """
        try:
            if self.found is None or self.accuracy is None:
                raise ValueError
            first = {name: self.found[name] for name in FIRST}
            if not all(isinstance(value, int | float) for value in first.values()):
                raise ValueError
            more = set(self.found) != set(FIRST)
            return first | Assessment.model_validate(self.found).as_json() if more else first
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InputError(f"the result in {folder} is damaged; replace the run with -overwrite") from None


def left(text: str) -> Left:
    """What a text that a training has left says."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    return Left(text, found if isinstance(found, dict) else None)


def with_interval(metrics: Mapping[str, Any]) -> str:
    """The test accuracy with its 95 % interval where that is known."""
    accuracy = f"{metrics['test_top1']:.2%}"
    if "test_top1_interval" in metrics:
        low, high = metrics["test_top1_interval"]
        accuracy += f" [{low:.1%}, {high:.1%}]"
    return accuracy


def _loss(value: float) -> str:
    """Few digits, of a network that is surely wrong too."""
    return f"{value:.3f}" if value < 1000 else f"{value:.3g}"


def in_words(metrics: Mapping[str, Any], chosen_by: str = ACCURACY) -> list[str]:
    """The lines that tell a person what a training's metrics say; none where they are of before there was `assess`.

    Args:
        chosen_by: the metric that the network was chosen by; its line is the first.
    """
    if "test_top1_interval" not in metrics:
        return []
    found = Assessment.model_validate(metrics)
    accuracy, others, worst = (
        f"test accuracy {with_interval(metrics)} (95% interval) of {found.test_pictures:,} pictures; majority baseline "
        f"{_baseline(found)}",
        f"balanced accuracy {found.balanced_accuracy:.1%}{_bracketed(found.balanced_accuracy_interval, '.1%')} "
        f"(chance {1 / len(found.present):.1%})  macro F1 {found.macro_f1:.3f}"
        f"{_bracketed(found.macro_f1_interval, '.3f')}  log loss {_loss(found.log_loss)}"
        + (f"  AUC {found.auc:.3f}" if found.auc is not None else ""),
        _worst_class(found),
    )
    return [accuracy, others, worst] if chosen_by == ACCURACY else [others, accuracy, worst]


def _bracketed(interval: tuple[float, float] | None, spec: str) -> str:
    return "" if interval is None else f" [{interval[0]:{spec}}, {interval[1]:{spec}}]"


def _worst_class(found: Assessment) -> str:
    worst = min(found.present, key=lambda score: (score.recall, score.precision))
    if worst.recall == 1:
        return "no picture of any class is wrong"
    right = round(worst.recall * worst.support)
    return f"worst class: {worst.name}, {right:,} of {worst.support:,} right, precision {worst.precision:.1%}"


def doubt(metrics: Mapping[str, Any], *, of_fit: bool = False) -> str | None:
    """What a person should know of an accuracy that does not beat the majority baseline; None where it does.

    Args:
        of_fit: whether a fit's last training has it, whose epochs and class weights nobody sets.
    """
    if metrics.get("beats_majority", True):
        return None
    found = Assessment.model_validate(metrics)
    if found.auc is not None and len(found.present) == 2 and found.auc < 0.5 - _SURE * found.auc_by_chance:
        return _WRONG_WAY.format(auc=found.auc)
    is_unequal = found.majority_baseline > _UNEQUAL / len(found.present)
    cures = _CURES.format(more="-minutes" if of_fit else "epochs")
    if is_unequal:
        cures = f"{_CURES_OF_RARE.format(weighing='' if of_fit else '-class_weights balanced, or ')} {cures}"
    return _NOT_BEATEN.format(baseline=_baseline(found), cure=cures)


def _baseline(found: Assessment) -> str:
    return f"{found.majority_baseline:.1%} (always answering {found.majority_class})"
