"""The one way from a picture to what a network is given, in training and in prediction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dadarts.data import images
from dadarts.data.pictures import Shape
from dadarts.data.values import ValueRange, refuse_unbounded, scaled
from dadarts.errors import InputError

_HALF = 0.5


@dataclass(frozen=True)
class Preparation:
    """How pictures become pixels, uint8 (C, H, W).

    They are turned as their EXIF orientation says, transparent pixels show white, values become bytes by `value_range`
    (None: the nominal range of their type; 8-bit pictures are taken as they are), and another size than `shape` is
    resized to cover H x W and cropped at the centre.
    """

    shape: Shape
    value_range: ValueRange | None = None

    def from_file(self, path: str | Path) -> NDArray[np.uint8]:
        """A picture file's pixels; raises InputError, naming it, where it is missing or damaged."""
        return images.decode_to(Path(path), str(path), self.shape, self.value_range)

    def crops(self, path: str | Path) -> bool:
        """Whether `from_file` leaves a border of a picture out, since its shape is another; raises InputError as that.

        A border that is narrower than half a prepared pixel is none.
        """
        header = images.read_header(Path(path), str(path))
        _, height, width = self.shape
        scale = max(height / header.height, width / header.width)
        return max(header.height * scale - height, header.width * scale - width) >= _HALF

    def from_image(self, image: Image.Image, name: str = "the picture") -> NDArray[np.uint8]:
        """The pixels of a picture that Pillow has opened or made.

        Raises InputError, calling it `name`, where it holds NaN.
        """
        return images.fitted(image, self.shape, self.value_range, name)

    def from_array(self, values: NDArray[Any] | Tensor, name: str = "the picture") -> NDArray[np.uint8]:
        """The pixels of one picture's values, in any order of axes that `arranged` knows.

        Raises InputError as `arranged`.
        """
        pixels = scaled(arranged(values, name), self.value_range)
        return self.from_image(Image.fromarray(np.ascontiguousarray(pixels)))


def arranged(picture: NDArray[Any] | Tensor, name: str) -> NDArray[Any]:
    """A picture's values as (H, W) or (H, W, C) with C 3 or 4, from (H, W), (H, W, C) or (C, H, W) with C 1, 3 or 4.

    Where both the first and the last axis can be the channels, it is the first of a tensor and the last of an array.
    Only bytes can have a fourth channel, alpha.

    Raises InputError, calling it `name`, where it is not so, or holds NaN.
    """
    channels_first = isinstance(picture, Tensor)
    values: NDArray[Any] = _numbers(picture) if isinstance(picture, Tensor) else picture
    first, last = (values.ndim == 3 and values.shape[axis] in (1, 3, 4) for axis in (0, 2))
    if first and (channels_first or not last):
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    has_alpha = values.ndim == 3 and values.shape[2] == 4
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (3, 4))) or not values.size:
        shape = tuple(picture.shape)
        raise InputError(f"{name} has shape {shape}; give (H, W), (H, W, C) or (C, H, W) with C 1, 3 or 4")
    if values.dtype.kind not in "biuf" or (has_alpha and values.dtype != np.uint8):
        raise InputError(f"{name} holds {values.dtype}; give numbers, and with alpha bytes")
    refuse_unbounded(values, name)
    return values


def _numbers(picture: Tensor) -> NDArray[Any]:
    # Numpy has no bfloat16.
    wide = picture.float() if picture.dtype == torch.bfloat16 else picture
    return wide.detach().cpu().numpy()
