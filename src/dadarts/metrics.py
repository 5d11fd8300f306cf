"""The result of a training: its keys in a file, and what they say in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dadarts.assessment import Assessment
from dadarts.errors import InputError

FIRST = ("test_top1", "test_loss", "parameters", "multiply_adds", "seconds")
"""What every result has; those from before there was an assessment have nothing else."""

_NOT_BEATEN = (
    "the accuracy does not significantly beat the majority baseline of {baseline}: look at the balanced "
    "accuracy, and try -class_weights balanced, more pictures of rare classes, more epochs, or -flip none where a "
    "mirrored picture is of another class"
)


def laid_out(metrics: Mapping[str, Any]) -> str:
    """JSON that a person can read: a line for every key, every class and every row of the confusion matrix."""

    def value_of(value: Any) -> str:
        if isinstance(value, list) and value and isinstance(value[0], dict | list):
            return "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]"
        return json.dumps(value)

    return "{\n " + ",\n ".join(f"{json.dumps(name)}: {value_of(value)}" for name, value in metrics.items()) + "\n}\n"


def read(text: str, folder: Path) -> dict[str, Any]:
    """The metrics that a finished training has left.

    Raises:
        InputError: they are damaged.
    """
    try:
        found: dict[str, Any] = json.loads(text)
        first = {name: found[name] for name in FIRST}
        if not all(isinstance(value, int | float) for value in first.values()) or not 0 <= first["test_top1"] <= 1:
            raise ValueError
        return first if set(found) == set(FIRST) else first | Assessment.model_validate(found).as_json()
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InputError(f"the result in {folder} is damaged; replace the run with -overwrite") from None


def accuracy(text: str) -> float | None:
    """The accuracy on the test set in a training's result as it was left; None where that does not tell it."""
    try:
        found = json.loads(text)["test_top1"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return float(found) if isinstance(found, int | float) and 0 <= found <= 1 else None


def brief(text: str) -> str:
    """A training's result as it was left, without what has an entry for every class."""
    try:
        found = json.loads(text)
        return json.dumps({name: value for name, value in found.items() if name not in ("classes", "confusion")})
    except (ValueError, AttributeError, RecursionError):
        return text


def with_interval(metrics: Mapping[str, Any]) -> str:
    """The test accuracy with its 95 % interval where that is known."""
    accuracy = f"{metrics['test_top1']:.2%}"
    if "test_top1_interval" in metrics:
        low, high = metrics["test_top1_interval"]
        accuracy += f" [{low:.1%}, {high:.1%}]"
    return accuracy


def in_words(metrics: Mapping[str, Any]) -> list[str]:
    """The lines that tell a person what a training's metrics say; none where they are of before there was `assess`."""
    if "test_top1_interval" not in metrics:
        return []
    found = Assessment.model_validate(metrics)
    worst = min(found.present, key=lambda score: (score.recall, score.precision))
    return [
        f"test accuracy {with_interval(metrics)} (95% interval) of {found.test_pictures:,} pictures; majority baseline "
        f"{_baseline(found)}",
        f"balanced accuracy {found.balanced_accuracy:.1%} (chance {1 / len(found.present):.1%})  "
        f"macro F1 {found.macro_f1:.3f}  log loss {found.log_loss:.3f}"
        + (f"  AUC {found.auc:.3f}" if found.auc is not None else ""),
        f"worst class: {worst.name}, {round(worst.recall * worst.support):,} of {worst.support:,} right, "
        f"precision {worst.precision:.1%}",
    ]


def doubt(metrics: Mapping[str, Any]) -> str | None:
    """What a person should know of an accuracy that does not beat the majority baseline; None where it does."""
    if metrics.get("beats_majority", True):
        return None
    return _NOT_BEATEN.format(baseline=_baseline(Assessment.model_validate(metrics)))


def _baseline(found: Assessment) -> str:
    return f"{found.majority_baseline:.1%} (always answering {found.majority_class})"
