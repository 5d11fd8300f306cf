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
        RunError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    kept = "; what was there before is kept" if os.path.lexists(path) else ""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Who fills it may make a file of its own that others cannot read.
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)
        fill(temporary)
        if stat.S_IMODE(temporary.stat().st_mode) != mode:
            temporary.chmod(mode)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        raise RunError(f"cannot write {path}: {_reason(error, path.parent)}{kept}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _reason(error: OSError | RuntimeError, folder: Path) -> str:
    """What the system said."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # torch.save reports a failing disk as a RuntimeError about its own archive, which says nothing of a disk.
    with suppress(OSError):
        free = os.statvfs(folder)
        if free.f_bavail * free.f_frsize < _FULL:
            return os.strerror(errno.ENOSPC)
    return "the disk is full, or fails"


def write_text(path: Path, text: str) -> None:
    """`write` for text."""
    write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


@contextmanager
def writing(path: Path) -> Iterator[TextIO]:
    """A text file to write in the course of a block, which appears whole where the block ends, and else not at all.

    Bytes of a file's name that are no UTF-8 are written as they are.

    Raises:
        RunError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}; what was there before is kept") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
