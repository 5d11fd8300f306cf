"""Which values are black and white in a data set, of whose pictures some or all may be deeper than bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dadarts.data import images
from dadarts.data.decoding import Decoder, shown, threaded
from dadarts.data.deep import Depth
from dadarts.data.values import Given, ValueRange, Values, decide, refuse_beyond_nominal, sampled
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
        chosen = decided(files, depths, _read, str)
        kept = decoder.cache.keep(key, np.array(_NOMINAL if chosen is None else chosen, np.float64))
    low, high = kept.tolist()
    return None if np.isnan(low) else ValueRange(low, high)


def refuse_clipped(files: Sequence[Path], depths: Sequence[Depth], decoder: Decoder, key: str) -> None:
    """Refuse pictures that nominal ranges, where the decoder is to take these, would clip.

    That there is none is cached under `key`. Raises InputError, naming the first.
    """
    deep = [file for file, depth in zip(files, depths, strict=True) if depth != Depth.BYTES]
    if not decoder.nominal or not deep or decoder.cache.find(key) is not None:
        return
    read = threaded(_read, deep, decoder.workers)
    for file, values in zip(deep, shown(read, len(deep), "looking at the range of values"), strict=True):
        if values is not None:
            refuse_beyond_nominal(values, str(file))
    decoder.cache.keep(key, np.array(_NOMINAL))


def _is_range(kept: NDArray[Any]) -> bool:
    if kept.shape != (2,) or kept.dtype != np.float64:
        return False
    return bool(np.isnan(kept).all() or (np.isfinite(kept).all() and kept[0] <= kept[1]))


def decided(
    pictures: Sequence[Given],
    depths: Sequence[Depth],
    read: Callable[[Given], Values | None],
    name: Callable[[Given], str],
) -> ValueRange | None:
    """The range of training pictures that `read` gives the values of; None as of `choose`.

    Raises InputError, with the names of two pictures, where integers and floats have different ranges.
    """
    chosen: dict[ValueRange | None, Given] = {}
    for kind in (Depth.INTEGERS, Depth.FLOATS):
        deep = [picture for picture, depth in zip(pictures, depths, strict=True) if depth == kind]
        values = sampled(deep, read)
        if values is not None:
            chosen.setdefault(decide(values), deep[0])
    if len(chosen) > 1:
        (one, first), (other, second) = chosen.items()
        raise InputError(
            "the pictures are of two kinds that cannot be compared: "
            f"integers such as {name(first)} ({one or 'nominal'}) and "
            f"floats such as {name(second)} ({other or 'nominal'}); bring them to one kind"
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
            f"{deep} pictures are deeper than 8 bits and {len(depths) - deep} are not: those of 8 bits are taken as "
            "they are, 0 as black and 255 as white"
        )
