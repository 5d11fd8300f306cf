"""Pictures whose values are no bytes: greys of 16 and 32 bits and of floats, and colours of 16 bits.

Pillow opens 16-bit colours as 8-bit ones and drops every lower byte. A second pass over the same file that takes the
bytes for swapped ones gives them back.
"""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from dadarts.data.values import ValueRange, Values, refuse_unbounded, scaled

GREY_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N", "F"})
_GREY_WITH_ALPHA = "LA;16B"
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


class Depth(IntEnum):
    """What the values of a picture are."""

    BYTES = 0
    INTEGERS = 1
    FLOATS = 2


@dataclass(frozen=True)
class Deep:
    """Values (H, W) or (H, W, 3), not turned, and where a picture has some, the upper 8 bits of its alpha (H, W)."""

    values: Values
    alpha: NDArray[np.uint8] | None = None

    def shown(self, value_range: ValueRange | None) -> Image.Image:
        """The picture in bytes."""
        image = Image.fromarray(scaled(self.values, value_range))
        if self.alpha is not None:
            image = image.convert("RGB")
            image.putalpha(Image.fromarray(self.alpha))
        return image


def depth_of(image: Image.Image) -> Depth:
    """What an opened picture's values are; nothing is decoded."""
    if image.mode == "F":
        return Depth.FLOATS
    is_deep = image.mode in GREY_MODES or _colours(image) is not None or is_grey_with_alpha(image)
    return Depth.INTEGERS if is_deep else Depth.BYTES


def is_grey_with_alpha(image: Image.Image) -> bool:
    """Whether it is a grey PNG of 16 bits with alpha, which Pillow opens as colours of 8."""
    return _raw_mode(image) == _GREY_WITH_ALPHA


def read(image: Image.Image, name: str) -> Deep | None:
    """The values of an opened picture, which is loaded; None where they are bytes.

    Raises InputError where it holds NaN, naming it, and what Pillow raises where it is damaged.
    """
    found = _read(image)
    if found is not None:
        refuse_unbounded(found.values, name)
    return found


def _read(image: Image.Image) -> Deep | None:
    if image.mode in GREY_MODES:
        return Deep(np.asarray(image))
    if not isinstance(image, ImageFile.ImageFile):
        return None
    if is_grey_with_alpha(image):
        # Its four bytes a pixel are as many as a colour's with alpha.
        bytes_HWC = np.asarray(_reread(image, "RGBA")).astype(np.uint16)
        return Deep(bytes_HWC[..., 0] << 8 | bytes_HWC[..., 1], bytes_HWC[..., 2].astype(np.uint8))
    raw = _colours(image)
    if raw is None:
        return None
    lower_HWC = np.asarray(_reread(image, raw[:-1] + _SWAPPED[raw[-1]]))
    upper_HWC = np.asarray(image)
    values_HWC = upper_HWC[..., :3].astype(np.uint16) << 8 | lower_HWC[..., :3]
    return Deep(values_HWC, upper_HWC[..., 3] if image.mode == "RGBA" else None)


def _colours(image: Image.Image) -> str | None:
    """How Pillow is to unpack colours of 16 bits, where these are some."""
    raw = _raw_mode(image)
    # Other kinds have decoders of their own, which cannot be told to swap.
    known = raw is not None and image.format in ("PNG", "TIFF") and re.fullmatch(r"RGBA?;16[BLN]", raw)
    return raw if known else None


def _raw_mode(image: Image.Image) -> str | None:
    """How the bytes of a picture that is not yet loaded are to be unpacked, where this is the same in all of it."""
    tiles: list[Any] = image.tile if isinstance(image, ImageFile.ImageFile) else []
    modes = {_split(tile.args)[0] for tile in tiles}
    mode = modes.pop() if len(modes) == 1 else None
    return mode if isinstance(mode, str) else None


def _split(args: Any) -> tuple[Any, ...]:
    """A decoder's arguments, of which the first is mostly the way to unpack."""
    return args if isinstance(args, tuple) and args else (args,)


def _reread(image: ImageFile.ImageFile, raw: str) -> Image.Image:
    """The picture once more, its bytes unpacked in another way."""
    stream: Any = image.fp
    place = stream.tell()
    stream.seek(0)
    again: Any = Image.open(io.BytesIO(stream.read()), formats=(str(image.format),))
    stream.seek(place)
    again.tile = [
        tile._replace(args=raw if isinstance(tile.args, str) else (raw, *tile.args[1:])) for tile in again.tile
    ]
    again.load()
    unpacked: Image.Image = again
    return unpacked
