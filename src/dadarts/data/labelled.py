"""Pictures in memory or in files, each with its class and with how much it counts, as a program hands them over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from dadarts.data import folder
from dadarts.data.decoding import Decoder
from dadarts.data.given import MARK, Source
from dadarts.data.listing import Listing, Part
from dadarts.data.pictures import InMemory, Parts, Pictures, Weighted
from dadarts.data.split import hold_out
from dadarts.data.values import ValueRange, described
from dadarts.errors import InputError
from dadarts.pacing import counted


@dataclass(frozen=True, eq=False)
class Labels:
    """What is known of pictures besides the pictures.

    Args:
        classes: the name of every class.
        labels: class of every picture, int64 (N,).
        weights: how much each counts in the loss, float32 (N,), above 0; None where all count alike.
        held_out: the part of every class that is the test part.
        seed: of the choice of these.
    """

    classes: tuple[str, ...]
    labels: Tensor
    weights: Tensor | None
    held_out: float
    seed: int

    @property
    def name(self) -> str:
        """What a run is told of them."""
        return f"{counted(len(self.labels), 'picture')} {MARK}"

    @property
    def remark(self) -> str:
        """How the parts come about."""
        return f"test part: {self.held_out:.3g} of each class, held out"

    def divided(self) -> tuple[Tensor, Tensor]:
        """The training and the test part, int64 places of pictures.

        Raises:
            InputError: no class has a third picture.
        """
        return hold_out(self.labels, self.held_out, self.seed)

    def weighted(self, pictures: Pictures, index: Tensor) -> Pictures:
        """The pictures at `index` as they count, their mean weight 1."""
        if self.weights is None:
            return pictures
        own = self.weights[index]
        return Weighted(pictures, own / own.mean())


@dataclass(frozen=True, eq=False)
class LabelledPictures(Source):
    """Decoded pictures.

    Args:
        images: uint8 (N, C, H, W).
        value_range: what their values were scaled by; None is their type's nominal range.
    """

    images: Tensor = field(repr=False)
    known: Labels
    value_range: ValueRange | None = None

    @property
    def name(self) -> str:
        """Their number."""
        return self.known.name

    def read(self, image_size: int | None, decoder: Decoder) -> Parts:
        """The parts; no picture is resized.

        Raises:
            InputError: there are too few pictures, or another size is asked for.
        """
        if image_size is not None:
            raise InputError("an image size is for picture files; arrays have their own")
        train, test = self.known.divided()
        held = [InMemory(self.images[index], self.known.labels[index]) for index in (train, test)]
        return Parts(
            self.known.classes,
            self.known.weighted(held[0], train),
            held[1],
            (self.known.remark,),
            tuple(described(self.value_range)),
            self.value_range,
        )


@dataclass(frozen=True, eq=False)
class LabelledFiles(Source):
    """Picture files, read as those of a folder."""

    files: Sequence[Path] = field(repr=False)
    known: Labels

    @property
    def name(self) -> str:
        """Their number."""
        return self.known.name

    def read(self, image_size: int | None, decoder: Decoder) -> Parts:
        """The parts, of one size: `image_size`, or that of all files, or their median.

        Raises:
            InputError: there are too few files, or one of them is missing or no picture.
        """
        index = self.known.divided()
        whole = Part(tuple(self.files), self.known.labels)
        train, test = map(whole.chosen, index)
        listing = Listing(self.known.classes, train, test, (self.known.remark,))
        # A file that was passed over would leave the weights of the others out of place.
        parts = folder.assembled(listing, image_size, replace(decoder, skip_broken=False))
        return replace(parts, train=self.known.weighted(parts.train, index[0]))
