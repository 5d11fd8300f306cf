"""Pictures in an `.npz` file: `x` and `y` or `x_train` and `y_train`, and where given `x_test`, `y_test`, `classes`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dadarts.data import declared
from dadarts.data.listing import HELD_OUT
from dadarts.data.npz import read_arrays
from dadarts.data.pictures import InMemory, Parts, parts_of
from dadarts.data.split import hold_out_test
from dadarts.data.values import (
    ValueRange,
    decide,
    described,
    is_deep,
    refuse_beyond_nominal,
    refuse_unbounded,
    sampled,
    scaled,
)
from dadarts.errors import InputError, shortened

_KEYS = ("x", "y", "x_test", "y_test", "classes")
_AS_KERAS = ("x_train", "y_train")
_SMALLEST, _CHUNK = 8, 1024
_MOST_CHANNELS = 64


def read(file: Path, test_file: Path | None = None, nominal: bool = False) -> Parts:
    """The parts in `file`; without `x_test` a fixed 20 % of every class is the test part.

    Its `x` and `y` may be called `x_train` and `y_train`.
    Where there is a `test_file`, its `x` and `y` are the test part, and `file` is all training.

    `x` is (N, H, W), (N, H, W, C) or (N, C, H, W) with C from 1 to 64: uint8, or other numbers, whose range the
    training part decides (see `values.decide`) unless it is to be the `nominal` one. `y` is (N,) or (N, 1), whole
    numbers from 0 or text. With `classes`, numbers are places in it; without, the distinct values of `y`, sorted, are
    the classes. Pickled objects are never read. Raises InputError, naming the file, on anything else.
    """
    held = read_arrays(file, (*_KEYS, *_AS_KERAS))
    training = _training_keys(held, file)
    if test_file is not None:
        held |= _as_test(test_file, held)
    if ("x_test" in held) != ("y_test" in held):
        raise InputError(f"{file} holds only one of x_test and y_test; give both or neither")
    parts = [training] + [("x_test", "y_test")] * ("x_test" in held)
    given = [_images(held[x], f"{file}: {x}") for x, _ in parts]
    labelled = [_values(held[y], len(image), f"{file}: {y}") for (_, y), image in zip(parts, given, strict=True)]
    if len({tuple(image.shape[1:]) for image in given}) > 1:
        raise InputError(f"{file}: {training[0]} and x_test hold pictures of different sizes")
    classes, labels = _classify(held.get("classes"), labelled, file)
    if len(parts) == 1:
        held_out = hold_out_test(labels[0])
        chosen = _range(given, held_out[0], file, nominal)
        parts_held = parts_of(classes, _pixels(given[0], chosen), labels[0], *held_out)
        return replace(parts_held, value_range=chosen, notes=tuple(described(chosen)), remarks=(HELD_OUT,))
    _refuse_other_kind(given[0], given[1], file)
    # Bytes keep their own range, so what stands beside them cannot be stretched to another.
    is_mixed = _kind(given[0]) != _kind(given[1])
    chosen = None if is_mixed else _range(given, torch.arange(len(given[0])), file, nominal)
    train, test = (InMemory(_pixels(image, chosen), label) for image, label in zip(given, labels, strict=True))
    remark = "test part: " + ("x_test" if test_file is None else str(test_file))
    return Parts(classes, train, test, (remark,), tuple(described(chosen)), chosen)


def _training_keys(held: dict[str, NDArray[Any]], file: Path) -> tuple[str, str]:
    """What the training part's pictures and labels are called in a file."""
    as_keras = [key for key in _AS_KERAS if key in held]
    if as_keras and ("x" in held or "y" in held):
        raise InputError(f"{file} holds {as_keras[0]} beside x or y; give x and y, or x_train and y_train")
    x, y = _AS_KERAS if as_keras else ("x", "y")
    for key in (x, y):
        if key not in held:
            raise InputError(
                f"{file} holds no `{key}`; it needs x and y (or x_train and y_train), and may have x_test, y_test, "
                "classes"
            )
    return x, y


