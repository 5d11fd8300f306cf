"""Which kinds of picture files are read: a closed list, since Pillow has kinds that start programs (EPS, WMF)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from PIL import Image

ENDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "PNG": (".png", ".apng"),
        "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
        "TIFF": (".tif", ".tiff"),
        "WEBP": (".webp",),
        "BMP": (".bmp",),
        "GIF": (".gif",),
        "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
        "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx", ".jpc", ".j2c"),
        "AVIF": (".avif",),
        "QOI": (".qoi",),
        "SGI": (".sgi", ".bw"),
        "DDS": (".dds",),
        "ICO": (".ico",),
        "ICNS": (".icns",),
        "DIB": (".dib",),
        "PCX": (".pcx",),
        "TGA": (".tga", ".vda", ".icb", ".vst"),
    }
)
"""The kinds of files, by Pillow's names, with the endings that they usually have."""
SUFFIXES = frozenset(ending for endings in ENDINGS.values() for ending in endings)
SOME = "PNG, JPEG, TIFF, WebP, BMP, GIF or another of the kinds that are read"
"""What a message says was expected."""

# These have no signature, or one of two bytes: damaged files of any other kind would be taken for them.
_BY_ENDING = frozenset({"DIB", "PCX", "TGA"})


def is_picture(name: str) -> bool:
    """Whether a file of this name is read as a picture."""
    return suffix(name) in SUFFIXES


def suffix(name: str) -> str:
    """The ending of a file's name in lower case, with its dot; empty where there is none."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 -- a Path for every name takes ten times as long


def kinds_of(source: Path | bytes) -> tuple[str, ...]:
    """Pillow's names of the kinds that a file or its content may be of: any with a signature, whatever its ending."""
    own = suffix(source.name) if isinstance(source, Path) else ""
    return tuple(kind for kind in _installed() if kind not in _BY_ENDING or own in ENDINGS[kind])


@cache
def _installed() -> tuple[str, ...]:
    Image.init()
    return tuple(kind for kind in ENDINGS if kind in Image.OPEN)
