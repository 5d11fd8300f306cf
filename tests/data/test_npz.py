"""Headers of arrays against numpy's own reader, and archives that lie."""

from __future__ import annotations

import io
import os
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dadarts.data import load
from dadarts.data.npz import read_arrays
from dadarts.errors import InputError

from .conftest import Asking
from .samples import noise

X, Y = noise(20, 10, 12), np.arange(20) % 4
PLAIN = [
    noise(2, 3),
    np.asfortranarray(noise(3, 4)),
    np.arange(6, dtype=">i4").reshape(2, 3),
    np.arange(6, dtype=">f8"),
    np.array([1.5, -0.0], np.float16),
    np.array(["ä", "bee"]),
    np.array([b"ant", b"bee"]),
    np.array([True, False]),
    np.array(7),
    np.zeros((0, 3, 4), np.uint8),
    np.array([1j]),
    np.array(["", "a" * 200], dtype=">U200"),
]


@pytest.mark.parametrize("array", PLAIN, ids=lambda array: f"{array.dtype.str}{array.shape}")
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read_as_numpy_reads_it(tmp_path: Path, array: Any, save: Any) -> None:
    save(tmp_path / "it.npz", x=array, other=noise(3))
    expected = np.load(tmp_path / "it.npz")["x"]
    read = read_arrays(tmp_path / "it.npz", ("x", "y"))
    assert read.keys() == {"x"}
    assert (read["x"].dtype, read["x"].shape) == (expected.dtype, expected.shape)
    assert read["x"].tolist() == expected.tolist()
    assert read["x"].flags.writeable


def npy(header: str | bytes, content: bytes = b"", version: int = 1, length: int | None = None) -> bytes:
    raw = header.encode("latin1") if isinstance(header, str) else header
    size = struct.pack("<H" if version == 1 else "<I", len(raw) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + raw + content


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }          \n",
        "{'shape': (2, 3), 'fortran_order': False, 'descr': '|u1'}",
        "{'descr':'u1','fortran_order':False,'shape':(2,3)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 3L), }",
    ],
)
def test_headers_of_other_writers_are_read(tmp_path: Path, header: str, version: int) -> None:
    with zipfile.ZipFile(tmp_path / "it.npz", "w") as archive:
        archive.writestr("x", npy(header, b"abcdef", version))
    assert read_arrays(tmp_path / "it.npz", ("x",))["x"].tolist() == [[97, 98, 99], [100, 101, 102]]


