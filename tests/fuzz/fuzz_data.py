"""Files of arrays: CIFAR's pickles, records and archives, IDX, npz and parquet."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dadarts.data.unpickle import read_pickle
from tests.data.samples import cifar10_python, encoded, mnist_files, noise, write_files
from tests.fuzz import bytes as raw
from tests.fuzz import damage
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.loading import check

# Pickles and archives of CIFAR


def _value(draw: Random, depth: int = 0) -> Any:
    """Values of the kinds that a pickle of a batch may hold, at home anywhere."""
    simple: list[Callable[[], Any]] = [
        lambda: damage.plain_value(draw),
        lambda: draw.randbytes(draw.randrange(40)),
        lambda: noise(draw.randrange(4), draw.choice([1, 3072])),
        lambda: np.arange(draw.randrange(5)).astype(draw.choice(["u1", ">i4", "i8", "f4", "U3", "S2", "M8[s]"])),
        lambda: np.array([draw.random(), None], object),
        lambda: np.zeros(2, [("a", "u1"), ("b", "O")]),
        lambda: np.float64(draw.random()),
        lambda: np.dtype(draw.choice(["u1", "O", "V8", "U5"])),
        lambda: bytearray(3),
        lambda: {draw.randrange(9)},
        lambda: 2 ** draw.randrange(5000),
        lambda: complex(1, 2),
    ]
    if depth < 3 and draw.random() < 0.3:
        return draw.choice([list, tuple])([_value(draw, depth + 1) for _ in range(draw.randrange(4))])
    return draw.choice(simple)()


def _batch(draw: Random) -> bytes:
    count = draw.choice([1, 2, 10])
    content: dict[Any, Any] = {
        b"data": noise(count, 3072),
        b"labels": [place % 10 for place in range(count)],
        b"filenames": [b"a.png"] * count,
    }
    if draw.random() < 0.5:
        content[draw.choice(list(content))] = _value(draw)
    if draw.random() < 0.1:
        content[draw.choice([1, None, (), ("a",), "x", b""])] = _value(draw)
    if draw.random() < 0.3:
        content = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}
    written = pickle.dumps(content, draw.randrange(6))
    return written if draw.random() < 0.15 else _pickle_changed(draw, written)


def _pickle_changed(draw: Random, content: bytes) -> bytes:
    """Changes bytes, or puts opcodes in between."""
    if draw.random() < 0.5:
        return raw.changed(draw, content)
    opcodes = b"(.0123FGIJKLMNPQRSTUVXabcdeghijlopqrstu}])\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e"
    opcodes += b"\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98BC"
    data = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 5])):
        place = draw.randrange(min(len(data), draw.choice([300, len(data)])))
        data[place : place + draw.choice([0, 1])] = bytes([draw.choice(opcodes)])
    return bytes(data)


def _make_pickle(draw: Random, base: Path, folder: Path) -> None:
    (folder / "batch").write_bytes(_batch(draw))


def _use_pickle(folder: Path) -> None:
    held = read_pickle((folder / "batch").read_bytes(), "batch")
    assert all(isinstance(key, str) for key in held), "a key is no text"
    arrays = [value for value in held.values() if isinstance(value, np.ndarray)]
    assert not any(array.dtype.hasobject or array.dtype.fields for array in arrays), "an array holds pointers"
    assert all(array.tobytes() is not None and repr(array.tolist()[:3]) for array in arrays if array.ndim)


def _make_cifar(draw: Random, base: Path, folder: Path) -> None:
    place = folder / "datasets"
    if draw.random() < 0.4:
        record = np.concatenate([np.arange(4, dtype=np.uint8)[:, None] % 2, noise(4, 3072)], axis=1)
        names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
        files = {name: record.tobytes() for name in names}
        files["batches.meta.txt"] = b"plane car bird cat deer dog frog horse ship truck".replace(b" ", b"\n")
        name = "cifar-10-batches-bin"
    else:
        files, name = (
            cifar10_python(draw.choice([4, 20]), draw.randrange(6), draw.random() < 0.5),
            "cifar-10-batches-py",
        )
    for changed in draw.sample(sorted(files), draw.choice([0, 1, 1, 2])):
        files[changed] = _batch(draw) if draw.random() < 0.3 else raw.changed(draw, files[changed])
    if draw.random() < 0.5:
        write_files(place / name, files)
        if draw.random() < 0.2:
            damage.replace(draw, place / name / draw.choice(sorted(files)))
        return
    place.mkdir()
    archive = place / {"cifar-10-batches-py": "cifar-10-python", "cifar-10-batches-bin": "cifar-10-binary"}[name]
    archive.with_suffix(".tar.gz").write_bytes(_packed(draw, name, files))


def _packed(draw: Random, name: str, files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=draw.choice([0, 1, 2])) as tar:
        for file, content in files.items():
            member = tarfile.TarInfo(draw.choice(["", "", "./"]) + f"{name}/{file}")
            member.size = len(content)
            if draw.random() < 0.05:
                member.type, member.linkname = draw.choice(b"1234567LKxgSX".decode()).encode(), f"{name}/{file}"
            tar.addfile(member, io.BytesIO(content))
    content = stream.getvalue()
    if draw.random() < 0.4:
        content = _header_changed(draw, content)
    if draw.random() < 0.8:
        content = gzip.compress(content, 1)
        return raw.changed(draw, content) if draw.random() < 0.3 else content
    return content


def _header_changed(draw: Random, content: bytes) -> bytes:
    """Changes a field of a header and mends its checksum."""
    data = bytearray(content)
    starts = [place for place in range(0, len(data), 512) if data[place + 257 : place + 262] == b"ustar"]
    start = draw.choice(starts)
    begin, end = draw.choice([(0, 100), (124, 136), (124, 136), (156, 157), (157, 257), (257, 265), (345, 500)])
    field = draw.choice(
        [draw.randbytes(end - begin), b"7" * (end - begin), b"\xff" * (end - begin), bytes(end - begin)]
    )
    data[start + begin : start + end] = field
    data[start + 148 : start + 156] = b" " * 8
    data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
    return bytes(data)


# IDX, npz and parquet


def _make_idx(draw: Random, base: Path, folder: Path) -> None:
    zipped = draw.random() < 0.5
    files = mnist_files(zipped=False)
    for name in draw.sample(sorted(files), draw.choice([1, 1, 2])):
        if draw.random() < 0.3:
            shape = [draw.choice([0, 1, 10, 20, 28, 2**31, 2**32 - 1]) for _ in range(draw.choice([1, 3]))]
            header = bytes((0, 0, 8, len(shape))) + np.array(shape, ">u4").tobytes()
            files[name] = header + bytes(draw.choice([0, 20, 10**5]))
        else:
            files[name] = raw.changed(draw, files[name])
    if zipped:
        files = {f"{name}.gz": gzip.compress(content, 1) for name, content in files.items()}
        if draw.random() < 0.4:
            name = draw.choice(sorted(files))
            files[name] = raw.changed(draw, files[name])
    write_files(folder / "datasets/mnist", files)
    if draw.random() < 0.1:
        damage.replace(draw, folder / "datasets/mnist" / draw.choice(sorted(files)))


def _array(draw: Random, count: int) -> Any:
    dtype = draw.choice(["u1", "u1", "f4", "f8", "f2", "i2", ">u2", "u4", "i8", "u8", "b1", "S3", "U2", "c8", "M8[s]"])
    shape = draw.choice([(count, 8, 8), (count, 9, 8, 3), (count, 1, 8, 8), (count,), (0, 8, 8), (), (count, 2, 8, 8)])
    array = noise(1, *shape)[0].astype(dtype) if dtype != "M8[s]" else np.zeros(shape, dtype)
    if array.dtype.kind == "f" and array.size and draw.random() < 0.5:
        # Numbers that are none, or nearly none, on purpose.
        array.reshape(-1)[draw.randrange(array.size)] = draw.choice([np.nan, np.inf, -np.inf, 1e38, 1e-45, -1.0, 6e4])
    return np.asfortranarray(array) if draw.random() < 0.2 else array


def _make_npz(draw: Random, base: Path, folder: Path) -> None:
    count = draw.choice([0, 1, 8, 20])
    arrays: dict[str, Any] = {"x": noise(count, 8, 8), "y": np.arange(count) % 2}
    if draw.random() < 0.4:
        arrays |= {"x_test": noise(4, 8, 8), "y_test": np.arange(4) % 2}
    if draw.random() < 0.3:
        arrays["classes"] = np.array(draw.choice([["a", "b"], ["a"], ["", "\n"], ["a" * 300, "b"], ["a", "a"]]))
    for name in draw.sample(sorted(arrays), draw.choice([0, 1, 1, 2])):
        arrays[name] = draw.choice([_array, _array, _labels])(draw, len(arrays[name]))
    stream = io.BytesIO()
    draw.choice([np.savez, np.savez_compressed])(stream, **arrays)
    content = stream.getvalue()
    if draw.random() < 0.6:
        content = _zip_changed(draw, content)
    if draw.random() < 0.4:
        content = raw.changed(draw, content)
    (folder / "it.npz").write_bytes(content)
    if draw.random() < 0.05:
        damage.replace(draw, folder / "it.npz")


def _labels(draw: Random, count: int) -> Any:
    values = [draw.choice(["a", "b", "", "\n", "x" * 300, 0, 1, -1, 2**40, 0.5, None]) for _ in range(count)]
    return np.array([str(value) for value in values]) if draw.random() < 0.7 else np.array(values, object)


def _zip_changed(draw: Random, content: bytes) -> bytes:
    """Another archive of the same members, one of them changed, renamed or there twice."""
    stream = io.BytesIO()
    method = draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", method) as new:
        for name in old.namelist():
            member = old.read(name)
            if draw.random() < 0.5:
                member = raw.changed(draw, member)
            elif draw.random() < 0.3:
                member = member.replace(b"(", draw.choice([b"(" * 2000, b"(99999999999, ", b"(-1, ", b"((", b"[", b""]))
            elif draw.random() < 0.3:
                member = member.replace(b"|u1", draw.choice([b"|O8", b"<U9", b"|V1", b">f8", b"|S1", b"{}a"]))
            name = draw.choice([name] * 8 + [name[:-4], f"a/{name}", f"../{name}", name.upper(), "x.npy"])
            if name not in new.namelist():
                new.writestr(name, member)
    return stream.getvalue()


def _table(draw: Random, count: int) -> bytes:
    pictures: list[Any] = [encoded(pixels, draw.choice(["PNG", "JPEG"])) for pixels in noise(count, 32, 32, 3)]
    labels: list[Any] = [place % 10 for place in range(count)]
    if draw.random() < 0.3:
        place = draw.randrange(count)
        pictures[place] = draw.choice([None, b"", raw.changed(draw, pictures[place])])
    if draw.random() < 0.3:
        labels[draw.randrange(count)] = draw.choice([None, -1, 10, 2**62])
    kinds: list[Any] = [pa.int64(), pa.int8(), pa.float32(), pa.string(), pa.list_(pa.int64()), pa.bool_()]
    column: Any
    try:
        column = pa.array(labels, draw.choice([pa.int64()] * 6 + kinds))
    except (pa.ArrowException, OverflowError):
        column = pa.array(labels)
    rows: Any = pa.array([{"bytes": each, "path": "x"} for each in pictures])
    match draw.randrange(8):
        case 0:
            rows = pa.array(pictures)
        case 1:
            rows = pa.array([[each] for each in pictures])
        case 2:
            rows = pa.array(pictures).dictionary_encode()
    table = pa.table(
        {draw.choice(["img", "img", "image", "x"]): rows, draw.choice(["label", "label", "labels", "y"]): column}
    )
    names: Any = draw.choice([None, ["a"] * 10, [f"c{place}" for place in range(10)], [1] * 10, "a" * 10, [], {}])
    if draw.random() < 0.5:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        text = draw.choice([json.dumps({"info": {"features": features}}), "[" * 5000, "{}", "\udcff", "null"])
        table = table.replace_schema_metadata({"huggingface": text.encode(errors="replace")})
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression=draw.choice(["snappy", "gzip", "zstd", "lz4", "brotli", "none"]),
        use_dictionary=draw.random() < 0.5,
        data_page_version=draw.choice(["1.0", "2.0"]),
        row_group_size=draw.choice([3, 1000]),
        write_page_checksum=draw.random() < 0.2,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _prepare_parquet(base: Path) -> None:
    """Whole tables: writing one takes longer than changing it."""
    for number in range(60):
        (base / f"{number}.parquet").write_bytes(_table(Random(number), 20))
    table = pa.table({"img": [encoded(pixels) for pixels in noise(20, 32, 32, 3)], "label": [*range(10)] * 2})
    pq.write_table(table, base / "whole.parquet")


def _make_parquet(draw: Random, base: Path, folder: Path) -> None:
    place = folder / "datasets/cifar10"
    place.mkdir(parents=True)
    for part in draw.sample(["train", "test"], 2):
        content = (base / "whole.parquet").read_bytes()
        if not (place / "test-0.parquet").exists() or draw.random() < 0.2:
            content = (base / f"{draw.randrange(60)}.parquet").read_bytes()
            content = raw.changed(draw, content) if draw.random() < 0.8 else content
        (place / f"{part}-0.parquet").write_bytes(content)
    if draw.random() < 0.05:
        damage.replace(draw, place / "train-0.parquet")


FUZZERS = (
    Fuzzer("pickle", _make_pickle, _use_pickle, tests=120, seconds=5.0),
    Fuzzer("cifar", _make_cifar, lambda folder: check("cifar10", folder), tests=40, seconds=5.0),
    Fuzzer("idx", _make_idx, lambda folder: check("mnist", folder), tests=40, seconds=5.0),
    Fuzzer("npz", _make_npz, lambda folder: check(str(folder / "it.npz"), folder), tests=100, seconds=5.0),
    Fuzzer("parquet", _make_parquet, lambda folder: check("cifar10", folder), _prepare_parquet, tests=30, seconds=5.0),
)
