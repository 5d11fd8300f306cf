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


def read(root: Path, image_size: int | None, decoder: Decoder, choices: Choices, *, skip_broken: bool) -> Parts:
    """The parts below `root` (see `finding.find`), which may also be a table of labels.

    Pictures are grey only if all are. `image_size` None keeps a size that all share, if its short side is at most
    224, and else takes the median short side, at most 224. Where `skip_broken`, a few files that cannot be read are
    left out as if they were not there (see `broken.allowance`).

    Raises InputError where folders are ambiguous, a class or a part is empty, or pictures are damaged.
    """
    measuring.check_size(image_size)
    found = table.find([table.read_table(root)], choices) if root.is_file() else finding.find(root, choices)
    return assembled(found, image_size, decoder, skip_broken=skip_broken)


def assembled(found: Listing, image_size: int | None, decoder: Decoder, *, skip_broken: bool) -> Parts:
    """The pictures of a listing, without the broken ones.

    Raises InputError where too many are broken; unless `skip_broken`, at the first of them.
    """
    if not skip_broken:
        return _read(found, image_size, decoder)
    key = broken.key_of(found, image_size)
    known = broken.remembered(decoder.cache, key, found)
    lost: dict[Path, str] = dict(known or {})
    while True:
        broken.refuse_too_many(found, lost)
        sound = found.without(lost)
        try:
            parts = _read(sound, image_size, decoder, all_failures=True, check=known is None)
            break
        except UnreadableError as error:
            files = [file for part in sound.parts() for file in part.files]
            lost |= {files[place]: why for place, why in error.failures.items()}
    if known is None and (lost or any(isinstance(part, Streamed) for part in (parts.train, parts.test))):
        broken.remember(decoder.cache, key, found, lost)
    return parts.skipping(lost.values())


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
