"""What a classifier's answers say of it, beyond the share that is right: pure functions of answers and labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dadarts.runs.answers import Answers
from dadarts.training.intervals import of_balanced_accuracy, of_macro_f1, wilson
from dadarts.training.metrics import Assessment, ClassScore

_MOST_CLASSES = 1000
"""Whose confusion matrix is kept, and redrawn; that of more would be a file of hundreds of megabytes."""


def assess(answers: Answers, classes: Sequence[str], trained_on: Tensor) -> Assessment:
    """Assess answers to a test part.

    Args:
        classes: their names, in the order of labels.
        trained_on: labels of the training pictures, int64.
    """
    count, pictures = len(classes), len(answers.labels)
    confusion = answers.confusion(count)
    right, support, predicted = confusion.diagonal(), confusion.sum(dim=1), confusion.sum(dim=0)
    most = torch.bincount(trained_on.cpu(), minlength=count)
    majority = int(torch.where(most == most.max(), support, -1).argmax())
    interval = wilson(int(right.sum()), pictures)
    baseline = int(support[majority]) / pictures
    f1 = f1_scores(confusion)
    return Assessment(
        test_pictures=pictures,
        test_top1_interval=interval,
        balanced_accuracy=balanced_accuracy(confusion),
        balanced_accuracy_interval=of_balanced_accuracy(confusion),
        macro_f1=float(f1[support + predicted > 0].mean()),
        macro_f1_interval=of_macro_f1(confusion) if count <= _MOST_CLASSES else None,
        log_loss=float(answers.losses.mean()),
        auc=area_under_curve(answers.labels == 1, answers.margins) if count == 2 else None,
        majority_class=classes[majority],
        majority_baseline=baseline,
        beats_majority=interval[0] > baseline,
        classes=tuple(
            ClassScore(name=name, precision=precision, recall=recall, f1=score, support=own, predicted=taken)
            for name, precision, recall, score, own, taken in zip(
                classes,
                _shares(right, predicted).tolist(),
                _shares(right, support).tolist(),
                f1.tolist(),
                support.tolist(),
                predicted.tolist(),
                strict=True,
            )
        ),
        confusion=tuple(map(tuple, confusion.tolist())) if count <= _MOST_CLASSES else None,
    )


def balanced_accuracy(confusion: Tensor) -> float:
    """Mean recall of the classes that there are pictures of."""
    support = confusion.sum(dim=1)
    return float(_shares(confusion.diagonal(), support)[support > 0].mean())


def f1_scores(confusion: Tensor) -> Tensor:
    """``2 right / (support + predicted)`` of every class, the harmonic mean of precision and recall, float64 (K,)."""
    return _shares(2 * confusion.diagonal(), confusion.sum(dim=0) + confusion.sum(dim=1))


def _shares(part: Tensor, whole: Tensor) -> Tensor:
    """`part` / `whole`, and 0 where `whole` is 0, float64."""
    return part.double() / whole.clamp_min(1)


def area_under_curve(positive: Tensor, scores: Tensor) -> float | None:
    """The chance that a positive picture (bool (N,)) has a higher score than a negative one; of equal ones half count.

    This is the area under the receiver operating characteristic (Hanley & McNeil, 1982). None where there are only
    positive or only negative ones.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    values, place = torch.unique(scores, return_inverse=True)
    above = torch.bincount(place[positive], minlength=len(values))
    below = torch.bincount(place[~positive], minlength=len(values))
    # Twice the pairs that are won, in whole numbers.
    won = int((above * (2 * below.cumsum(0) - below)).sum())
    return won / (2 * positives * negatives)
