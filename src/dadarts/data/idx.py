"""MNIST's IDX files, gzipped or not."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dadarts import files
from dadarts.data import declared, download
from dadarts.data.declared import Readable
from dadarts.data.decoding import Decoder
from dadarts.data.download import Remote
from dadarts.data.pictures import InMemory, Parts
from dadarts.errors import InputError

_SIDE = 28
_UINT8 = 0x08


@dataclass(frozen=True)
class Layout:
    """Where an MNIST-like data set lies: `folders` below the data path, the official one first.

    `remotes` are the images and labels of the training part, then those of the test part, each named
    `<stem>-idx<dimensions>-ubyte.gz`.
    """

    name: str
    classes: tuple[str, ...]
    folders: tuple[str, ...]
    remotes: tuple[Remote, Remote, Remote, Remote]


def read(layout: Layout, data_path: Path, decoder: Decoder) -> Parts:
    """Both parts; files that are not found are downloaded into the first folder.

    Raises InputError where a file is missing, damaged, cut short, or does not fit the one beside it.
    """
    folders = [data_path / folder for folder in layout.folders]
    files = [_find(remote.file, folders) or _fetch(layout, remote, folders[0]) for remote in layout.remotes]
    train, test = (_part(layout, images, labels) for images, labels in (files[:2], files[2:]))
    return Parts(layout.classes, train, test)


def _find(official: str, folders: Sequence[Path]) -> Path | None:
    plain = official.removesuffix(".gz")
    spellings = (plain, official, plain.replace("-idx", ".idx"), official.replace("-idx", ".idx"))
    candidates = (folder / spelling for folder in folders for spelling in spellings)
    return next((file for file in candidates if file.is_file()), None)


def _fetch(layout: Layout, remote: Remote, folder: Path) -> Path:
    try:
        return download.fetch(remote, folder)
    except download.UnreachableError as error:
        files = ", ".join(each.file for each in layout.remotes)
        source = remote.url.removesuffix(remote.file)
        raise InputError(
            f"{layout.name} is not complete under {folder} and cannot be downloaded ({error}): put {files} "
            f"from {source} into {folder}"
        ) from error


def _part(layout: Layout, image_file: Path, label_file: Path) -> InMemory:
    images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
    if images.shape[1:] != (_SIDE, _SIDE):
        height, width = images.shape[1:]
        raise InputError(f"{image_file} holds pictures of {width}x{height}, not {_SIDE}x{_SIDE} pixels")
    if len(images) != len(labels):
        raise InputError(f"{image_file} holds {len(images)} pictures, but {label_file} {len(labels)} labels")
    if len(labels) == 0:
        raise InputError(f"{image_file} holds no pictures")
    if labels.max() >= len(layout.classes):
        raise InputError(f"{label_file} holds label {labels.max()}; {layout.name} has 0 to {len(layout.classes) - 1}")
    return InMemory(torch.from_numpy(images)[:, None], torch.from_numpy(labels).to(torch.int64))


def read_idx(file: Path, dimensions: int) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes; raises InputError, naming it, where it is anything else or damaged."""
    try:
        with files.open_bytes(file) as stream:
            zipped = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            there = None if zipped else os.fstat(stream.fileno()).st_size
            return _parse(gzip.GzipFile(fileobj=stream) if zipped else stream, file, dimensions, there)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{file} is damaged or cut short: {error}") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error


def _parse(stream: Readable, file: Path, dimensions: int, there: int | None) -> NDArray[np.uint8]:
    magic = bytes((0, 0, _UINT8, dimensions))
    header = stream.read(4 + 4 * dimensions)
    if header[:4] != magic:
        raise InputError(f"{file} is no IDX file of {dimensions} dimensions (it begins {header[:4].hex()})")
    if len(header) < 4 + 4 * dimensions:
        raise InputError(f"{file} is cut short")
    shape = [int(size) for size in np.frombuffer(header, ">u4", offset=4)]
    # Where one size is 0 the others are held to nothing.
    if not math.prod(shape):
        declared.check(math.prod(max(1, size) for size in shape), str(file))
    rest = None if there is None else there - len(header)
    return declared.read(stream, math.prod(shape), str(file), rest).reshape(shape)
