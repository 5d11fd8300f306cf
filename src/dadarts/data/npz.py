"""Arrays in numpy's `.npy` and `.npz` files, read as plain data: headers are matched, never evaluated."""

from __future__ import annotations

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dadarts import files
from dadarts.data import declared
from dadarts.data.declared import Readable
from dadarts.errors import InputError, shortened

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 4096
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What numpy writes; the others can ask for gigabytes before a byte is inflated."""
_ENCRYPTED = 1
_ENTRY = re.compile(
    r"\s*'(?:(?P<descr>descr)'\s*:\s*'(?P<type>[^'\\]*)'|(?P<order>fortran_order)'\s*:\s*(?P<fortran>True|False)"
    r"|(?P<shape>shape)'\s*:\s*\((?P<sizes>[\d\sL,]*)\))\s*(?:,|$)"
)
_TYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|f16|c8|c16|c32|S\d{1,4}|U\d{1,4})")
_LONGEST_NUMBER, _MOST_DIMENSIONS = 18, 32


@dataclass(frozen=True)
class Header:
    """What an array's file says of it, and the bytes that say so."""

    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]
    length: int

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(stream: Readable, name: str) -> Header:
    """The header of an `.npy` file.

    Raises InputError where it is none, or the array is no simple one of numbers or text.
    """
    start = stream.read(8)
    if start[:6] != _MAGIC or len(start) < 8 or start[6] not in (1, 2, 3):
        raise InputError(f"{name} is damaged: it is no array of numpy")
    digits = 2 if start[6] == 1 else 4
    length = int.from_bytes(stream.read(digits), "little")
    if length > _LONGEST_HEADER:
        raise InputError(f"{name} is damaged: a header of {length} bytes; at most {_LONGEST_HEADER} are read")
    text = stream.read(length)
    if len(text) < length:
        raise InputError(f"{name} is cut short")
    return _parse(text.decode("latin1").strip(), 8 + digits + length, name)


def _parse(text: str, length: int, name: str) -> Header:
    found: dict[str, str] = {}
    body = text[1:-1] if text[:1] == "{" and text[-1:] == "}" else "?"
    place = 0
    while body[place:].strip():
        entry = _ENTRY.match(body, place)
        if entry is None:
            raise InputError(
                f"{name} holds structured or damaged data ({shortened(text, 80)}); give plain numbers or text"
            )
        found |= {key: value for key, value in entry.groupdict().items() if value is not None}
        place = entry.end()
    if not {"type", "fortran", "sizes"} <= found.keys():
        raise InputError(f"{name} is damaged: its header names no type, order or shape")
    words = [word for word in re.split(r"[\sL,]+", found["sizes"]) if word]
    if len(words) > _MOST_DIMENSIONS or any(len(word) > _LONGEST_NUMBER for word in words):
        raise InputError(f"{name} is damaged: no array has the shape ({shortened(found['sizes'], 80)})")
    return Header(_dtype(found["type"], name), found["fortran"] == "True", tuple(map(int, words)), length)


def _dtype(code: str, name: str) -> np.dtype[Any]:
    if code.lstrip("<>|=")[:1] == "O":
        raise InputError(f"{name} is damaged, or holds pickled objects, which are never read")
    if not _TYPE.fullmatch(code):
        raise InputError(f"{name} holds data of the type {shortened(code, 40)!r}; give plain numbers or text")
    try:
        return np.dtype(code)
    except TypeError as error:  # the largest floats are not there on every machine
        raise InputError(f"{name} holds data of the type {code!r}, which this machine does not have") from error


def read_arrays(file: Path, keys: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Those of the arrays `keys` that an `.npz` file has.

    Raises InputError, naming the file, where it is no such file, is damaged, declares more data than there is memory,
    or where one of the arrays is none of numbers or text.
    """
    try:
        with files.open_bytes(file) as stream:
            if stream.read(6) == _MAGIC:
                raise InputError(f"{file} is a single array, not an .npz archive of x and y")
            with zipfile.ZipFile(stream) as archive:
                members = {key: _member(archive, key, file) for key in keys}
                return {key: _array(archive, member, f"{file}: {key}") for key, member in members.items() if member}
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError) as error:
        raise InputError(f"{file} is damaged: {shortened(error, 100)}") from error
    except (ValueError, KeyError, NotImplementedError, RuntimeError, OverflowError) as error:
        raise InputError(f"{file} is damaged: {shortened(error, 100)}") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or shortened(error, 100)}") from error


def _member(archive: zipfile.ZipFile, key: str, file: Path) -> zipfile.ZipInfo | None:
    members = [member for member in archive.infolist() if member.filename in (key, f"{key}.npy")]
    if len(members) > 1:
        raise InputError(f"{file} holds {len(members)} arrays called {key}")
    if members and members[0].flag_bits & _ENCRYPTED:
        raise InputError(f"{file}: {key} is encrypted; give it without a password")
    if members and members[0].compress_type not in _METHODS:
        raise InputError(f"{file}: {key} is compressed in a way that numpy does not write; save it with numpy.savez")
    return members[0] if members else None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    with archive.open(member) as stream:
        header = read_header(stream, name)
        if header.size == 0:
            # Where one size is 0 the others are held to nothing.
            declared.check(math.prod(max(1, size) for size in header.shape) * header.dtype.itemsize, name)
        held = declared.read(stream, header.size, name, member.file_size - header.length)
    if header.size == 0:
        return np.zeros(header.shape, header.dtype)
    return held.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
