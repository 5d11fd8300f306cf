"""The value range of a folder's pictures, of which some or all may be deeper than bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dadarts.data import images
from dadarts.data.decoding import Decoder
from dadarts.data.deep import Depth
from dadarts.data.values import ValueRange, Values, decide, sampled
from dadarts.errors import InputError

_NOMINAL = (np.nan, np.nan)


def choose(files: Sequence[Path], depths: Sequence[Depth], decoder: Decoder, key: str) -> ValueRange | None:
    """The range of the training pictures' values, over a fixed sample of the deep ones; cached under `key`.

    None where none is deep, where the decoder is to take nominal ranges, or where it is the nominal range of their
    type. Raises InputError where some hold integers and others floats that need a range of their own.
    """
    if decoder.nominal or not any(depths):
        return None
    kept = decoder.cache.find(key)
    if kept is None or not _is_range(kept):
        chosen = _decided(files, depths)
        kept = decoder.cache.keep(key, np.array(_NOMINAL if chosen is None else chosen, np.float64))
    low, high = kept.tolist()
    return None if np.isnan(low) else ValueRange(low, high)


def _is_range(kept: NDArray[Any]) -> bool:
    if kept.shape != (2,) or kept.dtype != np.float64:
        return False
    return bool(np.isnan(kept).all() or (np.isfinite(kept).all() and kept[0] <= kept[1]))


def _decided(files: Sequence[Path], depths: Sequence[Depth]) -> ValueRange | None:
    chosen: dict[ValueRange | None, Path] = {}
    for kind in (Depth.INTEGERS, Depth.FLOATS):
        deep = [file for file, depth in zip(files, depths, strict=True) if depth == kind]
        values = sampled(deep, _read)
        if values is not None:
            chosen.setdefault(decide(values), deep[0])
    if len(chosen) > 1:
        (one, first), (other, second) = chosen.items()
        raise InputError(
            f"the pictures are of two kinds that cannot be compared: integers such as {first} ({one or 'nominal'}) and "
            f"floats such as {second} ({other or 'nominal'}); bring them to one kind"
        )
    return next(iter(chosen), None)


def _read(file: Path) -> Values | None:
    try:
        return images.read_values(file, str(file))
    except InputError:  # Whoever decodes all pictures names it.
        return None


def mixed(depths: Sequence[Depth]) -> Iterator[str]:
    """What a run says where only some pictures are deeper than bytes."""
    deep = sum(depth != Depth.BYTES for depth in depths)
    if 0 < deep < len(depths):
        yield (
            f"{deep} pictures are deeper than 8 bits and {len(depths) - deep} are not: of these, 0 is black and 255 is "
            "white, whatever is so of those"
        )
