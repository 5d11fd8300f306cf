"""What a network says of picture files, one batch of them in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dadarts.data import Preparation
from dadarts.data.decoding import threaded
from dadarts.errors import InputError, shortened

_ARRAYS = (".npz", ".npy")


@dataclass(frozen=True)
class Prediction:
    """What a network says of a picture.

    Args:
        file: the picture's path, as it was given.
        label: the most probable class.
        probability: that class's.
        probabilities: every class's, by name, in the order of the network's classes.
        cropped: whether the picture has another shape than those of the training, so that its borders are not seen.
    """

    file: str
    label: str
    probability: float
    probabilities: dict[str, float]
    cropped: bool = False


@dataclass(frozen=True)
class Unreadable:
    """A file that is no picture, is damaged or is missing, and the error that says so."""

    file: str
    error: InputError


def predictions(
    paths: Iterable[str | Path],
    preparation: Preparation,
    classes: Sequence[str],
    probabilities_of: Callable[[Tensor], Tensor],
    *,
    batch_size: int,
    workers: int,
) -> Iterator[Prediction | Unreadable]:
    """A prediction for every path, in their order; `workers` threads decode.

    Args:
        probabilities_of: what uint8 pictures (B, C, H, W) most probably are, (B, classes).
    """

    def prepared(path: str | Path) -> _Prepared | Unreadable:
        try:
            if Path(path).is_dir():
                raise InputError(f"{shortened(path)} is a folder; give the files in it")
            if str(path).lower().endswith(_ARRAYS):
                raise InputError(
                    f"{shortened(path)} holds arrays, and this takes picture files; in Python `predict` takes arrays"
                )
            return _Prepared(str(path), preparation.from_file(path), preparation.crops(path))
        except InputError as error:
            return Unreadable(str(path), error)

    files = threaded(prepared, paths, workers)
    while batch := list(islice(files, batch_size)):
        pictures = [each.pixels for each in batch if isinstance(each, _Prepared)]
        rows = iter(probabilities_of(torch.from_numpy(np.stack(pictures))) if pictures else ())
        for each in batch:
            yield each if isinstance(each, Unreadable) else _prediction(each, classes, next(rows))


@dataclass(frozen=True, eq=False)
class _Prepared:
    file: str
    pixels: NDArray[np.uint8]
    cropped: bool


def _prediction(picture: _Prepared, classes: Sequence[str], probabilities: Tensor) -> Prediction:
    surest = int(probabilities.argmax())
    every = probabilities.tolist()
    named = dict(zip(classes, every, strict=True))
    return Prediction(picture.file, classes[surest], every[surest], named, picture.cropped)
