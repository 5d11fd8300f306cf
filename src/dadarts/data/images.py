"""How one encoded picture becomes pixels.

Transparent pixels show white. Pictures are turned as their EXIF orientation says. Values that are no bytes (greys and
colours of 16 bits, greys of 32, floats) become bytes by a value range. An animation gives its first frame.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dadarts import files
from dadarts.data import declared, deep, formats, memory
from dadarts.data.pictures import Shape
from dadarts.data.values import ValueRange, Values
from dadarts.errors import InputError, shortened

_GREY_MODES = frozenset({"1", "L", "LA", "La"}) | deep.GREY_MODES
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = frozenset({5, 6, 7, 8})
_MOST_PIXELS = 160_000_000
"""More than any camera takes at once. Pillow's own limit is higher, and it warns of fewer than some cameras take."""
if Image.MAX_IMAGE_PIXELS is not None:
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, _MOST_PIXELS)
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
_SMALL = 1 << 20
_BYTES, _DEEP_BYTES = 12, 64
"""What a pixel takes at most while a picture is decoded, made upright, scaled and laid on white."""
_GATE = memory.Gate()
_SCAN = b"\xff\xda"
_USUAL_SCANS, _MOST_SCANNED = 32, 4_000_000_000


@dataclass(frozen=True)
class Header:
    """What a picture is before its pixels are decoded; sizes as shown, after its orientation.

    `depth` says what its values are: bytes, other integers, or floats.
    """

    grey: bool
    height: int
    width: int
    depth: deep.Depth = deep.Depth.BYTES


def read_header(source: Path | bytes, name: str) -> Header:
    """The header of a picture of a kind that is read; raises InputError, naming it, where it is damaged."""
    with _opened(source, name) as image:
        return header_of(image)


def header_of(image: Image.Image) -> Header:
    """The header of a picture that Pillow has opened or made."""
    width, height = image.size
    # Without this look, PNG would decode the whole picture to find a late EXIF chunk.
    if "exif" in image.info and _orientation(image) in _TURNED:
        width, height = height, width
    return Header(image.mode in _GREY_MODES or deep.is_grey_with_alpha(image), height, width, deep.depth_of(image))


def read_values(source: Path | bytes, name: str) -> Values | None:
    """The values of a picture that are no bytes, in no order that matters; None where they are bytes.

    Raises InputError where it is damaged, or holds NaN.
    """
    with _opened(source, name) as image, _room(image, name):
        found = deep.read(image, name)
        return None if found is None else found.values


def decode(source: Path | bytes, name: str, channels: int) -> NDArray[np.uint8]:
    """The pixels at the picture's own size, uint8 (C, H, W); raises InputError where it is damaged."""
    with _opened(source, name) as image, _room(image, name):
        return _pixels(_in_channels(_upright(image, name, None), channels))


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


def decode_to(
    source: Path | bytes, name: str, shape: Shape, value_range: ValueRange | None = None
) -> NDArray[np.uint8]:
    """The pixels, uint8 (C, H, W); another size is resized to cover H x W and cropped at the centre.

    Raises InputError, naming the picture, where it is damaged, or holds NaN.
    """
    with _opened(source, name) as image:
        # Lets JPEG skip detail that resizing would drop; it never goes below twice the wanted size.
        image.draft(None, (2 * max(shape[1:]), 2 * max(shape[1:])))
        with _room(image, name):
            return fitted(image, shape, value_range, name)


def fitted(
    image: Image.Image, shape: Shape, value_range: ValueRange | None, name: str = "the picture"
) -> NDArray[np.uint8]:
    """An opened picture's pixels, as `decode_to` gives a file's."""
    channels, height, width = shape
    shown = _in_channels(_upright(image, name, value_range), channels)
    if shown.size != (width, height):
        shown = ImageOps.fit(shown, (width, height), Image.Resampling.BILINEAR)
    return _pixels(shown)


@contextmanager
def _opened(source: Path | bytes, name: str) -> Iterator[Image.Image]:
    try:
        with _stream(source) as stream, Image.open(stream, formats=formats.kinds_of(source)) as image:
            width, height = image.size
            if width * height > _MOST_PIXELS:
                raise Image.DecompressionBombError
            if image.info.get("progressive"):
                _refuse_endless(stream, width * height, name)
            yield image
    except UnidentifiedImageError:
        raise InputError(f"{name} is damaged, or no picture: not {formats.SOME}") from None
    except Image.DecompressionBombError:
        raise InputError(f"{name} declares over {_MOST_PIXELS // 10**6} megapixels; give smaller pictures") from None
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"there is no file {name}") from None
    except (PermissionError, IsADirectoryError) as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from None
    except Exception as error:  # Pillow's decoders raise nearly any type on damaged bytes.
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"{name} cannot be read as a picture: {reason or shortened(error)}") from error


@contextmanager
def _stream(source: Path | bytes) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    else:
        with files.open_bytes(source) as stream:
            yield stream


def _refuse_endless(stream: BinaryIO, pixels: int, name: str) -> None:
    """Refuse a progressive JPEG that goes over its pixels again and again, a few bytes each time."""
    place = stream.tell()
    stream.seek(0)
    scans = stream.read().count(_SCAN)
    stream.seek(place)
    if scans > _USUAL_SCANS and scans * pixels > _MOST_SCANNED:
        raise InputError(f"{name} cannot be read as a picture: {scans} scans of {pixels / 1e6:,.1f} megapixels")


@contextmanager
def _room(image: Image.Image, name: str) -> Iterator[None]:
    """While this lasts, threads that decode large pictures are as many as there is memory for."""
    pixels = image.width * image.height
    if pixels <= _SMALL:
        yield
        return
    size = pixels * (_DEEP_BYTES if deep.depth_of(image) else _BYTES)
    declared.check(size, name)
    with _GATE.taking(size):
        yield


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # Cameras and editors write broken EXIF around sound pictures.
        return 1


def _upright(image: Image.Image, name: str, value_range: ValueRange | None) -> Image.Image:
    """The picture in bytes, turned."""
    found = deep.read(image, name)
    image.load()
    shown = image if found is None else found.shown(value_range)
    # Read only now: PNG may hold its EXIF behind the pixels, and TIFF turns itself when it is loaded.
    turn = _TURNS.get(_orientation(image))
    return shown if turn is None else shown.transpose(turn)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _in_channels(image: Image.Image, channels: int) -> Image.Image:
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
    return image.convert("L" if channels == 1 else "RGB")
