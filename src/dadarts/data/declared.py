"""Files that say at their beginning how much follows: believed as far as there is memory, and then held to it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from dadarts.data import memory
from dadarts.errors import InputError

_BLOCK = 1 << 20


class Readable(Protocol):
    """A file, or what is inflated from one."""

    def read(self, size: int, /) -> bytes: ...


@contextmanager
def opened(file: Path, *, links: bool = True) -> Iterator[BinaryIO]:
    """A regular file, for reading; another kind, such as a pipe, could keep a run waiting or never end.

    Without `links`, a symbolic link is not followed but cannot be read.

    Raises InputError where it is of another kind, and OSError where it cannot be read.
    """
    # Opening a pipe waits for its writer unless it is told not to.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{file} is no regular file")
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def check(size: int, name: str) -> None:
    """Raises InputError where a file, called `name`, declares more bytes than decoded data may take."""
    room = memory.budget()
    if size > room:
        raise InputError(f"{name} declares {_shown(size)} of data; {_shown(room)} fit, half of the memory that is free")


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

    Raises InputError where it is of another kind or larger than the memory, and OSError where it cannot be read.
    """
    with opened(file) as stream:
        check(os.fstat(stream.fileno()).st_size, str(file))
        return stream.read()


def _shown(size: int) -> str:
    if size < 1e9:
        return f"{size / 1e6:,.1f} MB"
    return f"{size / 1e9:,.1f} GB" if size < 1e15 else f"{size:.0e} bytes"
