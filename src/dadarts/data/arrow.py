"""One column of a parquet file at a time, in bounds: what a file declares is checked against the memory and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dadarts import files
from dadarts.data import declared
from dadarts.errors import InputError, shortened

_ROWS = 256
"""Rows read at a time: a dictionary can make many large values of a small file."""
_ROW_BYTES = 64
"""What a row takes at least, once it is read."""


def read_numbers(file: Path, names: Sequence[str]) -> NDArray[Any]:
    """The whole numbers of the first of the named columns that the file has, of any width.

    Raises InputError, naming the file, where it is damaged or cannot be read, has no such column, or a row is empty or
    holds something else.
    """
    parts = []
    for batch in _batches(file, names):
        if batch.null_count:
            raise InputError(f"{file} holds a row without a label")
        part = batch.to_numpy(zero_copy_only=False)
        if part.dtype.kind not in "iu":
            raise InputError(f"{file} holds labels that are no whole numbers ({shortened(batch.type, 80)})")
        parts.append(part)
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def read_bytes(file: Path, names: Sequence[str]) -> list[bytes]:
    """The bytes in each row of the first of the named columns that the file has: the row itself, or its `bytes`.

    Raises InputError as `read_numbers`.
    """
    held: list[bytes] = []
    size = 0
    for batch in _batches(file, names):
        for value in batch.to_pylist():
            content = value.get("bytes") if isinstance(value, dict) else value
            if not isinstance(content, bytes):
                raise InputError(f"{file} row {len(held)} holds no picture bytes")
            held.append(content)
            size += len(content)
        declared.check(size, str(file))
    return held


def class_names(file: Path, columns: Sequence[str]) -> tuple[str, ...] | None:
    """The names of the classes of a label column, where Hugging Face's metadata give some; they are a courtesy."""
    with _opened(file) as table:
        metadata = table.schema_arrow.metadata or {}
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        found = next(features[name]["names"] for name in columns if name in features)
    except (ValueError, KeyError, TypeError, StopIteration, RecursionError):
        return None
    named = isinstance(found, list) and all(isinstance(name, str) for name in found)
    return tuple(shortened(name.encode("utf-8", "replace").decode()) for name in found) if named else None


def _batches(file: Path, names: Sequence[str]) -> Iterator[Any]:
    with _opened(file) as table:
        held = table.schema_arrow.names
        name = next((name for name in names if name in held), None)
        if name is None:
            shown = shortened(", ".join(held))
            raise InputError(f"{file} has no column {' or '.join(names)}, only {shown}")
        declared.check(_declared(table, name), str(file))
        left = table.metadata.num_rows
        for batch in table.iter_batches(_ROWS, columns=[name], use_threads=False):
            left -= len(batch)
            yield batch.column(0)
        if left:
            raise InputError(
                f"{file} is damaged: it holds {table.metadata.num_rows - left} rows and says another number"
            )


def _declared(table: Any, name: str) -> int:
    """The bytes that a column is to take, by what the file says of its rows and their parts."""
    found = _ROW_BYTES * table.metadata.num_rows
    for group in range(table.metadata.num_row_groups):
        part = table.metadata.row_group(group)
        chunks = (part.column(place) for place in range(part.num_columns))
        found += sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] == name)
    return int(found)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    import pyarrow as pa  # Arrow takes a quarter second to import, and only parquet needs it.
    import pyarrow.parquet as pq

    try:
        with files.open_bytes(file):
            pass
        with pq.ParquetFile(file, memory_map=False, page_checksum_verification=True) as table:
            yield table
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = shortened(next(iter(str(error).splitlines()), type(error).__name__))
        raise InputError(f"{file} is damaged or cannot be read: {reason}") from error
