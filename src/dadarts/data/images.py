"""How one encoded picture becomes pixels.

Transparent pixels show white. Pictures are turned as their EXIF orientation says. 16-bit greys keep their
upper 8 bits. An animation gives its first frame.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dadarts.data import formats
from dadarts.data.pictures import Shape
from dadarts.errors import InputError

_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})
_ORIENTATION = 0x0112
_TURNED = frozenset({5, 6, 7, 8})


@dataclass(frozen=True)
class Header:
    """What a picture is before its pixels are decoded; sizes as shown, after its orientation."""

    grey: bool
    height: int
    width: int


def read_header(source: Path | bytes, name: str) -> Header:
    """The header of a picture of a kind that is read; raises InputError, naming it, where it is damaged."""
    with _opened(source, name) as image:
        width, height = image.size
        # Without this look, PNG would decode the whole picture to find a late EXIF chunk.
        if "exif" in image.info and _orientation(image) in _TURNED:
            width, height = height, width
        return Header(image.mode in _GREY_MODES, height, width)


def decode(source: Path | bytes, name: str, channels: int) -> NDArray[np.uint8]:
    """The pixels at the picture's own size, uint8 (C, H, W); raises InputError where it is damaged."""
    with _opened(source, name) as image:
        return _pixels(_in_channels(_upright(image), channels))


def decode_jpeg(content: bytes, shape: Shape) -> NDArray[np.uint8] | None:
    """A JPEG of exactly `shape` (3, H, W), as `decode` reads it but twice as fast; None where it is not one.

    None also where it is damaged: `decode` then says so.
    """
    channels, height, width = shape
    # Pillow parses headers in Python, which for small pictures takes longer than decoding them.
    if channels != 3 or not content.startswith(b"\xff\xd8") or b"Exif" in content:
        return None
    try:
        return _pixels(Image.frombytes("RGB", (width, height), content, "jpeg", ("RGB", "")))
    except (ValueError, OSError):
        return None


def decode_to(source: Path | bytes, name: str, shape: Shape) -> NDArray[np.uint8]:
    """The pixels, uint8 (C, H, W); another size is resized to cover H x W and cropped at the centre.

    Raises InputError, naming the picture, where it is damaged.
    """
    channels, height, width = shape
    with _opened(source, name) as image:
        # Lets JPEG skip detail that resizing would drop; it never goes below twice the wanted size.
        image.draft(None, (2 * max(height, width), 2 * max(height, width)))
        shown = _in_channels(_upright(image), channels)
        if shown.size != (width, height):
            shown = ImageOps.fit(shown, (width, height), Image.Resampling.BILINEAR)
        return _pixels(shown)


@contextmanager
def _opened(source: Path | bytes, name: str) -> Iterator[Image.Image]:
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(stream, formats=formats.kinds_of(source)) as image:
            yield image
    except UnidentifiedImageError:
        raise InputError(f"{name} is damaged, or no picture: not {formats.SOME}") from None
    except Exception as error:  # Pillow's decoders raise nearly any type on damaged bytes.
        raise InputError(f"{name} cannot be read as a picture: {error}") from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # Cameras and editors write broken EXIF around sound pictures.
        return 1


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    return image if _orientation(image) == 1 else ImageOps.exif_transpose(image)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _in_channels(image: Image.Image, channels: int) -> Image.Image:
    if image.mode.startswith("I"):
        deep = np.asarray(image).clip(0, 0xFFFF)
        image = Image.fromarray((deep >> 8).astype(np.uint8))
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
    return image.convert("L" if channels == 1 else "RGB")
