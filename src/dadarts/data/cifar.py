"""CIFAR-10 and CIFAR-100 in their official layouts, of any size, and as Hugging Face parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dadarts.data import declared, download, parquet, tar
from dadarts.data.decoding import Decoder
from dadarts.data.download import Remote
from dadarts.data.pictures import InMemory, Parts, Shape
from dadarts.data.unpickle import read_pickle
from dadarts.errors import InputError, shortened

SHAPE: Shape = (3, 32, 32)
_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Form:
    """One official form of a data set: a folder, the archive that holds it, and the files in it."""

    folder: str
    archive: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str


@dataclass(frozen=True)
class Layout:
    """Where a CIFAR data set lies and how it is written."""

    name: str
    classes: tuple[str, ...]
    python: Form
    binary: Form
    label_keys: tuple[str, ...]
    names_key: str
    label_bytes: int
    remote: Remote


@dataclass(frozen=True)
class _Content:
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


_Files = Callable[[str], bytes | None]
_Read = Callable[[Layout, bytes, str], _Content]


def read(layout: Layout, data_path: Path, decoder: Decoder) -> Parts:
    """The first form found below `data_path`, and the official archive, downloaded, where there is none.

    Raises InputError where a file is missing, damaged or holds code.
    """
    found = _official(layout, data_path)
    if found is not None:
        return found
    if shards := parquet.find(data_path / layout.name):
        return parquet.read(shards, layout.classes, SHAPE, layout.label_keys, decoder)
    try:
        archive = download.fetch(layout.remote, data_path)
    except download.UnreachableError as error:
        raise InputError(
            f"{layout.name} is not under {data_path} and cannot be downloaded ({error}): put "
            f"{layout.remote.file} from {layout.remote.url} or the folder {layout.python.folder} into "
            f"{data_path}"
        ) from error
    return _from_archive(layout, layout.python, archive, _read_python)


def _official(layout: Layout, data_path: Path) -> Parts | None:
    forms: tuple[tuple[Form, _Read], ...] = ((layout.python, _read_python), (layout.binary, _read_binary))
    for form, read_file in forms:
        folder, archive = data_path / form.folder, data_path / form.archive
        if folder.is_dir():
            return _from_folder(layout, form, folder, read_file)
        if archive.is_file():
            return _from_archive(layout, form, archive, read_file)
    return None


def _from_folder(layout: Layout, form: Form, folder: Path, read_file: _Read) -> Parts:
    def content(file: str) -> bytes | None:
        try:
            return declared.read_all(folder / file)
        except FileNotFoundError:
            return None

    return _parts(layout, form, str(folder), content, read_file)


def _from_archive(layout: Layout, form: Form, archive: Path, read_file: _Read) -> Parts:
    wanted = {file: f"{form.folder}/{file}" for file in (*form.train, *form.test, form.names)}
    held = tar.read(archive, wanted.values())

    def content(file: str) -> bytes | None:
        return held.pop(wanted[file], None)

    return _parts(layout, form, f"{archive}:{form.folder}", content, read_file)


def _parts(layout: Layout, form: Form, where: str, content: _Files, read_file: _Read) -> Parts:
    names = content(form.names)
    classes = layout.classes if names is None else _class_names(layout, form, names, f"{where}/{form.names}")

    def part(files: Sequence[str]) -> InMemory:
        contents = list(_contents(layout, where, files, content, read_file))
        images = np.concatenate([each.images for each in contents]).reshape(-1, *SHAPE)
        labels = np.concatenate([each.labels for each in contents])
        return InMemory(torch.from_numpy(images), torch.from_numpy(labels))

    return Parts(classes, part(form.train), part(form.test))


def _contents(
    layout: Layout, where: str, files: Sequence[str], content: _Files, read_file: _Read
) -> Iterator[_Content]:
    for file in files:
        held = content(file)
        if held is None:
            raise InputError(f"{where} is incomplete: {file} is missing")
        read = read_file(layout, held, f"{where}/{file}")
        wrong = (read.labels < 0) | (read.labels >= len(layout.classes))
        if wrong.any():
            raise InputError(
                f"{where}/{file} holds label {read.labels[wrong][0]}; {layout.name} has 0 to {len(layout.classes) - 1}"
            )
        yield read


def _class_names(layout: Layout, form: Form, content: bytes, name: str) -> tuple[str, ...]:
    if form is layout.python:
        given = read_pickle(content, name).get(layout.names_key)
        found = given if isinstance(given, list) else []
    else:
        found = content.decode("utf-8", "replace").split()
    if len(found) != len(layout.classes):
        raise InputError(f"{name} should name {len(layout.classes)} classes, but names {len(found)}")
    return tuple(_class_name(each, name) for each in found)


def _class_name(given: object, file: str) -> str:
    if isinstance(given, bytes):
        return shortened(given.decode("utf-8", "replace"))
    if not isinstance(given, str):
        raise InputError(f"{file} should name classes in text, but holds a {type(given).__name__}")
    return shortened(given.encode("utf-8", "replace").decode())


def _read_python(layout: Layout, content: bytes, name: str) -> _Content:
    held = read_pickle(content, name)
    images = held.get("data")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (_PIXELS,):
        raise InputError(f"{name} should hold `data`, a uint8 array of N x {_PIXELS}")
    labels = _whole_numbers(next((held[key] for key in layout.label_keys if key in held), None))
    if labels is None or labels.shape != (len(images),):
        raise InputError(f"{name} should hold `{layout.label_keys[0]}`, {len(images)} whole numbers, one a picture")
    return _Content(images, labels)


def _whole_numbers(given: object) -> NDArray[np.int64] | None:
    """An array, or a list of numbers alone: lists that hold one another can spell more than there is memory."""
    if isinstance(given, list) and all(type(each) is int and each.bit_length() < 64 for each in given):
        return np.array(given, np.int64)
    return given.astype(np.int64) if isinstance(given, np.ndarray) and given.dtype.kind in "iu" else None


def _read_binary(layout: Layout, content: bytes, name: str) -> _Content:
    record = layout.label_bytes + _PIXELS
    if not content or len(content) % record:
        raise InputError(f"{name} is cut short: {len(content)} bytes are not a multiple of {record}")
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    # CIFAR-100 puts the coarse label before the fine one.
    return _Content(records[:, layout.label_bytes :], records[:, layout.label_bytes - 1].astype(np.int64))
