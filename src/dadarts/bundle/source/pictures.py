"""From a picture file to what the network takes, exactly as its training's pictures were prepared."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from dadarts.bundle.source.constants import SHAPE, VALUE_RANGE

KINDS = (
    *("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "QOI", "SGI", "DDS", "ICO", "ICNS"),
    *("DIB", "PCX", "TGA"),
)
# Kinds that hardly have a signature are told by the file's ending.
BY_ENDING = {"DIB": (".dib",), "PCX": (".pcx",), "TGA": (".tga", ".vda", ".icb", ".vst")}
DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def below(folder: str | Path) -> list[Path]:
    """All files with a picture's ending in a folder and the folders in it, hidden ones left out."""
    endings = Image.registered_extensions()
    found = (path for path in Path(folder).rglob("*") if path.suffix.lower() in endings)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def prepare(path: str | Path) -> np.ndarray:
    """A picture file as the network takes it, uint8 (C, H, W).

    It is turned as its EXIF orientation says, transparent pixels show white, and another size than the network's is
    resized to cover it and cropped at the centre.
    """
    channels, height, width = SHAPE
    Image.init()
    ending = Path(path).suffix.lower()
    kinds = [kind for kind in KINDS if kind in Image.OPEN and ending in BY_ENDING.get(kind, (ending,))]
    with Image.open(path, formats=kinds) as image:
        # JPEG may skip detail that resizing would drop.
        image.draft(None, (2 * max(height, width), 2 * max(height, width)))
        shown = in_bytes(image)
        turn = TURNS.get(orientation(image))
    shown = shown if turn is None else shown.transpose(turn)
    if shown.has_transparency_data:
        layer = shown.convert("RGBA")
        shown = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    shown = shown.convert("L" if channels == 1 else "RGB")
    if shown.size != (width, height):
        shown = ImageOps.fit(shown, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(shown, dtype=np.uint8).reshape(height, width, channels).transpose(2, 0, 1)


def orientation(image: Image.Image) -> int:
    """How the camera was held; 1 where that is not known."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # Cameras and editors write broken EXIF around sound pictures.
        return 1


def in_bytes(image: Image.Image) -> Image.Image:
    """The picture with 8 bits a value, as it is or scaled from 16 bits or floats by `VALUE_RANGE`."""
    raw = raw_mode(image)
    alpha = None
    if image.mode in DEEP_MODES:
        values = np.asarray(image)
    elif raw == "LA;16B":
        # Pillow opens it as 8 bits; its four bytes a pixel are as many as those of a colour with alpha.
        bytes_HWC = np.asarray(unpacked(image, "RGBA")).astype(np.uint16)
        values, alpha = bytes_HWC[..., 0] << 8 | bytes_HWC[..., 1], bytes_HWC[..., 2].astype(np.uint8)
    elif raw and image.format in ("PNG", "TIFF") and re.fullmatch("RGBA?;16[BLN]", raw):
        # Pillow keeps the upper byte of each colour; with the bytes swapped it gives the lower one.
        swapped = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}[raw[-1]]
        lower, upper = np.asarray(unpacked(image, raw[:-1] + swapped)), np.asarray(image)
        values = upper[..., :3].astype(np.uint16) << 8 | lower[..., :3]
        alpha = upper[..., 3] if image.mode == "RGBA" else None
    else:
        image.load()
        return image
    image.load()
    shown = Image.fromarray(scaled(values))
    if alpha is not None:
        shown = shown.convert("RGB")
        shown.putalpha(Image.fromarray(alpha))
    return shown


def raw_mode(image: Any) -> str | None:
    """How the bytes of an opened picture are packed, where they are so in all of it."""
    modes = {tile.args[0] if isinstance(tile.args, tuple) and tile.args else tile.args for tile in image.tile}
    mode = modes.pop() if len(modes) == 1 else None
    return mode if isinstance(mode, str) else None


def unpacked(image: Any, raw: str) -> Image.Image:
    """An opened picture once more, its bytes unpacked in another way."""
    place = image.fp.tell()
    image.fp.seek(0)
    again: Any = Image.open(io.BytesIO(image.fp.read()), formats=(image.format,))
    image.fp.seek(place)
    again.tile = [
        tile._replace(args=raw if isinstance(tile.args, str) else (raw, *tile.args[1:])) for tile in again.tile
    ]
    again.load()
    picture: Image.Image = again
    return picture


def scaled(values: np.ndarray) -> np.ndarray:
    """Values that are no bytes as bytes, black and white as `VALUE_RANGE` says; None is their type's range."""
    if values.dtype.kind == "f" and not float(np.abs(values).max(initial=0)) <= 1e30:
        raise ValueError("it holds infinity or NaN, or a value beyond 1e30")
    if VALUE_RANGE is None and values.dtype.kind in "iu":
        return (values.clip(0, 0xFFFF).astype(np.uint16) >> 8).astype(np.uint8)
    parts: np.ndarray
    if VALUE_RANGE is None:
        parts = values.astype(np.float32).clip(0, 1)
    else:
        low, high = VALUE_RANGE
        parts = ((values.astype(np.float64) - low) / (high - low)).clip(0, 1)
    return np.asarray(np.rint(parts * 255), dtype=np.uint8)
