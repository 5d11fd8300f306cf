"""What the headers of picture files say together: the size that all become, grey or colour, and their depths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dadarts.data import images
from dadarts.data.decoding import Decoder, UnreadableError, is_damage, shown, threaded
from dadarts.data.deep import Depth
from dadarts.data.pictures import Shape
from dadarts.errors import InputError

SMALLEST, LARGEST = 8, 1024
_USUAL_LARGEST = 224
_FIXED = 7


@dataclass(frozen=True)
class Measured:
    """The common (C, H, W), the (H, W) of the smallest and the largest picture, and the depth of each."""

    shape: Shape
    smallest: tuple[int, int]
    largest: tuple[int, int]
    depths: tuple[Depth, ...]

    @property
    def resized(self) -> str:
        """How pictures come to their size, in a phrase; empty where all have it."""
        height, width = self.shape[1:]
        first, last = ("x".join(map(str, size)) for size in (self.smallest, self.largest))
        if (height, width) == self.smallest == self.largest:
            return ""
        cropped = any(height * each[1] != width * each[0] for each in (self.smallest, self.largest))
        how = "resized and cropped" if cropped or self.smallest != self.largest else "resized"
        if self.smallest == self.largest:
            return f"{how} from {first}"
        return f"{how}, the smallest from {first} and the largest from {last} (height x width)"


def check_size(image_size: int | None) -> None:
    """Refuse, with an InputError, an image size that pictures cannot have."""
    if image_size is not None and not SMALLEST <= image_size <= LARGEST:
        raise InputError(f"the image size must be {SMALLEST} to {LARGEST} pixels, not {image_size}")


def measure(files: Sequence[Path], image_size: int | None, decoder: Decoder, key: str, all_failures: bool) -> Measured:
    """Look into each file; what is found is cached under `key`.

    Raises InputError at the first damaged header; with `all_failures`, UnreadableError once all have been read.
    """
    known = decoder.cache.find(key)
    if known is not None and _is_measure(known, len(files)):
        channels, height, width, *rest = known.tolist()
        return Measured((channels, height, width), (rest[0], rest[1]), (rest[2], rest[3]), tuple(map(Depth, rest[4:])))
    failures: dict[int, str] = {}

    def header(place: int) -> images.Header | None:
        try:
            return images.read_header(files[place], str(files[place]))
        except InputError as error:
            if not all_failures or not is_damage(error):
                raise
            failures[place] = error.marked
            return None

    read = threaded(header, range(len(files)), decoder.workers)
    headers = [found for found in shown(read, len(files), "measuring pictures") if found is not None]
    if failures:
        raise UnreadableError(failures)
    measured = measured_of(headers, image_size)
    numbers = (*measured.shape, *measured.smallest, *measured.largest, *measured.depths)
    decoder.cache.keep(key, np.array(numbers))
    return measured


def _is_measure(known: NDArray[Any], count: int) -> bool:
    """Whether what is kept can be the measure of `count` pictures: others may write into a shared cache."""
    if known.shape != (_FIXED + count,) or known.dtype != np.int64:
        return False
    channels, sides, extremes, depths = known[0], known[1:3], known[3:_FIXED], known[_FIXED:]
    whole = channels in (1, 3) and sides.min() >= SMALLEST and sides.max() <= LARGEST and extremes.min() > 0
    return bool(whole and np.isin(depths, [each.value for each in Depth]).all())


def measured_of(headers: Sequence[images.Header], image_size: int | None) -> Measured:
    """The common size of pictures: `image_size` square, or one that all share, or their median short side.

    Raises InputError where it would be too small.
    """
    height, width = (image_size, image_size) if image_size else _common_size(headers)
    sizes = sorted({(each.height, each.width) for each in headers}, key=lambda size: (size[0] * size[1], size))
    shape = (1 if all(each.grey for each in headers) else 3, height, width)
    return Measured(shape, sizes[0], sizes[-1], tuple(each.depth for each in headers))


def _common_size(headers: Sequence[images.Header]) -> tuple[int, int]:
    sizes = {(each.height, each.width) for each in headers}
    shared = min(sizes)
    if len(sizes) == 1 and min(shared) <= _USUAL_LARGEST and max(shared) <= LARGEST:
        height, width = shared
    else:
        side = median_low(min(each.height, each.width) for each in headers)
        height = width = min(side, _USUAL_LARGEST)
    if min(height, width) < SMALLEST:
        raise InputError(
            f"pictures of {width}x{height} are too small; {SMALLEST}x{SMALLEST} is the smallest, so give an image size"
        )
    return height, width
