"""A folder that one process writes at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from dadarts import files
from dadarts.errors import InputError, RunError

LOCK = ".lock"
"""The file in a folder that is held while the folder is."""
_INSTANT_S = 0.05
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


@contextmanager
def locked(folder: Path, refusal: Callable[[IO[str]], str]) -> Iterator[IO[str]]:
    """Make a folder and hold it, by the lock file that is yielded.

    The lock is the kernel's and ends with the process, however that ends.

    Args:
        folder: what to hold.
        refusal: what to say where another process holds it, of what that has written into the lock file.

    Raises:
        InputError: another process holds it, a folder cannot be made in that place, or a pipe, a link or a folder is
            where the lock file should be.
        RunError: the disk is full or fails, or what is there cannot be written.
    """
    with ExitStack() as opened:
        # Who asks whether the folder is held holds it for an instant.
        for patience in (_INSTANT_S, 0.0):
            file = opened.enter_context(_opened(folder))
            if _taken(file, fcntl.LOCK_EX) and _is_in_place(file, folder):
                break
            time.sleep(patience)
        else:
            file.seek(0)
            raise InputError(refusal(file))
        yield file


def _opened(folder: Path) -> IO[str]:
    _make(folder)
    path = folder / LOCK
    try:
        return files.open_lock(path, make=True)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EISDIR):
            raise InputError(f"{path} is not a regular file; move it") from None
        raise RunError(f"cannot write {folder}: {error.strerror}") from error


def _is_in_place(file: IO[str], folder: Path) -> bool:
    """Whether the folder of a lock file is still where it was opened, not one that was moved meanwhile."""
    try:
        return os.path.samestat((folder / LOCK).stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in _OF_THE_DISK:
            raise RunError(f"cannot write {folder}: {error.strerror}") from error
        # Permissions do not say everything: nobody makes a folder in /proc.
        raise InputError(f"{folder} cannot be made: {error.strerror}; give another -runs_dir") from error


def is_held(folder: Path) -> bool:
    """Whether another process holds a folder."""
    try:
        file = files.open_lock(folder / LOCK, make=False)
    except OSError:
        return False
    with file:
        return not _taken(file, fcntl.LOCK_SH)


def _taken(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
