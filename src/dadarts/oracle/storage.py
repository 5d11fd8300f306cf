"""How a table lies on disk: a safetensors file, mapped into memory and never copied.

The format is the public one (eight bytes with the length of a JSON header, the header, then the arrays), so that other
programs can read a table too. It is written here and not by its library because that one orders metadata by chance, and
a table is the same file whenever it is made.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Columns: TypeAlias = Mapping[str, NDArray[Any]]
_DTYPES = {"U32": np.dtype("<u4"), "F32": np.dtype("<f4")}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_ALIGNMENT = 8


def write(path: Path, columns: Columns, metadata: Mapping[str, str]) -> None:
    """Write arrays of uint32 or float32, and what they are."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, column in columns.items():
        begin, end = end, end + column.nbytes
        header[name] = {"dtype": _NAMES[column.dtype], "shape": list(column.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    arrays = b"".join(np.ascontiguousarray(column).tobytes() for column in columns.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + arrays)


def read(path: Path) -> tuple[Columns, dict[str, str]]:
    """The arrays of a table, read-only views of the file, and its metadata."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = 8 + int.from_bytes(mapped[:8], "little")
    header = json.loads(mapped[8:start])
    metadata: dict[str, str] = header.pop("__metadata__")
    columns = {}
    for name, at in header.items():
        dtype, offset = _DTYPES[at["dtype"]], start + at["data_offsets"][0]
        count = int(np.prod(at["shape"]))
        columns[name] = np.frombuffer(mapped, dtype, count, offset).reshape(at["shape"])
    return columns, metadata
