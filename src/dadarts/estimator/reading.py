"""How the X of scikit-learn becomes pictures: which axis is which, and which value is black."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isqrt, prod
from operator import index
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dadarts.data.values import ValueRange, decide, is_deep, refuse_unbounded, sampled, scaled
from dadarts.errors import InputError, shortened

Layout: TypeAlias = Literal["auto", "channels_first", "channels_last"]
LAYOUTS: tuple[Layout, ...] = ("auto", "channels_first", "channels_last")
USUAL = (1, 3, 4)
"""Channels of grey pictures, of colours, and of colours with one more."""
MOST = 64
"""Channels of a picture whose shape alone says which axis they are."""
SMALLEST_SIDE = 8
"""Pixels from which on a square number of features is a picture."""


@dataclass(frozen=True)
class Form:
    """How X is read; what fit has found, predictions keep to.

    Args:
        shape: of a picture as X has it: (H, W), (H, W, C) or (C, H, W).
        channels_first: whether the first of three axes is the channels.
        features: whether X has two axes, a row a picture.
        kind: of numbers, as numpy's: "u" is bytes, "b" truth values, "i" other integers, "f" floats.
        value_range: what is black and white; None is the kind's nominal range.
    """

    shape: tuple[int, ...]
    channels_first: bool
    features: bool
    kind: str
    value_range: ValueRange | None

    @property
    def has_neighbours(self) -> bool:
        """Whether pixels lie beside one another, so that pictures can be shifted and mirrored."""
        return self.pixels_across > 1

    @property
    def pixels_across(self) -> int:
        """The shorter side, in pixels."""
        sides = self.shape[1:] if self.channels_first else self.shape[:2]
        return min(sides)

    def pixels(self, X: NDArray[Any]) -> NDArray[np.uint8]:
        """Pictures as a network takes them, uint8 (N, C, H, W).

        Raises:
            InputError: they have another shape than those of fit, or values that cannot be scaled.
        """
        if self.features != (X.ndim == 2) or prod(X.shape[1:]) != prod(self.shape):
            raise InputError(f"X has shape {X.shape}, and what fit was given (n, {', '.join(map(str, self._given))})")
        if not self.features and X.shape[1:] != self.shape:
            raise InputError(f"X has pictures of shape {X.shape[1:]}, and those of fit had {self.shape}")
        refuse_unbounded(X, "X")
        values = scaled(_as_kind(X.reshape(len(X), *self.shape), self.kind), self.value_range)
        if values.ndim == 3:
            values = values[:, None]
        elif not self.channels_first:
            values = values.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values)

    @property
    def _given(self) -> tuple[int, ...]:
        return (prod(self.shape),) if self.features else self.shape


def form_of(X: NDArray[Any], image_shape: Sequence[int] | None, layout: Layout) -> Form:
    """How the pictures of fit are read.

    Features (N, F) are pictures of `image_shape`; else squares where F is the square of 8 or more; else of one pixel
    with F channels, which gives a network without neighbours, a residual perceptron.

    Raises:
        InputError: the shape is none of pictures, or can be read in two ways.
    """
    if layout not in LAYOUTS:
        raise InputError(f"layout {shortened(repr(layout), 40)}: give {', '.join(map(repr, LAYOUTS))}")
    shape = _shape_of_rows(X.shape[1], image_shape) if X.ndim == 2 else _shape_of_pictures(X.shape[1:], image_shape)
    channels_first = len(shape) == 3 and (layout == "channels_first" or (layout == "auto" and _is_first(shape)))
    if X.ndim == 2 and image_shape is None and len(shape) == 3:
        channels_first = True
    refuse_unbounded(X, "X")
    deep = is_deep(X)
    sample = sampled(range(len(X)), lambda place: X[place]) if deep else None
    kind = {"u": "i"}.get(X.dtype.kind, X.dtype.kind) if deep else "u"
    return Form(shape, channels_first, X.ndim == 2, kind, None if sample is None else decide(sample))


def files_in(X: Any) -> list[Path] | None:
    """The paths that X is a list of; None where it is none.

    Raises:
        InputError: it is a single path.
    """
    if isinstance(X, str | os.PathLike):
        raise InputError("X is a path; give a list of picture files, or arrays, and for a folder use dadarts.fit")
    if getattr(X, "ndim", 1) != 1 or not isinstance(X, Iterable) or not hasattr(X, "__len__"):
        return None
    items = list(X)
    return list(map(Path, items)) if items and all(isinstance(item, str | os.PathLike) for item in items) else None


def _shape_of_rows(features: int, image_shape: Sequence[int] | None) -> tuple[int, ...]:
    if image_shape is not None:
        shape = _checked(image_shape)
        if prod(shape) != features:
            raise InputError(f"image_shape {shape} is of {prod(shape):,} values, and X has {features:,} a row")
        return shape
    side = isqrt(features)
    return (side, side) if side >= SMALLEST_SIDE and side * side == features else (features, 1, 1)


def _shape_of_pictures(shape: tuple[int, ...], image_shape: Sequence[int] | None) -> tuple[int, ...]:
    if image_shape is not None and _checked(image_shape) != shape:
        raise InputError(f"image_shape {_checked(image_shape)} is not the shape {shape} of the pictures in X")
    if len(shape) not in (2, 3) or min(shape) == 0:
        raise InputError(
            f"X has shape {('n', *shape)}; give (n, h, w), (n, h, w, c) or (n, c, h, w), rows of features (n, f), or a "
            "list of files"
        )
    return shape


def _checked(image_shape: Sequence[int]) -> tuple[int, ...]:
    try:
        shape = tuple(index(side) for side in image_shape)
    except TypeError:
        shape = ()
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise InputError(f"image_shape {shortened(repr(image_shape), 60)}: give (h, w), (h, w, c) or (c, h, w)")
    return shape


def _is_first(shape: tuple[int, ...]) -> bool:
    """Whether the channels are the first of three axes.

    They are the axis of 1, 3 or 4, the last where both are; else the one that is smaller than both others.

    Raises:
        InputError: neither is.
    """
    first, _, last = shape
    if first in USUAL or last in USUAL:
        return last not in USUAL
    if min(first, last) <= MOST and sorted(shape)[0] < sorted(shape)[1] and min(shape) in (first, last):
        return first == min(shape)
    raise InputError(
        f'pictures of shape {shape} can be read in two ways: give layout="channels_first" or layout="channels_last"'
    )


def _as_kind(X: NDArray[Any], kind: str) -> NDArray[Any]:
    """The same numbers in the kind of numbers that fit was given, so that equal numbers are equal pixels."""
    if kind == "u":
        return X if X.dtype == np.uint8 else np.rint(X).clip(0, 255).astype(np.uint8)
    if X.dtype.kind == kind or (kind == "i" and X.dtype.kind == "u" and is_deep(X)):
        return X
    return np.rint(X).astype(np.int64) if kind == "i" else X.astype(np.float64)
