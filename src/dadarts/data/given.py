"""Data sets that are handed over as Python objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch.utils.data import IterableDataset

from dadarts.data import objects
from dadarts.data.decoding import Decoder
from dadarts.data.pictures import Parts
from dadarts.errors import InputError, shortened

MARK = "(given in Python)"
"""What the name of a data set ends with that no later command can find by it."""


class MapStyle(Protocol):
    """What has a length and an item (picture, label) for every number below it, as `torch.utils.data.Dataset`."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Source(ABC):
    """A data set that reads itself."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What a run's configuration holds of it; ends with `MARK`."""

    @abstractmethod
    def read(self, image_size: int | None, decoder: Decoder) -> Parts:
        """Its parts, in pictures of a size in pixels, or of the size that they have.

        Raises:
            InputError: they cannot be read.
        """


@dataclass(frozen=True, eq=False)
class Given(Source):
    """A training part, and where there is one, a test part."""

    train: MapStyle = field(repr=False)
    test: MapStyle | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The kinds and lengths of the parts, as a run's configuration holds them."""
        parts = [self.train, *([] if self.test is None else [self.test])]
        return " + ".join(f"{type(part).__name__}[{len(part)}]" for part in parts) + f" {MARK}"

    def read(self, image_size: int | None, decoder: Decoder) -> Parts:
        """The parts, item by item."""
        return objects.read(self, image_size, decoder)


def as_given(value: Any) -> Source:
    """A data set, or a pair of a training and a test set, or what reads itself.

    Raises:
        InputError: it is neither, or an iterable data set, or empty.
    """
    if isinstance(value, Source):
        return value
    parts = value if isinstance(value, tuple) and len(value) == 2 else (value,)
    return Given(*map(_map_style, parts))


def _map_style(value: Any) -> MapStyle:
    kind = shortened(type(value).__name__, 40)
    has_items = hasattr(value, "__len__") and hasattr(value, "__getitem__")
    if isinstance(value, IterableDataset) or (hasattr(value, "__iter__") and not has_items):
        raise InputError(
            f"a dataset of type {kind} gives its items in one order only; give one that has a length and items by "
            "number (a map-style torch.utils.data.Dataset), and no DataLoader"
        )
    if not has_items or isinstance(value, str | bytes | dict):
        raise InputError(
            f"a dataset of type {kind} is none; give a name, a path, a torch.utils.data.Dataset of (picture, label), "
            "or a pair of these for training and test"
        )
    try:
        length = len(value)
    except (TypeError, NotImplementedError):
        raise InputError(f"a dataset of type {kind} has no length, which is needed to divide it") from None
    if length == 0:
        raise InputError(f"the dataset of type {kind} is empty")
    found: MapStyle = value
    return found
