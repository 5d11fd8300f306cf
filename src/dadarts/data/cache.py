"""Decoded arrays kept in files, so that the next run need not decode again.

A file is named by a digest of all that decides its content; the folder can be deleted at any time. It may be shared:
files are readable as the umask says, and whatever is not a whole array in a regular file is made anew. A file is not
compared with what it was made from, so whoever may write into a shared folder decides the pixels that others train on,
and no more than the pixels: nothing in a file is ever run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dadarts import files
from dadarts.data import npz

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
        """The array kept under `key`, mapped from its file; None where there is no whole one."""
        try:
            with files.open_bytes(self._file(key), links=False) as stream:
                header = npz.read_header(stream, key)
                if os.fstat(stream.fileno()).st_size != header.length + header.size or header.size == 0:
                    return None
                # "c": pages are private and writable, as torch wants them, and the file is never changed.
                return np.memmap(
                    stream, header.dtype, "c", header.length, header.shape, "F" if header.fortran else "C"
                ).view(np.ndarray)
        except (OSError, ValueError, OverflowError):  # InputError, of a header that is none, is a ValueError.
            return None

    def keep(self, key: str, array: NDArray[Any]) -> NDArray[Any]:
        """`array` as kept under `key`; the array itself where the folder is full or cannot be written."""
        try:
            with files.replacing(self._file(key)) as temporary, temporary.open("wb") as file:
                np.save(file, array, allow_pickle=False)
        except OSError:
            return array
        kept = self.find(key)
        return array if kept is None else kept

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.npy"
