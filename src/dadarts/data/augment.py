"""Augmentation of whole batches: random crop, mirror, normalise, cutout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from dadarts.data.pictures import Shape

Flip: TypeAlias = Literal["none", "horizontal", "vertical", "both"]
"""How pictures are mirrored: left to right, upside down, or both, each with probability 1/2 of its own."""


@dataclass(frozen=True)
class Draws:
    """What chance decides for a batch: int64 (B,) offsets and centres, bool (B,) mirrored and upended."""

    top: Tensor
    left: Tensor
    mirrored: Tensor
    centre_y: Tensor
    centre_x: Tensor
    upended: Tensor

    def to(self, device: torch.device) -> Draws:
        """The same draws on another device."""
        return self._each(lambda draw: draw.to(device))

    def __getitem__(self, part: slice) -> Draws:
        """The draws for a part of the batch."""
        return self._each(lambda draw: draw[part])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Draws:
        return Draws(
            change(self.top),
            change(self.left),
            change(self.mirrored),
            change(self.centre_y),
            change(self.centre_x),
            change(self.upended),
        )


@dataclass(frozen=True)
class Augmentation:
    """Random crop after padding with black, mirror with probability 1/2 along the axes of `flip`, cutout of a square.

    `padding` and `cutout` are pixels; 0 leaves that step out.

    References: DeVries & Taylor, "Improved Regularization of CNNs with Cutout", 2017; the crop and the mirror
    as in He et al., "Deep Residual Learning", 2016, section 4.2.
    """

    padding: int = 4
    flip: Flip = "horizontal"
    cutout: int = 0

    @classmethod
    def standard(cls, shape: Shape, flip: Flip, cutout: int = 0) -> Augmentation:
        """The padding customary at 32x32 (4 pixels), scaled to pictures of `shape` (C, H, W)."""
        _, height, width = shape
        return cls(padding=max(1, round(min(height, width) / 8)), flip=flip, cutout=cutout)

    @property
    def described(self) -> str:
        """What is done to a picture, in a phrase that names the flags which change it."""
        steps = []
        if self.padding:
            steps.append(f"shifts of up to {self.padding} pixel{'s' * (self.padding > 1)} (-crop_padding)")
        if self.flip != "none":
            along = "horizontal and vertical" if self.flip == "both" else self.flip
            steps.append(f"{along} mirroring (-flip none where a mirrored picture is of another class)")
        if self.cutout:
            steps.append(f"cutout of {self.cutout}x{self.cutout} pixels (-cutout_length)")
        return f"augmented by {', '.join(steps)}" if steps else "not augmented"

    def draw(self, count: int, shape: Shape, source: torch.Generator) -> Draws:
        """The draws for `count` pictures of `shape` (C, H, W), from a CPU generator."""
        _, height, width = shape

        def below(limit: int) -> Tensor:
            return torch.randint(limit, (count,), generator=source)

        # All are always drawn: a run without cutout sees the same crops as one with it.
        return Draws(
            top=below(2 * self.padding + 1),
            left=below(2 * self.padding + 1),
            mirrored=below(2).bool(),
            centre_y=below(height),
            centre_x=below(width),
            upended=below(2).bool(),
        )

    def crop(self, images: Tensor, draws: Draws) -> Tensor:
        """Crops and mirrors uint8 (B, C, H, W); the shape stays."""
        count, channels, height, width = images.shape
        padded = pad(images, (self.padding,) * 4)
        rows = draws.top[:, None] + torch.arange(height, device=images.device)
        columns = draws.left[:, None] + torch.arange(width, device=images.device)
        if self.flip in ("vertical", "both"):
            rows = torch.where(draws.upended[:, None], rows.flip(1), rows)
        if self.flip in ("horizontal", "both"):
            columns = torch.where(draws.mirrored[:, None], columns.flip(1), columns)
        # One gather over flat pixels crops and mirrors together, in a third of the time of slicing windows.
        places = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).view(count, 1, -1)
        return padded.flatten(2).gather(2, places.expand(-1, channels, -1)).view_as(images)

    def cut(self, images: Tensor, draws: Draws) -> Tensor:
        """Zeroes in place a square around each drawn centre of normalised (B, C, H, W)."""
        if not self.cutout:
            return images
        _, _, height, width = images.shape
        rows = _within(height, draws.centre_y, self.cutout)
        columns = _within(width, draws.centre_x, self.cutout)
        # Multiplying by floats is faster than filling where a mask says so.
        return images.mul_(1 - (rows[:, :, None] * columns[:, None, :])[:, None])


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """`(pixel / 255 - mean) / std` of uint8 (B, C, H, W), as float32."""
    shift, scale = 255 * torch.tensor([mean, std], dtype=torch.float64)[:, :, None, None]
    pixels = images.to(torch.float32)
    return pixels.sub_(shift.to(pixels)).mul_(scale.reciprocal().to(pixels))


def _within(length: int, centre: Tensor, size: int) -> Tensor:
    """1 for each position along an axis that lies in the square and 0 for others, float32 (B, length)."""
    offset = torch.arange(length, device=centre.device) - centre[:, None]
    return ((offset >= -(size // 2)) & (offset < size - size // 2)).to(torch.float32)
