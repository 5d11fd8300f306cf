"""A folder that one process writes at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dadarts.errors import InputError, RunError


@contextmanager
def locked(folder: Path, refusal: Callable[[IO[str]], str]) -> Iterator[IO[str]]:
    """Make a folder and hold it, by the lock file that is yielded.

    The lock is the kernel's and ends with the process, however that ends.

    Args:
        folder: what to hold.
        refusal: what to say where another process holds it, of what that has written into the lock file.

    Raises:
        InputError: another process holds it.
        RunError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise InputError(refusal(file)) from None
        yield file
