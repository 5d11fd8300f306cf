"""Which of a picture's numbers is black and which is white, where they are not bytes already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from dadarts.errors import InputError
from dadarts.seeds import generator

Values = NDArray[Any]
"""The numbers of one or more pictures as their file has them."""
Given = TypeVar("Given")

_TAILS = (0.1, 99.9)
_NEAR = 0.1
"""What part of the span counts as near: extremes that are as near to the percentiles are no outliers."""
_LARGEST = 1e30
_SAMPLE = 256
_SAMPLE_VALUES = 1 << 24
_SLICE = 1 << 20


class ValueRange(NamedTuple):
    """The value that becomes 0 and the one that becomes 255; what lies beyond is clipped."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


def nominal(values: Values) -> ValueRange:
    """The range of a type: 0 to 1 of floats and truth values, 0 to 65535 of integers that are no bytes."""
    return ValueRange(0.0, 1.0) if values.dtype.kind in "fb" else ValueRange(0.0, 65535.0)


def refuse_beyond_nominal(values: Values, name: str) -> None:
    """Raise InputError, naming the picture, where numbers that are no bytes lie outside the range of their type."""
    usual = nominal(values)
    if is_deep(values) and values.size and not usual.low <= values.min() <= values.max() <= usual.high:
        kind = "floats" if values.dtype.kind == "f" else "integers"
        raise InputError(
            f"{name} holds {kind} outside [{usual.low:g}, {usual.high:g}], which have no nominal range; "
            "give -value_range auto"
        )


def is_deep(values: Values) -> bool:
    """Whether values are more than bytes, which are pixels as they are."""
    return values.dtype != np.uint8


def scaled(values: Values, value_range: ValueRange | None) -> NDArray[np.uint8]:
    """Pixels: round(255 (v - low) / (high - low)), clipped; bytes stay as they are.

    None is the type's nominal range, in which integers keep the upper 8 of their 16 bits.
    """
    if not is_deep(values):
        return values
    pixels = np.empty(values.shape, np.uint8)
    # In slices, since a large picture in float64 takes eight times its memory.
    rows = max(1, _SLICE * len(values) // max(1, values.size))
    for start in range(0, len(values), rows):
        pixels[start : start + rows] = _scaled(values[start : start + rows], value_range)
    return pixels


def _scaled(values: Values, value_range: ValueRange | None) -> Values:
    if value_range is None and values.dtype.kind in "iu":
        upper: Values = values.clip(0, 0xFFFF).astype(np.uint16) >> 8
        return upper
    # Floats in [0, 1] have always been scaled in float32, and shall give the same bytes.
    fractions: Values = values.astype(np.float32 if value_range is None else np.float64)
    if value_range is not None:
        fractions = (fractions - value_range.low) / (value_range.high - value_range.low)
    levels: Values = np.rint(fractions.clip(0, 1) * 255)
    return levels


def is_bounded(values: Values) -> bool:
    """Whether every value is a number that can be scaled."""
    # A comparison with NaN is false. Python's float, since the bound is beyond what a half-precision number holds.
    return values.dtype.kind != "f" or float(np.abs(values).max(initial=0)) <= _LARGEST


def refuse_unbounded(values: Values, name: str) -> None:
    """Raise InputError, naming the picture, where a value is no number, infinite or too large to be scaled."""
    if not is_bounded(values):
        raise InputError(f"{name} holds infinity or NaN, or a value beyond {_LARGEST:g}; give finite numbers")


def decide(values: Values) -> ValueRange | None:
    """The range of a sample of training values; None where it is their type's nominal range.

    The nominal range is taken where it holds all values and they fill half of it: the percentiles 0.1 and 99.9 of
    integers, in which a few hot pixels would hide that the others are few bits deep, and the extremes of floats, which
    somebody has brought to [0, 1] on purpose. Else the percentiles are the range, or the extremes where these are near;
    and 0 is black where it is near and nothing is negative.
    """
    if values.dtype.kind == "b":
        return None
    least, low, high, most = (float(value) for value in np.percentile(values, (0, *_TAILS, 100)))
    usual = nominal(values)
    filled = most - least if values.dtype.kind == "f" else high - low
    is_usual = usual.low <= least and most <= usual.high
    if is_usual and (filled >= (usual.high - usual.low) / 2 or least == most):
        return None
    if low == high:
        low, high = least, most
    if low == high:
        return ValueRange(min(low, 0.0), max(high, 0.0))
    near = _NEAR * (high - low)
    low, high = (least if low - least <= near else low), (most if most - high <= near else high)
    return ValueRange(0.0 if least >= 0 and low <= near else low, high)


def sampled(pictures: Sequence[Given], read: Callable[[Given], Values | None]) -> Values | None:
    """Values of up to 256 pictures, always of the same ones; None where `read` gives none of any of them."""
    chosen = torch.randperm(len(pictures), generator=generator("value range"))[:_SAMPLE].sort().values.tolist()
    share = _SAMPLE_VALUES // max(1, len(chosen))
    found = (read(pictures[place]) for place in chosen)
    parts = [_thinned(values, share) for values in found if values is not None]
    return np.concatenate(parts) if parts else None


def _thinned(values: Values, count: int) -> Values:
    # An odd stride meets every column of a picture whose width is even.
    return values.reshape(-1)[:: -(-values.size // count) | 1]


def described(value_range: ValueRange | None) -> Iterator[str]:
    """What a run says of a range that is not the nominal one."""
    if value_range is not None:
        yield (
            f"values of {value_range} are black to white, as those of the training pictures decide; the model keeps "
            "this for its predictions"
        )
