"""Folders of pictures: which pictures they hold, and how these become pixels of one size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dadarts.data import broken, calibration, finding, measuring, table
from dadarts.data.cache import digest
from dadarts.data.class_folders import Choices
from dadarts.data.decoding import Decoder, Streamed, UnreadableError
from dadarts.data.listing import Listing
from dadarts.data.pictures import Parts, Shape
from dadarts.data.preparation import Preparation
from dadarts.data.values import described


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


def read(root: Path, image_size: int | None, decoder: Decoder, choices: Choices) -> Parts:
    """The parts below `root` (see `finding.find`), which may also be a table of labels.

    Pictures are grey only if all are. `image_size` None keeps a size that all share, if its short side is at most
    224, and else takes the median short side, at most 224.

    Raises InputError where folders are ambiguous, a class or a part is empty, or pictures are damaged.
    """
    measuring.check_size(image_size)
    found = table.find([table.read_table(root)], choices) if root.is_file() else finding.find(root, choices)
    return assembled(found, image_size, decoder)


def assembled(found: Listing, image_size: int | None, decoder: Decoder) -> Parts:
    """The pictures of a listing, all of which are looked at unless an earlier look is remembered.

    Raises InputError at the first that is broken; where the decoder skips these, where there are too many.
    """
    key = broken.key_of(found, image_size)
    known = broken.remembered(decoder.cache, key, found)
    lost: dict[Path, str] = {}
    if decoder.skip_broken:
        parts, lost = _without_broken(found, image_size, decoder, known)
    else:
        parts = _read(found, image_size, decoder, check=known != {})
    if known is None and (lost or any(isinstance(part, Streamed) for part in (parts.train, parts.test))):
        broken.remember(decoder.cache, key, found, lost)
    return parts.skipping(lost.values())


def _without_broken(
    found: Listing, image_size: int | None, decoder: Decoder, known: broken.Broken | None
) -> tuple[Parts, dict[Path, str]]:
    """The pictures that can be read, and the others with what is wrong with each."""
    lost = dict(known or {})
    while True:
        broken.refuse_too_many(found, lost)
        sound = found.without(lost)
        try:
            return _read(sound, image_size, decoder, all_failures=True, check=known is None), lost
        except UnreadableError as error:
            files = [file for part in sound.parts() for file in part.files]
            lost |= {files[place]: why for place, why in error.failures.items()}


def _read(
    found: Listing, image_size: int | None, decoder: Decoder, *, all_failures: bool = False, check: bool = False
) -> Parts:
    train, test = found.parts()
    files = (*train.files, *test.files)
    key = digest(files, "folder", image_size)
    measured = measuring.measure(files, image_size, decoder, f"{key}-measured", all_failures)
    chosen = calibration.choose(train.files, measured.depths[: len(train)], decoder, f"{key}-values")
    calibration.refuse_clipped(files, measured.depths, decoder, f"{key}-nominal")
    if any(measured.depths):
        key = f"{key}-{digest((), chosen)}"
    preparation = Preparation(measured.shape, chosen)
    held_train, held_test = decoder.pictures(
        _Files(train.files, train.labels, preparation, f"{key}-train"),
        _Files(test.files, test.labels, preparation, f"{key}-test"),
        all_failures=all_failures,
        check=check,
    )
    passed = f"passed over: {found.passed.text}" if found.passed.text else ""
    remarks = tuple(filter(None, (measured.resized, *found.remarks, passed)))
    notes = (*calibration.mixed(measured.depths), *described(chosen))
    return Parts(found.classes, held_train, held_test, remarks, notes, chosen)
