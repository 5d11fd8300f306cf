"""Pictures in parquet files as Hugging Face writes them: `<root>/{train,test}-*.parquet`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dadarts.data import images
from dadarts.data.cache import digest
from dadarts.data.decoding import Decoder
from dadarts.data.pictures import Parts, Shape
from dadarts.errors import InputError

_PICTURE_COLUMNS = ("img", "image")


def find(folder: Path) -> Mapping[str, Sequence[Path]]:
    """The files of the parts "train" and "test" in `folder`, shards in order; empty where there are none."""
    shards = {part: sorted(folder.glob(f"{part}-*.parquet")) for part in ("train", "test")}
    return shards if any(shards.values()) else {}


def read(
    shards: Mapping[str, Sequence[Path]],
    classes: tuple[str, ...],
    shape: Shape,
    label_columns: Sequence[str],
    decoder: Decoder,
) -> Parts:
    """Both parts; the files' own class names replace `classes` where there are as many.

    Raises InputError, naming the file, where one is missing or damaged, a label is outside the classes, or a
    picture is damaged or of another size than `shape`.
    """
    encoded = []
    for part, files in shards.items():
        if not files:
            raise InputError(f"the {part} part is missing: no {part}-*.parquet beside the other part's files")
        labels = [_labels(file, label_columns, len(classes)) for file in files]
        encoded.append(_Rows(tuple(files), torch.cat(labels), shape, digest(files, "parquet", shape)))
    train, test = decoder.pictures(*encoded)
    return Parts(_class_names(shards["train"][0], label_columns, classes), train, test)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of one part; their compressed bytes are read when the first is decoded."""

    files: tuple[Path, ...]
    labels: Tensor
    shape: Shape
    key: str

    def decode(self, position: int) -> NDArray[np.uint8]:
        name, content = self._rows[position]
        pixels = images.decode_jpeg(content, self.shape)
        if pixels is None:
            pixels = images.decode(content, name, self.shape[0])
        if pixels.shape != self.shape:
            _, height, width = pixels.shape
            raise InputError(f"{name} is {width}x{height}, not {self.shape[2]}x{self.shape[1]} pixels")
        return pixels

    @cached_property
    def _rows(self) -> list[tuple[str, bytes]]:
        rows = []
        for file in self.files:
            column = _column(file, _PICTURE_COLUMNS)
            for number, value in enumerate(column.to_pylist()):
                content = value.get("bytes") if isinstance(value, dict) else value
                if not isinstance(content, bytes):
                    raise InputError(f"{file} row {number} holds no picture bytes")
                rows.append((f"{file} row {number}", content))
        return rows


def _labels(file: Path, columns: Sequence[str], n_classes: int) -> Tensor:
    values = _column(file, columns)
    if values.null_count:
        raise InputError(f"{file} holds a row without a label")
    labels = values.to_numpy()
    if labels.dtype.kind not in "iu":
        raise InputError(f"{file} holds labels that are no whole numbers ({values.type})")
    wrong = labels[(labels < 0) | (labels >= n_classes)]
    if len(wrong):
        raise InputError(f"{file} holds label {wrong[0]}; there are 0 to {n_classes - 1}")
    return torch.from_numpy(labels.astype(np.int64))


def _column(file: Path, names: Sequence[str]) -> Any:
    """The first of the named columns that the file has."""
    import pyarrow as pa  # Arrow takes a quarter second to import, and only parquet needs it.
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            held = table.schema_arrow.names
            name = next((name for name in names if name in held), None)
            if name is None:
                raise InputError(f"{file} has no column {' or '.join(names)}, only {', '.join(held)}")
            return table.read([name]).column(name)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file} is damaged or cannot be read: {reason}") from error


def _class_names(file: Path, columns: Sequence[str], known: tuple[str, ...]) -> tuple[str, ...]:
    import pyarrow.parquet as pq

    metadata = pq.read_schema(file).metadata or {}
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        found = next(tuple(features[name]["names"]) for name in columns if name in features)
    except (ValueError, KeyError, TypeError, StopIteration):  # Names are a courtesy of the writer.
        return known
    return found if len(found) == len(known) and all(isinstance(name, str) for name in found) else known
