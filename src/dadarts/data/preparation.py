"""The one way from a picture to what a network is given, in training and in prediction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dadarts.data import images
from dadarts.data.pictures import Shape
from dadarts.data.values import ValueRange, refuse_unbounded, scaled
from dadarts.errors import InputError


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

    def from_image(self, image: Image.Image) -> NDArray[np.uint8]:
        """The pixels of a picture that Pillow has opened or made."""
        return images.fitted(image, self.shape, self.value_range)

    def from_array(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """The pixels of one picture's values, (H, W), (H, W, C) or (C, H, W) with C 1 or 3.

        Raises InputError where its shape is another, or it holds NaN.
        """
        if values.ndim == 3 and values.shape[2] not in (1, 3) and values.shape[0] in (1, 3):
            values = values.transpose(1, 2, 0)
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[..., 0]
        if values.dtype.kind not in "biuf" or (values.ndim != 2 and values.shape[2:] != (3,)) or not values.size:
            raise InputError(
                f"an array of {values.dtype}, {values.shape}, is no picture; give numbers (H, W) or (H, W, 3)"
            )
        refuse_unbounded(values, "the picture")
        return self.from_image(Image.fromarray(np.ascontiguousarray(scaled(values, self.value_range))))
