"""Files that say at their beginning how much follows: believed as far as there is memory, and then held to it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dadarts import files
from dadarts.data import memory
from dadarts.errors import InputError

_BLOCK = 1 << 20


class Readable(Protocol):
    """A file, or what is inflated from one."""

    def read(self, size: int, /) -> bytes: ...


def check(size: int, name: str) -> None:
    """Raises InputError where a file, called `name`, declares more bytes than decoded data may take."""
    budget = memory.budget()
    if size > budget:
        raise InputError(
            f"{name} declares {_shown(size)} of data; {_shown(budget)} fit, half of the memory that is free"
        )


def read(stream: Readable, size: int, name: str, there: int | None = None) -> NDArray[np.uint8]:
    """The `size` bytes that a stream declares to hold from here to its end, writable; `there` are, where it is known.

    Raises InputError where they are more than there is memory, or the stream holds fewer or more.
    """
    if there is not None and there != size:
        raise InputError(f"{name} promises {size} bytes of data, but holds {'more' if there > size else there}")
    check(size, name)
    held = np.empty(size, np.uint8)
    place = 0
    while place < size and (block := stream.read(min(_BLOCK, size - place))):
        held[place : place + len(block)] = np.frombuffer(block, np.uint8)
        place += len(block)
    # One byte more than promised tells a file that is too long, without reading all of it.
    if place < size or stream.read(1):
        raise InputError(f"{name} promises {size} bytes of data, but holds {'more' if place == size else place}")
    return held


def read_all(file: Path) -> bytes:
    """The content of a regular file.

    Raises InputError where it is larger than the memory, and OSError where it is of another kind or cannot be read.
    """
    with files.open_bytes(file) as stream:
        check(os.fstat(stream.fileno()).st_size, str(file))
        return stream.read()


def _shown(size: int) -> str:
    if size < 1e9:
        return f"{size / 1e6:,.1f} MB"
    return f"{size / 1e9:,.1f} GB" if size < 1e15 else f"{size:.0e} bytes"
