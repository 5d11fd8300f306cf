"""Labelled pictures of one size, wherever their bytes are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from dadarts.data.class_folders import Choices
from dadarts.data.plain import plain
from dadarts.data.values import ValueRange

if TYPE_CHECKING:
    from dadarts.data.given import Source

Shape = tuple[int, int, int]
_FINGERPRINTED = 256
_NAMED = 12
"""Classes that are named in a line."""


class Pictures(Protocol):
    """Labelled pictures of one size (C, H, W)."""

    @property
    def labels(self) -> Tensor:
        """Class of every picture, int64 (N,)."""
        ...

    @property
    def shape(self) -> Shape:
        """Channels, height and width in pixels."""
        ...

    @property
    def weights(self) -> Tensor | None:
        """How much each counts in the loss of a training, float32 (N,), of mean 1; None is 1 for every one."""
        ...

    def __len__(self) -> int: ...

    def take(self, index: Tensor) -> Tensor:
        """The pictures at `index` (int64, (B,)), uint8 (B, C, H, W).

        Raises InputError where a picture is decoded only now and its file is damaged.
        """
        ...


@dataclass(frozen=True, eq=False)
class InMemory:
    """Decoded pictures, uint8 (N, C, H, W), held in memory or mapped from a file."""

    images: Tensor
    labels: Tensor
    weights: Tensor | None = None

    @property
    def shape(self) -> Shape:
        _, channels, height, width = self.images.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> Tensor:
        # Several times as fast on the CPU as indexing.
        return self.images.index_select(0, index)


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some of other pictures, which stay where they are: those at `index`, int64 (N,)."""

    pictures: Pictures
    index: Tensor

    @cached_property
    def labels(self) -> Tensor:
        return self.pictures.labels[self.index]

    @cached_property
    def weights(self) -> Tensor | None:
        every = self.pictures.weights
        return None if every is None else every[self.index]

    @property
    def shape(self) -> Shape:
        return self.pictures.shape

    def __len__(self) -> int:
        return len(self.index)

    def take(self, index: Tensor) -> Tensor:
        return self.pictures.take(self.index[index])


@dataclass(frozen=True, eq=False)
class Weighted:
    """Other pictures, each of which counts as `weights` say."""

    pictures: Pictures
    weights: Tensor

    @property
    def labels(self) -> Tensor:
        return self.pictures.labels

    @property
    def shape(self) -> Shape:
        return self.pictures.shape

    def __len__(self) -> int:
        return len(self.pictures)

    def take(self, index: Tensor) -> Tensor:
        return self.pictures.take(index)


@dataclass(frozen=True)
class Parts:
    """What a reader gives: the names of the classes, the training part and the test part.

    `remarks` say in a phrase each how the parts came about; `notes` in a sentence each what else should be known.
    `value_range` is what the training part's values were scaled by, None their type's nominal range.
    """

    classes: tuple[str, ...]
    train: Pictures
    test: Pictures
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    value_range: ValueRange | None = None

    def skipping(self, reasons: Collection[str]) -> Parts:
        """These parts with a word on each picture that was left out because it cannot be read."""
        if not reasons:
            return self
        remark = f"skipped {len(reasons)} that cannot be read"
        notes = tuple(f"skipped a picture: {plain(why)}" for why in reasons)
        return replace(self, remarks=(*self.remarks, remark), notes=(*notes, *self.notes))


def parts_of(classes: tuple[str, ...], images: Tensor, labels: Tensor, train: Tensor, test: Tensor) -> Parts:
    """Parts chosen by two index tensors from images, uint8 (N, C, H, W), and labels, int64 (N,)."""
    return Parts(classes, InMemory(images[train], labels[train]), InMemory(images[test], labels[test]))


@dataclass(frozen=True)
class DataRequest:
    """Which data to load, and with what means.

    `dataset` is a known name, or the path of an image folder, an `.npz` file or a table of labels. `image_size`
    is for folders only: the side in pixels that pictures are resized and cropped to; None keeps a size that all
    share, and otherwise takes the median short side, at most 224. `cache_dir` None is the user's cache folder.
    `workers` threads decode; 0 decodes in the calling thread. `choices` decide what folders leave open, and
    where `skip_broken`, a few pictures that cannot be read are left out. Where a data set is `given` as an object,
    `dataset` is only what it is called. `nominal` scales values that are no bytes by their type's range, whatever the
    training pictures hold.
    """

    dataset: str
    data_path: Path = Path("datasets")
    image_size: int | None = None
    cache_dir: Path | None = None
    workers: int = 4
    choices: Choices = field(default_factory=Choices)
    skip_broken: bool = True
    given: Source | None = None
    nominal: bool = False


@dataclass(frozen=True)
class DataSet:
    """A data set that is ready to be batched.

    `mean` and `std` are per channel for pixels in [0, 1]; `flip` says whether a mirrored picture keeps its
    class. A search never reads `test`. `remarks` are phrases for the line that describes it; `notes` are sentences
    for the log of a run. `value_range` is the reader's (see `Parts`).
    """

    name: str
    classes: tuple[str, ...]
    train: Pictures
    test: Pictures
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    value_range: ValueRange | None = None

    @property
    def described(self) -> str:
        """Classes with their pictures in each part, the size, and how they were read, in one line."""
        channels, height, width = self.train.shape
        counted = (
            f"{self.name}: {len(self.train):,} training and {len(self.test):,} test pictures of "
            f"{channels}x{height}x{width} in {len(self.classes)} classes ({self._counts()})"
        )
        return "; ".join((counted, *self.remarks))

    def _counts(self) -> str:
        """``name train+test`` of every class, of many the first ones."""
        train, test = (
            torch.bincount(part.labels.cpu(), minlength=len(self.classes)) for part in (self.train, self.test)
        )
        counts = zip(self.classes, train.tolist(), test.tolist(), strict=True)
        shown = [f"{plain(name)} {own:,}+{held:,}" for name, own, held in counts]
        more = f" and {len(shown) - _NAMED:,} more" if len(shown) > _NAMED else ""
        return ", ".join(shown[:_NAMED]) + more

    @cached_property
    def fingerprint(self) -> str:
        """16 digits of the SHA-256 of the training part: classes, labels, weights, and up to 256 of its pictures.

        The pictures are spread evenly, so that a data set too large for the memory need not be read.
        """
        return self._fingerprint(self.train)

    @cached_property
    def test_fingerprint(self) -> str:
        """The same of the test part, which is read."""
        return self._fingerprint(self.test)

    def _fingerprint(self, part: Pictures) -> str:
        digest = sha256(repr((self.classes, part.shape)).encode())
        digest.update(part.labels.cpu().numpy().tobytes())
        if part.weights is not None:
            digest.update(part.weights.cpu().numpy().tobytes())
        count = min(_FINGERPRINTED, len(part))
        chosen = torch.arange(count) * len(part) // count
        digest.update(part.take(chosen).contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]
