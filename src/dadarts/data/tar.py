"""Files of a tar archive, gzipped or not, read front to back: what an archive declares decides nothing unchecked.

References: POSIX.1-1988, the ustar interchange format. Extended headers are passed over: they say nothing that the
names and sizes of our archives need.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from dadarts import files
from dadarts.data import declared
from dadarts.data.declared import Readable
from dadarts.errors import InputError

_RECORD = 512
_BLOCK = 1 << 20
_MOST_MEMBERS = 10_000
_MOST_OTHERS = 1 << 28
"""Bytes of members that nobody asked for, which are inflated only to be passed over."""
_FILE = (b"0", b"\0", b"7")


def read(archive: Path, wanted: Collection[str]) -> dict[str, bytes]:
    """The regular files called `wanted` that the archive holds; of several of one name the last.

    Raises InputError, naming it, where it is damaged, cut short, or holds more than it may.
    """
    try:
        with files.open_bytes(archive) as stream:
            zipped = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            return _read(_stream(stream, zipped), archive, wanted)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{archive} is damaged or cut short: {error}") from error
    except OSError as error:
        raise InputError(f"{archive} cannot be read: {error.strerror or error}") from error


def _stream(stream: BinaryIO, zipped: bool) -> Readable:
    return gzip.GzipFile(fileobj=stream) if zipped else stream


def _read(stream: Readable, archive: Path, wanted: Collection[str]) -> dict[str, bytes]:
    held: dict[str, bytes] = {}
    others = 0
    for _ in range(_MOST_MEMBERS):
        header = stream.read(_RECORD)
        if not header.strip(b"\0"):
            if len(header) < _RECORD:
                raise InputError(f"{archive} is damaged or cut short: it has no end")
            _finish(stream, archive)
            return held
        name, size = _parse(header, archive)
        if name in wanted and header[156:157] in _FILE:
            declared.check(size + sum(map(len, held.values())), str(archive))
            held[name] = _take(stream, size, archive)
        else:
            others += size
            if others > _MOST_OTHERS:
                raise InputError(
                    f"{archive} holds over {_MOST_OTHERS // 2**20} MB of files that are none of the data set"
                )
            _pass_over(stream, size, archive)
        _pass_over(stream, -size % _RECORD, archive)
    raise InputError(f"{archive} holds more than {_MOST_MEMBERS} files")


def _parse(header: bytes, archive: Path) -> tuple[str, int]:
    """The name and size of a member."""
    blank = header[:148] + b" " * 8 + header[156:]
    if len(header) < _RECORD or _octal(header[148:156]) != sum(blank):
        raise InputError(f"{archive} is damaged or cut short: a header is wrong")
    size = _octal(header[124:136])
    if size is None:
        raise InputError(f"{archive} is damaged: a member has no size")
    name, prefix = (part.split(b"\0")[0].decode("utf-8", "replace") for part in (header[:100], header[345:500]))
    joined = f"{prefix}/{name}" if prefix and header[257:263] == b"ustar\0" else name
    return joined.removeprefix("./"), size


def _octal(field: bytes) -> int | None:
    digits = field.split(b"\0")[0].strip()
    return int(digits, 8) if digits and not digits.strip(b"01234567") else None


def _take(stream: Readable, size: int, archive: Path) -> bytes:
    blocks = []
    while size and (block := stream.read(min(_BLOCK, size))):
        blocks.append(block)
        size -= len(block)
    if size:
        raise InputError(f"{archive} is damaged or cut short: a file is not whole")
    return b"".join(blocks)


def _pass_over(stream: Readable, size: int, archive: Path) -> None:
    while size:
        passed = len(stream.read(min(_BLOCK, size)))
        if not passed:
            raise InputError(f"{archive} is damaged or cut short: a file is not whole")
        size -= passed


def _finish(stream: Readable, archive: Path) -> None:
    """Reads to the end, where a gzipped archive has its checksum."""
    left = _MOST_OTHERS
    while passed := len(stream.read(_BLOCK)):
        left -= passed
        if left < 0:
            raise InputError(f"{archive} goes on behind its end")
