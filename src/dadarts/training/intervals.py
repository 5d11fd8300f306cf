"""How sure scores of a test part are: intervals of what they may be on endlessly many such pictures.

The test part is of a fixed size, and so is every class in it: it was divided by class, or came so. Pictures are
therefore redrawn within their class: none is ever lost, and no interval speaks of how frequent classes are elsewhere.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dadarts.seeds import derive

LEVEL = 0.95
RESAMPLES = 2_000
_UNSEEN = 1.0
"""Pictures that are drawn as if they were otherwise, of all classes together of which all are right, or all wrong."""
_OTHERS = 20
"""Classes that pictures of a class are taken for at most where all of them are right."""


def wilson(right: int, pictures: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of a share that was found to be ``p = right / pictures``.

    The shares q with ``|p - q| <= z sqrt(q (1 - q) / n)`` (Wilson, "Probable inference", 1927): unlike ``p +- z s`` it
    lies within [0, 1], and is no point where all or nothing is right.

    >>> [round(end, 3) for end in wilson(38, 40)]
    [0.835, 0.986]
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, share = right / pictures, z * z / pictures
    centre, half = p + share / 2, z * sqrt(p * (1 - p) / pictures + share / pictures / 4)
    # Rounding must not put the ends of all and nothing within them.
    low = 0.0 if right == 0 else (centre - half) / (1 + share)
    high = 1.0 if right == pictures else (centre + half) / (1 + share)
    return low, high


def of_balanced_accuracy(confusion: Tensor, level: float = LEVEL) -> tuple[float, float]:
    """The interval of the mean recall of the classes that there are pictures of.

    With l and u Wilson's interval of each recall p, it is ``mean p - |p - l| / K`` to ``mean p + |u - p| / K`` in the
    Euclidean norm (Zou & Donner, "Construction of confidence limits ...", Statistics in Medicine 27, 2008): of one
    class Wilson's own, and no point where all pictures of a class are right.

    Args:
        confusion: int64 (K, K), rows are classes.
    """
    right, support = confusion.diagonal().tolist(), confusion.sum(dim=1).tolist()
    found = [(own / count, *wilson(own, count, level)) for own, count in zip(right, support, strict=True) if count]
    centre = sum(p for p, _, _ in found) / len(found)
    low = sqrt(sum((p - least) ** 2 for p, least, _ in found)) / len(found)
    high = sqrt(sum((most - p) ** 2 for p, _, most in found)) / len(found)
    return max(0.0, centre - low), min(1.0, centre + high)


def of_macro_f1(confusion: Tensor, level: float = LEVEL) -> tuple[float, float]:
    """The interval of the macro F1: the percentile bootstrap of the test pictures within their classes.

    Where all pictures of a class are right, or all are wrong, redrawing them would say that no others can be. A picture
    is therefore drawn as if it were otherwise, shared by the classes of which all are right, and one by those of which
    none is; at one a class scores of many small classes would be drawn too low. What was found is always within.

    Args:
        confusion: int64 (K, K), rows are classes.
    """
    counts = confusion.cpu().numpy()
    support, own_right = counts.sum(axis=1), counts.diagonal()
    ends = [own_right == support, own_right == 0]
    unseen = sum(_UNSEEN * end / max(1, (end & (support > 0)).sum()) for end in ends)
    draw = np.random.default_rng(derive("interval of the macro F1"))
    right, predicted = np.zeros((2, RESAMPLES, len(counts)), np.int64)
    for own in np.flatnonzero(support):
        answers, taken = _redrawn(counts[own], int(own), float(unseen[own]), draw)
        predicted[:, answers] += taken
        right[:, own] = taken[:, answers == own].sum(axis=1)
    found = float(_macro_f1(own_right, counts.sum(axis=0), support))
    low, high = np.quantile(_macro_f1(right, predicted, support), [(1 - level) / 2, (1 + level) / 2])
    return min(float(low), found), max(float(high), found)


def _redrawn(
    row: NDArray[np.int64], own: int, unseen: float, draw: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Classes, int64 (A,), and how often the redrawn pictures of one are taken for each, int64 (RESAMPLES, A).

    Args:
        unseen: pictures that are drawn as if they were otherwise, where all of the class are right, or all are wrong.
    """
    weights = row.astype(np.float64)
    pictures, others = int(row.sum()), np.delete(np.arange(len(row)), own)
    if row[own] == 0:
        weights[own] = unseen
    elif row[own] == pictures and len(others):
        # Of many classes few are drawn.
        chosen = draw.choice(others, min(len(others), _OTHERS), replace=False)
        most = min(unseen, pictures / 2)
        weights[chosen] = most / len(chosen)
        weights[own] -= most
    answers = np.flatnonzero(weights)
    return answers, draw.multinomial(pictures, weights[answers] / weights.sum(), RESAMPLES)


def _macro_f1(
    right: NDArray[np.int64], predicted: NDArray[np.int64], support: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean over the classes, the last axis, that there are pictures of or that were answered."""
    together = predicted + support
    f1 = 2 * right / np.maximum(together, 1)
    mean: NDArray[np.float64] = f1.sum(axis=-1) / (together > 0).sum(axis=-1)
    return mean
