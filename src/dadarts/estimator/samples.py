"""What scikit-learn hands over, held to its conventions: X, y and how much each sample counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from dadarts.data.labelled import Labels
from dadarts.errors import InputError
from dadarts.estimator.reading import files_in

_OF_FEATURES = frozenset({"n_features_in_", "feature_names_in_"})
"""What scikit-learn's estimators have of an X of two axes, and of no other."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Pictures or files, the label of each, and how much it counts.

    Args:
        X: numbers of two to four axes, or paths.
        classes: the labels that there are, sorted.
        places: of every sample's label in `classes`.
        weights: above 0; None where all count alike.
    """

    X: NDArray[Any] | list[Path]
    classes: NDArray[Any]
    places: NDArray[np.int64]
    weights: NDArray[np.float64] | None

    def labels(self, held_out: float, seed: int) -> Labels:
        """The classes as a data set has them, and the part of each that is held out."""
        weights = None if self.weights is None else torch.from_numpy(self.weights).float()
        names = tuple(map(str, self.classes.tolist()))
        return Labels(names, torch.from_numpy(self.places), weights, held_out, seed)


def checked(estimator: Any, X: Any, *, reset: bool) -> NDArray[Any] | list[Path]:
    """X as paths, or as finite numbers.

    Args:
        reset: whether the estimator takes note of the names and the number of features.

    Raises:
        ValueError: it is neither.
    """
    if reset:
        for name in _OF_FEATURES & vars(estimator).keys():
            delattr(estimator, name)
    files = files_in(X)
    if files is not None:
        return files
    array: NDArray[Any] = check_array(X, dtype="numeric", allow_nd=True, input_name="X", estimator=estimator)
    if array.ndim == 2:
        array = validate_data(estimator, X, dtype="numeric", reset=reset)
    return array


def samples_of(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Samples:
    """What fit is given; what counts 0 is left out.

    Raises:
        ValueError: it is not in order, or there are not two classes.
    """
    name = type(estimator).__name__
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None")
    given = checked(estimator, X, reset=True)
    y = column_or_1d(y, warn=True)
    check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=estimator)
    if y.dtype == object and len({isinstance(label, str) for label in y}) > 1:
        raise InputError("y has labels that are text and others that are not: give one kind")
    check_classification_targets(y)
    check_consistent_length(given, y)
    weights = None
    if sample_weight is not None:
        weights = _check_sample_weight(sample_weight, given, dtype=np.float64, ensure_non_negative=True)
        counts = weights > 0
        if isinstance(given, list):
            given = [file for file, does in zip(given, counts, strict=True) if does]
        else:
            given = given[counts]
        y, weights = y[counts], weights[counts]
        # Equal weights are none: the same numbers to the last bit.
        weights = None if len(weights) == 0 or np.ptp(weights) == 0 else weights
    classes, places = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        only = "no class" if len(classes) == 0 else "one class"
        raise InputError(f"{name} tells classes apart, and y has {only} of samples that count: give two or more")
    return Samples(given, classes, places.astype(np.int64), weights)
