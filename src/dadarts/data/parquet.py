"""Pictures in parquet files as Hugging Face writes them: `<root>/{train,test}-*.parquet`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dadarts.data import arrow, images
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
    found = arrow.class_names(shards["train"][0], label_columns)
    return Parts(found if found is not None and len(found) == len(classes) else classes, train, test)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of one part; their compressed bytes are read when the first is decoded."""

    files: tuple[Path, ...]
    labels: Tensor
    shape: Shape
    key: str
    _reading: Lock = field(default_factory=Lock, init=False, repr=False)

    def decode(self, position: int) -> NDArray[np.uint8]:
        # Since Python 3.12 several threads may compute one cached property at once, here each with a copy of the files.
        with self._reading:
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
            contents = arrow.read_bytes(file, _PICTURE_COLUMNS)
            rows += [(f"{file} row {number}", content) for number, content in enumerate(contents)]
        if len(rows) != len(self.labels):
            raise InputError(
                f"{self.files[0]} is damaged: there are {len(rows)} pictures and {len(self.labels)} labels"
            )
        return rows


def _labels(file: Path, names: Sequence[str], n_classes: int) -> Tensor:
    labels = arrow.read_numbers(file, names)
    wrong = labels[(labels < 0) | (labels >= n_classes)]
    if len(wrong):
        raise InputError(f"{file} holds label {wrong[0]}; there are 0 to {n_classes - 1}")
    return torch.from_numpy(labels.astype(np.int64))
