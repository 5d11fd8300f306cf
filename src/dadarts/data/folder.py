"""Folders of pictures: `<root>/train/<class>/*` with a `test` or `val` part, or `<root>/<class>/*`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dadarts.data import depth, formats, images
from dadarts.data.cache import digest
from dadarts.data.decoding import Decoder, shown, threaded
from dadarts.data.deep import Depth
from dadarts.data.pictures import Parts, Shape
from dadarts.data.preparation import Preparation
from dadarts.data.split import hold_out_test
from dadarts.data.values import described
from dadarts.errors import InputError

SMALLEST, LARGEST = 8, 1024
_USUAL_LARGEST = 224
_VALIDATION = ("val", "valid", "validation")


@dataclass(frozen=True)
class _Part:
    files: tuple[Path, ...]
    labels: Tensor


@dataclass(frozen=True, eq=False)
class _Files:
    """The pictures of one part, still in their files."""

    files: tuple[Path, ...]
    labels: Tensor
    preparation: Preparation
    key: str

    @property
    def shape(self) -> Shape:
        return self.preparation.shape

    def decode(self, position: int) -> NDArray[np.uint8]:
        return self.preparation.from_file(self.files[position])


def read(root: Path, image_size: int | None, decoder: Decoder) -> Parts:
    """The parts below `root`; classes are its folders, sorted by name.

    The test part is `test`, else `val` (`valid`, `validation`), else a fixed 20 % of every class; beside a
    `test` part, `val` joins the training part. Pictures are grey only if all are. `image_size` None keeps a
    size that all share, if its short side is at most 224, and else takes the median short side, at most 224.
    Hidden files and files without a picture's ending are passed over.

    Raises InputError where a class or a part is empty, a class has a single training picture, or a picture is
    damaged.
    """
    if image_size is not None and not SMALLEST <= image_size <= LARGEST:
        raise InputError(f"the image size must be {SMALLEST} to {LARGEST} pixels, not {image_size}")
    classes, train, test = _find(root)
    files = (*train.files, *test.files)
    key = digest(files, "folder", image_size)
    shape, depths = _measured(files, image_size, decoder, f"{key}-measured")
    chosen = depth.choose(train.files, depths[: len(train.files)], decoder, f"{key}-values")
    if any(depths):
        key = f"{key}-{digest((), chosen)}"
    preparation = Preparation(shape, chosen)
    held_train, held_test = decoder.pictures(
        _Files(train.files, train.labels, preparation, f"{key}-train"),
        _Files(test.files, test.labels, preparation, f"{key}-test"),
    )
    notes = (*depth.mixed(depths), *described(chosen))
    return Parts(classes, held_train, held_test, notes=notes, value_range=chosen)


def _find(root: Path) -> tuple[tuple[str, ...], _Part, _Part]:
    if not (root / "train").is_dir():
        classes = _classes(root)
        whole = _part([root], classes)
        kept, held = hold_out_test(whole.labels)
        return classes, _chosen(whole, kept), _chosen(whole, held)
    classes = _classes(root / "train")
    validation = [root / name for name in _VALIDATION if (root / name).is_dir()][:1]
    if (root / "test").is_dir():
        return classes, _part([root / "train", *validation], classes), _part([root / "test"], classes)
    if validation:
        return classes, _part([root / "train"], classes), _part(validation, classes)
    whole = _part([root / "train"], classes)
    kept, held = hold_out_test(whole.labels)
    return classes, _chosen(whole, kept), _chosen(whole, held)


def _classes(folder: Path) -> tuple[str, ...]:
    found = sorted(entry.name for entry in folder.iterdir() if _is_class(entry))
    if len(found) < 2:
        raise InputError(f"{folder} holds {len(found)} class folders; it needs two or more, each with pictures")
    return tuple(found)


def _is_class(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


def _part(folders: Sequence[Path], classes: tuple[str, ...]) -> _Part:
    """The pictures in all `folders`, class by class; the first folder must have every class."""
    for folder in folders:
        for entry in sorted(folder.iterdir()):
            if _is_class(entry) and entry.name not in classes:
                raise InputError(f"{entry} is a class that the training part does not have")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        before = len(files)
        for folder in folders:
            found = _pictures(folder / name)
            if not found and (folder / name).is_dir():
                raise InputError(f"the class folder {folder / name} holds no pictures")
            files += found
        labels += [label] * (len(files) - before)
    if not files:
        raise InputError(f"{folders[0]} holds no pictures in class folders")
    return _Part(tuple(files), torch.tensor(labels, dtype=torch.int64))


def _pictures(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise error

    found = []
    for parent, folders, names in os.walk(folder, onerror=refuse if folder.is_dir() else None):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".") and formats.is_picture(name)]
    return sorted(found)


def _chosen(whole: _Part, index: Tensor) -> _Part:
    return _Part(tuple(whole.files[place] for place in index.tolist()), whole.labels[index])


def _measured(files: tuple[Path, ...], image_size: int | None, decoder: Decoder, key: str) -> tuple[Shape, list[Depth]]:
    """The common (C, H, W) and the depth of every file, which takes a look into each and so is cached."""
    known = decoder.cache.find(key)
    if known is not None and _is_measure(known, len(files)):
        channels, height, width, *depths = known.tolist()
        return (channels, height, width), [Depth(each) for each in depths]

    def header(file: Path) -> images.Header:
        return images.read_header(file, str(file))

    headers = list(shown(threaded(header, files, decoder.workers), len(files), "measuring pictures"))
    height, width = (image_size, image_size) if image_size else _common_size(headers)
    shape = (1 if all(each.grey for each in headers) else 3, height, width)
    depths = [each.depth for each in headers]
    decoder.cache.keep(key, np.array([*shape, *depths]))
    return shape, depths


def _is_measure(known: NDArray[Any], count: int) -> bool:
    """Whether what is kept can be the shape and depths of `count` pictures: others may write into a shared cache."""
    if known.shape != (3 + count,) or known.dtype != np.int64:
        return False
    channels, sides, depths = known[0], known[1:3], known[3:]
    whole = channels in (1, 3) and sides.min() >= SMALLEST and sides.max() <= LARGEST
    return bool(whole and np.isin(depths, [each.value for each in Depth]).all())


def _common_size(headers: Sequence[images.Header]) -> tuple[int, int]:
    sizes = {(each.height, each.width) for each in headers}
    shared = min(sizes)
    if len(sizes) == 1 and min(shared) <= _USUAL_LARGEST and max(shared) <= LARGEST:
        height, width = shared
    else:
        side = median_low(min(each.height, each.width) for each in headers)
        height = width = min(side, _USUAL_LARGEST)
    if min(height, width) < SMALLEST:
        raise InputError(
            f"pictures of {width}x{height} are too small; {SMALLEST}x{SMALLEST} is the smallest, so give an image size"
        )
    return height, width