def _as_test(file: Path, training: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    if file.suffix.lower() != ".npz" or not file.is_file():
        raise InputError(f"-test_path {file} is no .npz file; the test part of an .npz file is one too")
    held = read_arrays(file, _KEYS)
    if not {"x", "y"} <= set(held):
        raise InputError(f"{file} holds no x and y, which would be the test part")
    if "classes" in held and not np.array_equal(held["classes"], training.get("classes", ())):
        raise InputError(f"{file} has other classes than the training part; give the same in both, or none")
    return {"x_test": held["x"], "y_test": held["y"]}


def _images(given: NDArray[Any], name: str) -> NDArray[Any]:
    """The pictures as they are, finite, (N, C, H, W)."""
    if given.ndim == 3:
        given = given[:, None]
    elif given.ndim == 4 and (axis := _channels(*given.shape[1:])) is not None:
        given = given if axis == 1 else given.transpose(0, 3, 1, 2)
    else:
        raise InputError(
            f"{name} has shape {given.shape}; give (N, H, W), (N, H, W, C) or (N, C, H, W) with C from 1 to "
            f"{_MOST_CHANNELS}, and where neither C is 1 or 3 nor pictures are square, C below H and W"
        )
    if len(given) == 0 or min(given.shape[2:]) < _SMALLEST:
        raise InputError(f"{name} has shape {given.shape}; pictures of {_SMALLEST}x{_SMALLEST} are the smallest")
    if given.dtype.kind not in "biuf":
        raise InputError(f"{name} holds {given.dtype}; give uint8 or other numbers")
    for place, picture in enumerate(given if given.dtype.kind == "f" else ()):
        refuse_unbounded(picture, f"{name}: picture {place}")
    return given


def _channels(second: int, third: int, fourth: int) -> int | None:
    """Which axis of pictures is the channels, 1 or 3; None where that cannot be told.

    Grey and colour first, the last axis before the second; then what makes pictures square; then the smaller one.
    """
    for axis, size in ((3, fourth), (1, second)):
        if size in (1, 3):
            return axis
    square = [axis for axis, sides in ((3, (second, third)), (1, (third, fourth))) if sides[0] == sides[1]]
    narrow = [3] if fourth < min(second, third) else [1] if second < min(third, fourth) else []
    found = square if len(square) == 1 else narrow
    channels = {1: second, 3: fourth}
    return found[0] if found and channels[found[0]] <= _MOST_CHANNELS else None


def _range(parts: list[NDArray[Any]], training: Tensor, file: Path, nominal: bool) -> ValueRange | None:
    """The range that the training pictures decide; bytes have theirs, as all have where `nominal`."""
    given = parts[0]
    for part in parts if nominal else ():
        refuse_beyond_nominal(part, str(file))
    if nominal or not is_deep(given):
        return None
    sample = sampled(training.tolist(), lambda place: given[place])
    return None if sample is None else decide(sample)


def _refuse_other_kind(train: NDArray[Any], test: NDArray[Any], file: Path) -> None:
    """Refuse a test part whose values mean something else than those of the training part."""
    kinds = [_kind(part) for part in (train, test)]
    if kinds[0] == kinds[1]:
        return
    if "integers" in kinds:
        raise InputError(f"{file}: x holds {train.dtype} and x_test {test.dtype}; give both as one type")
    # Bytes and parts of white both say how bright a pixel is.
    for part, name in ((train, "x"), (test, "x_test")):
        if part.dtype.kind == "f" and not (part.min() >= 0 and part.max() <= 1):
            raise InputError(f"{file}: {name} holds floats outside [0, 1] beside bytes; give both as one type")


def _kind(part: NDArray[Any]) -> str:
    return {"f": "floats", "b": "truth values"}.get(part.dtype.kind, "integers" if is_deep(part) else "bytes")


def _pixels(given: NDArray[Any], value_range: ValueRange | None) -> Tensor:
    if not is_deep(given):
        return torch.from_numpy(np.ascontiguousarray(given))
    pixels = np.empty(given.shape, np.uint8)
    for start in range(0, len(given), _CHUNK):
        pixels[start : start + _CHUNK] = scaled(given[start : start + _CHUNK], value_range)
    return torch.from_numpy(pixels)


def _values(given: NDArray[Any], count: int, name: str) -> NDArray[Any]:
    """The labels as written: text, or int64 from 0."""
    if given.shape not in ((count,), (count, 1)):
        raise InputError(f"{name} has shape {given.shape}, but there are {count} pictures; give ({count},)")
    # Keras' CIFAR-10 and others have their labels in a column.
    given = given.reshape(count)
    if given.dtype.kind in "US":
        return _text(given, name)
    if given.dtype.kind not in "biuf":
        raise InputError(f"{name} holds {given.dtype}; labels are whole numbers or text")
    if given.dtype.kind == "f" and not (np.isfinite(given) & (given == np.rint(given))).all():
        raise InputError(f"{name} holds labels that are no whole numbers")
    if given.min() < 0 or given.max() >= 2**31:
        raise InputError(f"{name} holds label {given.min() if given.min() < 0 else given.max()}; labels start at 0")
    return given.astype(np.int64)


def _text(given: NDArray[Any], name: str) -> NDArray[np.str_]:
    # A character takes four bytes in memory.
    declared.check(4 * given.nbytes, name)
    try:
        text = np.ascontiguousarray(given.astype(np.str_))
    except UnicodeDecodeError as error:
        raise InputError(f"{name} holds bytes that are no ASCII text") from error
    # numpy takes any four bytes for a character, and Python fails on those beyond Unicode wherever it meets them.
    if text.nbytes and text.view(np.uint32).max() > sys.maxunicode:
        raise InputError(f"{name} holds characters that there are none of: it is damaged")
    return text


def _classify(
    given: NDArray[Any] | None, values: list[NDArray[Any]], file: Path
) -> tuple[tuple[str, ...], list[Tensor]]:
    if len({array.dtype.kind for array in values}) > 1:
        raise InputError(f"{file}: y and y_test must both be numbers or both text")
    if given is None:
        ordered = np.unique(values[0])
        classes = tuple(str(value) for value in ordered)
    elif given.ndim == 1 and given.dtype.kind in "US" and len(np.unique(given)) == len(given):
        classes = tuple(str(name) for name in _text(given, f"{file}: classes"))
        ordered = np.array(classes) if values[0].dtype.kind == "U" else np.arange(len(classes))
    else:
        raise InputError(f"{file}: classes must be a list of different names")
    places = {value: place for place, value in enumerate(ordered.tolist())}
    labels = []
    for array in values:
        for value in np.unique(array).tolist():
            if value not in places:
                raise InputError(
                    f"{file} holds label {shortened(repr(value), 60)}, which is none of the {len(classes)} classes"
                )
        labels.append(torch.tensor([places[value] for value in array.tolist()], dtype=torch.int64))
    return classes, labels
