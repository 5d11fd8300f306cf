"""Files that are read, of a size that is to be expected, and files that are written, whole or not at all.

A pipe, a device or a file without an end in the place of one would hang a command or eat the machine's memory. What
lies in a run's folder may be a symbolic link where it is read (people keep runs on other disks), and never where it is
written: somebody else's file would be.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, TextIO

from dadarts.errors import RunError

TEXT = 1 << 24
"""Bytes of a text that is read whole."""
TABLE = 1 << 28
"""Bytes of a table that is read row by row."""
_FULL = 1 << 20
"""Free bytes below which a disk that failed was full."""


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


def write(path: Path, fill: Callable[[Path], object]) -> None:
    """Let `fill` write a temporary file beside `path`, flush it to the disk, and rename it to `path`.

    Raises:
        RunError: the disk is full, the folder cannot be written, or `path` is a pipe or a device; it is as it was.
    """
    with _replaced(path) as temporary:
        try:
            fill(temporary)
        except RuntimeError as error:
            # torch.save reports a failing disk as an error of its own archive, which says nothing of a disk.
            raise OSError from error


def write_text(path: Path, text: str) -> None:
    """`write` for text."""
    write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


@contextmanager
def writing(path: Path) -> Iterator[TextIO]:
    """A text file to write in the course of a block, which appears whole where the block ends, and else not at all.

    Bytes of a file's name that are no UTF-8 are written as they are.

    Raises:
        RunError: as in `write`.
    """
    with (
        _replaced(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        yield file


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    if path.exists() and not (path.is_file() or path.is_dir()):
        # A file in the place of /dev/null would get everybody's output.
        raise RunError(f"cannot write {path}: not a regular file")
    kept = "; what was there before is kept" if os.path.lexists(path) else ""
    try:
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or _of_the_disk(path.parent)}{kept}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """An empty file beside `path` that takes its place when the block has filled it, and is gone where it fails.

    Raises:
        OSError: it cannot be made, flushed to the disk or renamed.
    """
    # Of several processes and threads each fills its own, and the last one stays.
    temporary = path.with_name(f".{path.name}.{os.getpid()}{threading.get_native_id()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Who fills it may make a file of its own that others cannot read.
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        if stat.S_IMODE(temporary.stat().st_mode) != mode:
            temporary.chmod(mode)
        put(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def put(temporary: Path, path: Path) -> None:
    """Flush a file to the disk, and let it take the place of another; raises OSError."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def _of_the_disk(folder: Path) -> str:
    """Why a disk has failed, where the system has not said it."""
    with suppress(OSError):
        free = os.statvfs(folder)
        if free.f_bavail * free.f_frsize < _FULL:
            return os.strerror(errno.ENOSPC)
    return "the disk is full, or fails"
