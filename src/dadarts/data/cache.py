"""Decoded arrays kept in files, so that the next run need not decode again.

A file is named by a digest of all that decides its content; the folder can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FORMAT = 1


def digest(files: Iterable[Path], *parameters: object) -> str:
    """The key of what is made from `files` (path, size and time of change) with `parameters`."""
    state = blake2b(repr((_FORMAT, parameters)).encode(), digest_size=16)
    for file in files:
        found = file.stat()
        state.update(os.fsencode(file.resolve()) + f"\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return state.hexdigest()


@dataclass(frozen=True)
class Cache:
    """Arrays by key, as `.npy` files in `folder`."""

    folder: Path

    def find(self, key: str) -> NDArray[Any] | None:
        """The array kept under `key`, mapped from its file; None where there is none or it is cut short."""
        file = self._file(key)
        try:
            # "c": pages are private and writable, as torch wants them, and the file is never changed.
            array = np.load(file, mmap_mode="c", allow_pickle=False)
            whole = file.stat().st_size == array.offset + array.nbytes
        except (OSError, ValueError, EOFError):
            return None
        return array if whole else None

    def keep(self, key: str, array: NDArray[Any]) -> NDArray[Any]:
        """`array` as kept under `key`; the array itself where the folder is full or cannot be written."""
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Two processes may keep the same array at once: each writes its own file, the last one stays.
            descriptor, temporary = tempfile.mkstemp(prefix=f".{key}-", dir=self.folder)
            with os.fdopen(descriptor, "wb") as file:
                np.save(file, array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._file(key))
        except OSError:
            return array
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink(missing_ok=True)
        kept = self.find(key)
        return array if kept is None else kept

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.npy"
