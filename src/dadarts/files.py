"""Files that a run, a comparison or a user has written: regular ones, of a size that is to be expected.

A pipe, a device or a file without an end in the place of one would hang a command or eat the machine's memory. What
lies in a run's folder may be a symbolic link where it is read (people keep runs on other disks), and never where it is
written: somebody else's file would be.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO, BinaryIO

TEXT = 1 << 24
"""Bytes of a text that is read whole."""
TABLE = 1 << 28
"""Bytes of a table that is read row by row."""


def read_text(path: Path, most: int = TEXT) -> str:
    """The text of a file.

    Raises:
        OSError: it cannot be read, is not a regular file, or holds more than `most` bytes.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_bytes(path, most).decode()


def read_bytes(path: Path, most: int = TEXT) -> bytes:
    """The content of a file.

    Raises:
        OSError: as in `read_text`.
    """
    with os.fdopen(_opened(path, os.O_RDONLY, most), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        # Files that the kernel makes up have no size.
        raise _too_large(path, most)
    return content


def open_text(path: Path, most: int = TABLE) -> IO[str]:
    """A file to read line by line; line ends are left as they are.

    Raises:
        OSError: as in `read_text`.
    """
    return os.fdopen(_opened(path, os.O_RDONLY, most), encoding="utf-8", newline="")


def open_bytes(path: Path, *, links: bool = True) -> BinaryIO:
    """A file of any size to read.

    Raises:
        OSError: it cannot be read, or is not a regular file; without `links`, also where it is a symbolic link.
    """
    return os.fdopen(_opened(path, os.O_RDONLY if links else os.O_RDONLY | os.O_NOFOLLOW), "rb")


def open_to_append(path: Path) -> IO[bytes]:
    """A file to write at the end of, made where there is none.

    Raises:
        OSError: it cannot be written, or is a link or otherwise not a regular file.
    """
    return os.fdopen(_opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW), "ab")


def open_lock(path: Path, *, make: bool) -> IO[str]:
    """A lock file: to read and write, made where there is none, or to look at only.

    Raises:
        OSError: as in `open_to_append`.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT if make else os.O_RDONLY
    return os.fdopen(_opened(path, flags | os.O_NOFOLLOW), "a+" if make else "r", encoding="utf-8", errors="replace")


def _opened(path: Path, flags: int, most: int | None = None) -> int:
    # Without O_NONBLOCK a pipe blocks here already, until somebody opens its other end.
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, 0o666)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV) or (error.errno == errno.ELOOP and flags & os.O_NOFOLLOW):
            raise _not_regular(path) from None
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _not_regular(path)
        if most is not None and found.st_size > most:
            raise _too_large(path, most)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _not_regular(path: Path) -> OSError:
    return OSError(errno.ENXIO, "not a regular file", str(path))


def _too_large(path: Path, most: int) -> OSError:
    return OSError(errno.EFBIG, f"more than {most:,} bytes", str(path))
