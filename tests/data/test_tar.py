"""Archives against Python's own writer, and forged ones."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from dadarts.data import load, tar
from dadarts.errors import InputError

from .conftest import Asking
from .samples import cifar10_python, write_files

FOLDER = "cifar-10-batches-py"


def packed(members: list[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.USTAR_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", **headers: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.pax_headers = kind, target, headers
    return member


def written(tmp_path: Path, content: bytes, zipped: bool = True) -> Path:
    archive = tmp_path / "it.tar.gz"
    archive.write_bytes(gzip.compress(content) if zipped else content)
    return archive


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("zipped", [True, False])
def test_the_wanted_files_are_read_whoever_wrote_the_archive(tmp_path: Path, form: int, zipped: bool) -> None:
    long = "d" * 90 + "/" + "f" * 60
    members = [
        (info("a", tarfile.DIRTYPE), b""),
        (info("./a/b", comment="ä" * 600), b"one" * 400),
        (info("c"), b"other"),
        (info("a/d"), b""),
        (info(long), b"far"),
    ]
    read = tar.read(written(tmp_path, packed(members, form), zipped), ("a/b", "a/d", "a/e", long))
    expected = {"a/b": b"one" * 400, "a/d": b""}
    assert read == expected | ({long: b"far"} if form == tarfile.USTAR_FORMAT else {})


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_a_link_or_device_in_the_place_of_a_batch_is_not_followed(tmp_path: Path, ask: Asking, kind: bytes) -> None:
    files = cifar10_python()
    files.pop("test_batch")
    members = [(info(f"{FOLDER}/{name}"), content) for name, content in files.items()]
    members.append((info(f"{FOLDER}/test_batch", kind, f"{FOLDER}/data_batch_1"), b""))
    (tmp_path / "datasets").mkdir()
    written(tmp_path, packed(members)).rename(tmp_path / "datasets/cifar-10-python.tar.gz")
    with pytest.raises(InputError, match=r"tar\.gz:cifar-10-batches-py is incomplete: test_batch is missing"):
        load(ask("cifar10"))


def forged_size(field: bytes) -> bytes:
    """A member whose header, with its right checksum, has this in the place of its size."""
    content = bytearray(packed([(info("a"), b"xyz")]))
    content[124:136] = field
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    return bytes(content)


@pytest.mark.parametrize(
    "field", [b"77777777777\0", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"-1\0" + b" " * 9, b"\0" * 12]
)
@pytest.mark.parametrize("name", ["a", "b"])
def test_a_member_of_a_forged_size_is_refused_at_once(tmp_path: Path, field: bytes, name: str) -> None:
    began = time.process_time()
    with pytest.raises(InputError, match=r"it\.tar\.gz (is damaged|declares|holds)"):
        tar.read(written(tmp_path, forged_size(field)), (name,))
    assert time.process_time() - began < 5


def test_members_that_nobody_wants_are_not_inflated_without_end(tmp_path: Path) -> None:
    large = info("zeros")
    large.size = 300 * 2**20
    content = packed([(info("other"), b"x")]) + bytes(10**6)
    content = large.tobuf(tarfile.USTAR_FORMAT) + content
    with pytest.raises(InputError, match="holds over 256 MB of files that are none of the data set"):
        tar.read(written(tmp_path, content), ("a",))


def test_what_lies_behind_the_end_is_not_inflated_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dadarts.data.tar._MOST_OTHERS", 2**24)
    archive = tmp_path / "it.tar.gz"
    archive.write_bytes(gzip.compress(packed([(info("a"), b"x")])) + gzip.compress(bytes(2**23)) * 3)
    with pytest.raises(InputError, match="goes on behind its end"):
        tar.read(archive, ("a",))


def test_an_archive_of_very_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dadarts.data.tar._MOST_MEMBERS", 100)
    member = packed([(info("a"), b"")])[:512]
    with pytest.raises(InputError, match="more than 100 files"):
        tar.read(written(tmp_path, member * 101), ("a",))


def test_wanted_files_that_together_exceed_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dadarts.data.memory.budget", lambda: 10**6)
    content = packed([(info("a"), bytes(600_000)), (info("b"), bytes(600_000))])
    with pytest.raises(InputError, match=r"it\.tar\.gz declares 1\.2 MB of data; 1\.0 MB fit"):
        tar.read(written(tmp_path, content), ("a", "b"))


@pytest.mark.parametrize("place", [0, 100, 130, 150, 257, 400])
def test_a_header_that_does_not_fit_its_checksum_is_refused(tmp_path: Path, place: int) -> None:
    content = bytearray(packed([(info("a"), b"xyz")]))
    content[place] ^= 0x55
    with pytest.raises(InputError, match="is damaged or cut short"):
        tar.read(written(tmp_path, bytes(content)), ("a",))


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "huge"])
def test_a_batch_that_is_no_regular_file_or_too_large_is_refused_without_waiting(
    tmp_path: Path, ask: Asking, what: str
) -> None:
    batch = write_files(tmp_path / "datasets/cifar-10-batches-py", cifar10_python()) / "data_batch_2"
    batch.unlink()
    if what == "pipe":
        os.mkfifo(batch)
    elif what == "device":
        batch.symlink_to("/dev/zero")
    elif what == "folder":
        batch.mkdir()
    else:
        with batch.open("wb") as file:
            file.truncate(2**42)
    with pytest.raises(InputError, match=r"data_batch_2 (cannot be read: not a regular file|declares)"):
        load(ask("cifar10"))