def header(descr: str = "'|u1'", order: str = "False", shape: str = "(20, 8, 8)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


BAD_MEMBERS: dict[str, bytes] = {
    "nothing": b"",
    "no array": b"x" * 2000,
    "brackets": npy("[" * 60_000, length=60_000),
    "few brackets": npy("[" * 4_000),
    "brackets in a shape": npy(header(shape="(" * 3000)),
    "signs": npy(header(shape="(" + "-" * 3000 + "1,)")),
    "code": npy(header(shape="(__import__('os').abort(),)")),
    "a header of gigabytes": npy("{", version=2, length=2**32 - 1),
    "a header beyond its end": npy("{", length=300),
    "version 9": npy(header(), version=9),
    "objects": npy(header("'|O'", shape="(20,)"), b"\0" * 160),
    "objects of a length": npy(header("'|O8'", shape="(20,)"), b"\0" * 160),
    "a structure": npy(header("[('a', '<i4')]", shape="(20,)"), b"\0" * 80),
    "void": npy(header("'|V8'", shape="(20,)"), b"\0" * 160),
    "dates": npy(header("'<M8[ns]'", shape="(20,)"), b"\0" * 160),
    "a subarray": npy(header("'(2,)u1'")),
    "a type of gigabytes": npy(header("'<U999999999'", shape="(1,)")),
    "text of length 0": npy(header("'<U0'", shape="(20,)")),
    "no such type": npy(header("'u3'")),
    "negative": npy(header(shape="(-1, 8, 8)")),
    "huge": npy(header(shape="(20, 999999999999, 999999999999)")),
    "huge beside 0": npy(header(shape="(0, 999999999999999999, 999999999999999999)")),
    "digits": npy(header(shape="(" + "9" * 3900 + ",)")),
    "dimensions": npy(header(shape="(" + "1, " * 64 + ")"), b"\0"),
    "too little": npy(header(), b"\0" * 1279),
    "too much": npy(header(), b"\0" * 1281),
    "keys of no array": npy("{'a': 1}"),
    "no shape": npy("{'descr': '|u1', 'fortran_order': False}"),
    "no ASCII": npy(b"\xff\xfe\0" * 40),
}


@pytest.mark.parametrize("name", BAD_MEMBERS)
def test_a_forged_member_is_refused_by_name_in_a_short_line(name: str, tmp_path: Path, ask: Asking) -> None:
    np.savez(tmp_path / "pictures.npz", y=Y)
    with zipfile.ZipFile(tmp_path / "pictures.npz", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", BAD_MEMBERS[name])
    began = time.process_time()
    with pytest.raises(InputError, match=r"pictures\.npz: x ") as refused:
        load(ask(tmp_path / "pictures.npz"))
    assert time.process_time() - began < 5
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) <= 500 + len(str(tmp_path))


def declaring(tmp_path: Path, size: int, member: bytes, file_size: int | None = None) -> Path:
    """An archive whose `x` declares `size` pictures of 64 bytes, in the bytes of `member` deflated."""
    file = tmp_path / "pictures.npz"
    content = npy(header(shape=f"({size}, 8, 8)")) + member
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("y.npy", npy(header(shape=f"({size},)")))
        archive.writestr("x.npy", content)
    if file_size is not None:
        raw, true = file.read_bytes(), struct.pack("<I", len(content))
        file.write_bytes(raw.replace(true, struct.pack("<I", file_size)))
    return file


def test_an_archive_that_inflates_beyond_the_memory_is_refused_before_it_is_inflated(
    tmp_path: Path, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dadarts.data.memory.budget", lambda: 10**6)
    file = declaring(tmp_path, 2**18, bytes(2**24))
    assert file.stat().st_size < 2**15
    with pytest.raises(
        InputError, match=r"pictures\.npz: x declares 16\.8 MB of data; 1\.0 MB fit, half of the memory"
    ):
        load(ask(file))


@pytest.mark.parametrize("file_size", [0, 1, 2**31, 2**32 - 2])
def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path, ask: Asking, file_size: int) -> None:
    with pytest.raises(InputError, match=r"pictures\.npz"):
        load(ask(declaring(tmp_path, 20, bytes(1280), file_size)))


def test_an_array_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "it.npz", x=X)
    with zipfile.ZipFile(tmp_path / "it.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("x.npy", b"")
    with pytest.raises(InputError, match="holds 2 arrays called x"):
        read_arrays(tmp_path / "it.npz", ("x",))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path: Path, method: int) -> None:
    stream = io.BytesIO()
    np.save(stream, X)
    with zipfile.ZipFile(tmp_path / "it.npz", "w", method) as archive:
        archive.writestr("x.npy", stream.getvalue())
    with pytest.raises(InputError, match="x is compressed in a way that numpy does not write"):
        read_arrays(tmp_path / "it.npz", ("x",))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "it.npz", x=X)
    content = bytearray((tmp_path / "it.npz").read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(mark) + place] |= 1
    (tmp_path / "it.npz").write_bytes(content)
    with pytest.raises(InputError, match="x is encrypted"):
        read_arrays(tmp_path / "it.npz", ("x",))


def test_labels_of_the_longest_text_are_named_in_short(tmp_path: Path, ask: Asking) -> None:
    y = np.array(["a" * 9000, "b" * 9000] * 10)
    np.savez(tmp_path / "it.npz", x=X, y=y, x_test=X[:2], y_test=np.array(["c" * 9999] * 2))
    with pytest.raises(InputError, match="which is none of the 2 classes") as refused:
        load(ask(tmp_path / "it.npz"))
    assert len(str(refused.value)) <= 500 + len(str(tmp_path))


@pytest.mark.parametrize("name", ["pipe.npz", "folder.npz", "device.npz"])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name == "pipe.npz":
        os.mkfifo(file)
    elif name == "folder.npz":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=f"{name} cannot be read: not a regular file"):
        read_arrays(file, ("x",))
