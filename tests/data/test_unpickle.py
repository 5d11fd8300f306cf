"""Pickles against Python's own unpickler, and forged ones."""

from __future__ import annotations

import pickle
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dadarts.data import load, opcodes
from dadarts.data.unpickle import read_pickle
from dadarts.errors import InputError

from .conftest import Asking
from .samples import cifar10_python, noise, write_files

BATCH = b"\x80\x02}q\x01("


def short(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text


def old_array(raw: bytes, shape: tuple[int, ...], memo: bytes = b"") -> bytes:
    """An array as numpy 1.7 wrote it on Python 2 with protocol 2: the official archives."""
    sizes = b"".join(b"M" + struct.pack("<H", size) for size in shape)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05(K\x01("
        + sizes
        + b"tcnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89T"
        + struct.pack("<i", len(raw))
        + raw
        + b"tb"
        + memo
    )


def old_batch(pixels: Any, labels: list[int]) -> bytes:
    """A whole batch of CIFAR-10 as it is published."""
    spelled = b"".join(b"K" + bytes([label]) for label in labels)
    names = b"".join(short(b"leptodactylus_s_00000%d.png" % number) for number in range(len(labels)))
    return (
        BATCH
        + short(b"data")
        + old_array(pixels.tobytes(), pixels.shape)
        + short(b"labels")
        + b"]q\x08("
        + spelled
        + b"e"
        + short(b"batch_label")
        + short(b"training batch 1 of 5")
        + short(b"filenames")
        + b"]("
        + names
        + b"eu."
    )


def plain(value: Any) -> Any:
    """The same with bytes as text, as both readers may give it."""
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("latin1")
    if isinstance(value, np.ndarray):
        return (value.dtype.newbyteorder("=").str, value.shape, value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return type(value)(plain(each) for each in value)
    return {plain(key): plain(each) for key, each in value.items()} if isinstance(value, dict) else value


CONTENTS: list[dict[Any, Any]] = [
    {b"data": noise(3, 12), b"labels": [1, 2, 3], b"names": [b"a", b"", b"\xff\0\n"]},
    {"data": np.asfortranarray(noise(3, 12)), "labels": np.arange(3), "big": np.arange(3, dtype=">i4")},
    {"labels": [np.int64(4), np.uint8(5), np.float32(0.5)], "flags": np.array([True, False])},
    {"numbers": [0, 255, 256, 65536, -1, 2**31, -(2**63), 2**200, 1.5, -0.0, True, False, None], "t": (1,), "u": ()},
    {"text": ["é", "\u20ac", "a\nb", "\ud800", "x" * 300], "deep": [[[]], {"a": {"b": (1, 2, 3, 4)}}]},
    {"zero": np.float64(2.5), "empty": np.zeros((0, 3072), np.uint8), "scalar": np.array(7)},
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("content", CONTENTS, ids=range(len(CONTENTS)))
def test_a_pickle_of_data_is_read_as_python_reads_it(content: dict[Any, Any], protocol: int) -> None:
    written = pickle.dumps(content, protocol)
    assert plain(read_pickle(written, "batch")) == plain(pickle.loads(written, encoding="latin1"))  # noqa: S301


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_old_and_new_names_of_the_same_module_are_read(module: str) -> None:
    content = old_batch(noise(2, 5), [1, 2]).replace(b"numpy.core.multiarray", module.encode())
    assert np.array_equal(read_pickle(content, "batch")["data"], noise(2, 5))


@pytest.mark.parametrize("protocol", [None, 2, 3, 4, 5])
def test_the_published_pickles_of_python_2_are_read_and_also_pickled_again(
    tmp_path: Path, ask: Asking, protocol: int | None
) -> None:
    files = cifar10_python(20)
    pixels, labels = noise(20, 3072, seed=9), [number % 10 for number in range(20)]
    content = old_batch(pixels, labels)
    if protocol is not None:
        content = pickle.dumps(pickle.loads(content, encoding="bytes"), protocol)  # noqa: S301
    files["test_batch"] = content
    write_files(tmp_path / "datasets/cifar-10-batches-py", files)
    test = load(ask("cifar10")).test
    assert test.labels.tolist() == labels
    assert np.array_equal(test.take(test.labels * 0 + 3)[0].flatten().numpy(), pixels[3])


def test_an_array_that_is_referred_to_twice_is_the_same_array() -> None:
    array = noise(2, 3)
    held = read_pickle(pickle.dumps({"a": array, "b": array}), "batch")
    assert np.array_equal(held["a"], held["b"])


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def dtype(code: bytes, state: bytes) -> bytes:
    return b"cnumpy\ndtype\n" + short(code) + b"K\x00K\x01\x87R" + state + b"b"


FORGED: dict[str, bytes] = {
    "object names": dtype(b"O8", b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ft"),
    "an object field without its flag": dtype(
        b"V8",
        b"(K\x03U\x01|N"
        + short(b"f")
        + b"\x85}"
        + short(b"f")
        + dtype(b"O8", b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t")
        + b"K\x00\x86sK\x08K\x01K\x00t",
    ),
    "a field outside of the item": dtype(
        b"u1", b"(K\x03U\x01|N" + short(b"f") + b"\x85}" + short(b"f") + b"NJ\xff\xff\xff\x7f\x86sK\x01K\x01K\x00t"
    ),
    "a subarray": dtype(b"u1", b"(K\x03U\x01|cnumpy\ndtype\nK\x02\x85\x86NNK\x01K\x01K\x00t"),
    "a type of a million bytes": dtype(b"V1000000", b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t"),
    "a state that is none": dtype(b"u1", b"N"),
    "a state of a number": b"K\x01K\x02b",
    "a state of a list": b"]K\x02b",
    "a state of a function": b"cnumpy\ndtype\n}" + short(b"__code__") + b"Nsb",
    "too few bytes": old_array(b"abc", (4,)),
    "too many bytes": old_array(b"abcde", (4,)),
    "no bytes": old_array(b"", (60000, 60000, 60000)),
    "an array never filled": b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R",
    "a subclass": b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nmatrix\nK\x00\x85U\x01b\x87R",
    "an array by its class": b"cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R",
    "an instance by its class": b"cnumpy\nndarray\n)\x81",
    "a memo of gigabytes": b"Kar\xff\xff\xff\x7f.",
    "text of exabytes": b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
    "a number of exabytes": b"\x8b\xff\xff\xff\x7f",
    "a number of a million digits": b"I" + b"9" * 120_000 + b"\n",
    "tuples as deep as the stack": b")" + b"\x85" * 120_000 + b"Nq\x00s",
    "lists as deep as the stack": b"]" * 120_000 + b"a" * (119_999),
    "tuples that hold one another": b")" + b"q\x00h\x00\x86" * 64,
    "a buffer out of band": b"\x97\x98",
    "an extension": b"\x82\x01",
    "a persistent name": b"K\x01Q",
}


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("where", ["data", "labels", "key"])
def test_a_forged_pickle_is_refused_at_once_in_one_line(name: str, where: str, tmp_path: Path, ask: Asking) -> None:
    content = {
        "data": BATCH + short(b"labels") + b"]" + short(b"data") + FORGED[name] + b"u.",
        "labels": BATCH
        + short(b"data")
        + old_array(noise(1, 3072).tobytes(), (1, 3072))
        + short(b"labels")
        + FORGED[name]
        + b"u.",
        "key": BATCH + FORGED[name] + b"Nu.",
    }[where]
    write_files(tmp_path / "datasets/cifar-10-batches-py", cifar10_python() | {"test_batch": content})
    began = time.process_time()
    with pytest.raises(InputError, match="test_batch") as refused:
        load(ask("cifar10"))
    assert time.process_time() - began < 5
    assert len(str(refused.value)) <= 500 + len(str(tmp_path))
    assert "\n" not in str(refused.value)


def test_a_pickle_of_more_steps_than_data_need_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opcodes, "_OPCODES", 10_000)
    assert read_pickle(b"}" + b"N0" * 4_000 + b".", "batch") == {}
    with pytest.raises(InputError, match="more steps than data need"):
        read_pickle(BATCH + b"N0" * 6_000 + b"u.", "batch")


@pytest.mark.parametrize("entry", [b"K\x01", b"N", dtype(b"u1", b"N"), b"]", b"cnumpy\ndtype\n"])
def test_names_of_classes_are_text_and_nothing_else(entry: bytes, tmp_path: Path, ask: Asking) -> None:
    content = BATCH + short(b"label_names") + b"](" + entry * 10 + b"eu."
    write_files(tmp_path / "datasets/cifar-10-batches-py", cifar10_python() | {"batches.meta": content})
    with pytest.raises(InputError, match=r"batches\.meta"):
        load(ask("cifar10"))


@pytest.mark.parametrize("make", [lambda: [[0] * 4] * 4, lambda: [2**80] * 4, lambda: [True] * 4, lambda: ["1"] * 4])
def test_labels_are_whole_numbers_and_nothing_else(make: Callable[[], Any], tmp_path: Path, ask: Asking) -> None:
    content = pickle.dumps({"data": noise(4, 3072), "labels": make()}, 2)
    write_files(tmp_path / "datasets/cifar-10-batches-py", cifar10_python() | {"test_batch": content})
    with pytest.raises(InputError, match="test_batch should hold `labels`, 4 whole numbers"):
        load(ask("cifar10"))
