"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from dadarts.errors import RunError

_FULL = 1 << 20
"""Free bytes below which a disk that failed was full."""


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
    """An empty file that takes the place of `path` when the block has filled it."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        # A file in the place of /dev/null would get everybody's output.
        raise RunError(f"cannot write {path}: not a regular file")
    kept = "; what was there before is kept" if os.path.lexists(path) else ""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Who fills it may make a file of its own that others cannot read.
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        if stat.S_IMODE(temporary.stat().st_mode) != mode:
            temporary.chmod(mode)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or _of_the_disk(path.parent)}{kept}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _of_the_disk(folder: Path) -> str:
    """Why a disk has failed, where the system has not said it."""
    with suppress(OSError):
        free = os.statvfs(folder)
        if free.f_bavail * free.f_frsize < _FULL:
            return os.strerror(errno.ENOSPC)
    return "the disk is full, or fails"
