"""What the candidates of a fit are judged by, and of how many pictures their batches are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dadarts.config.fitting import FitConfig, Metric
from dadarts.data import DataSet
from dadarts.errors import InputError
from dadarts.fitting.record import in_words
from dadarts.pacing import counted

_UNEQUAL = 1.5
"""Times its equal share from which on a class is so frequent that accuracy says little of the others."""
_RARE = 2
"""Part of its equal share below which a class is rare: a half."""
_SMALLEST, _LARGEST, _STEPS = 16, 64, 25
_KEYS: Mapping[Metric, str] = {
    "accuracy": "test_top1",
    "balanced_accuracy": "balanced_accuracy",
    "macro_f1": "macro_f1",
    "auc": "auc",
}


def metric(config: FitConfig, data: DataSet) -> Metric:
    """What candidates are chosen by."""
    if config.metric != "auto":
        return config.metric
    counts = torch.bincount(data.train.labels, minlength=len(data.classes))
    return "balanced_accuracy" if int(counts.max()) * len(counts) > _UNEQUAL * int(counts.sum()) else "accuracy"


def metric_in_words(config: FitConfig, chosen: str) -> str:
    """What candidates are chosen by, and why.

    Args:
        chosen: the name of that.
    """
    if config.metric != "auto":
        return f"{in_words(chosen)} (as asked for)"
    many = "a" if chosen == "balanced_accuracy" else "no"
    return f"{in_words(chosen)} ({many} class has over {_UNEQUAL:g} times its equal share)"


def rare_class(config: FitConfig, data: DataSet) -> str | None:
    """What to say of a rare class where no metric was asked for and pictures weigh alike; None where none is."""
    counts = torch.bincount(data.train.labels, minlength=len(data.classes))
    least, whole = int(counts.argmin()), int(counts.sum())
    is_rare = int(counts[least]) * len(counts) * _RARE < whole
    if config.metric != "auto" or metric(config, data) != "accuracy" or not is_rare:
        return None
    return (
        f"{data.classes[least]} has {int(counts[least]):,} of {whole:,} training pictures, and pictures weigh alike: "
        "give -metric balanced_accuracy where classes are to"
    )


def refuse_metric(config: FitConfig, data: DataSet, racing: DataSet) -> None:
    """Refuse what candidates cannot be chosen by.

    Raises:
        InputError: an area under the curve is asked for, and there are not two classes, or there is one among the
            pictures that judge.
    """
    if config.metric != "auc":
        return
    if len(data.classes) != 2:
        raise InputError(f"-metric auc is for two classes, and {config.dataset} has {len(data.classes)}")
    for part, pictures in (("test", data.test), ("validation", racing.test)):
        for name, count in zip(data.classes, torch.bincount(pictures.labels, minlength=2).tolist(), strict=True):
            if not count:
                raise InputError(
                    f"-metric auc needs pictures of both classes in the {part} part, and it would have none of {name}: "
                    "give more of these, or another -metric"
                )


def score(metrics: Mapping[str, Any], metric: str) -> float:
    """A training's result by a metric, in [0, 1]."""
    return float(metrics[_KEYS[metric]])  # type: ignore[index]


def batch_size(pictures: int) -> int:
    """Pictures in a batch: as many as leave an epoch 25 steps, from 16 to 64; half of fewer than 32 pictures.

    >>> batch_size(20), batch_size(200), batch_size(1600), batch_size(50_000)
    (10, 16, 64, 64)
    """
    if pictures < 2 * _SMALLEST:
        return max(2, pictures // 2)
    size = _SMALLEST
    while size < _LARGEST and pictures >= _STEPS * 2 * size:
        size *= 2
    return size


def batch_in_words(size: int, pictures: int) -> str:
    """A batch, and why it has so many pictures.

    >>> batch_in_words(32, 800)
    'batches of 32 pictures (for 25 steps an epoch)'
    >>> batch_in_words(10, 20)
    'batches of 10 pictures (half of all)'
    """
    why = f"for {_STEPS} steps an epoch" + (", the most" if size == _LARGEST else "")
    if size != batch_size(pictures):
        why = "as memory allows"
    elif size < _SMALLEST:
        why = "half of all"
    elif size == _SMALLEST and pictures < _STEPS * _SMALLEST:
        why = "the fewest"
    return f"batches of {counted(size, 'picture')} ({why})"
