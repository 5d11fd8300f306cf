from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.data import load
from dadarts.data.idx import read_idx
from dadarts.errors import InputError

from .conftest import Asking
from .samples import idx_bytes, mnist_files, noise, write_files

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dot", [True, False])
@pytest.mark.parametrize(
    ("dataset", "folder", "flip"),
    [
        ("mnist", "MNIST/raw", False),
        ("mnist", "mnist", False),
        ("fashionmnist", "FashionMNIST/raw", True),
        ("fashionmnist", "fashionmnist", True),
    ],
)
def test_idx_files_are_read_gzipped_or_not_under_every_usual_name(
    tmp_path: Path, ask: Asking, dataset: str, folder: str, zipped: bool, dot: bool, flip: bool
) -> None:
    write_files(tmp_path / "datasets" / folder, mnist_files(zipped, dot))
    data = load(ask(dataset))
    assert data.train.shape == (1, 28, 28)
    assert torch.equal(data.train.take(torch.arange(20))[:, 0], torch.from_numpy(noise(20, 28, 28, seed=0)))
    assert torch.equal(data.test.take(torch.arange(20))[:, 0], torch.from_numpy(noise(20, 28, 28, seed=1)))
    assert data.train.labels.tolist() == [number % 10 for number in range(20)]
    assert data.flip is flip


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        (IMAGES, idx_bytes(noise(20, 28, 28))[:-1], "promises 15680 bytes of data, but holds 15679"),
        (IMAGES, idx_bytes(noise(20, 28, 28)) + b"\0", "promises 15680 bytes of data, but holds more"),
        (IMAGES, gzip.compress(idx_bytes(noise(20, 28, 28)), mtime=0)[:-9], "is damaged or cut short"),
        (IMAGES, gzip.compress(b"", mtime=0)[:12], "is damaged or cut short"),
        (IMAGES, b"", "is no IDX file of 3 dimensions"),
        (IMAGES, b"\0\0\x08\x03\0\0", "is cut short"),
        (IMAGES, b"<html>not found</html>", "is no IDX file"),
        (IMAGES, idx_bytes(noise(20, 28)), "is no IDX file of 3 dimensions"),
        (IMAGES, idx_bytes(noise(20, 28, 29)), "pictures of 29x28, not 28x28"),
        (IMAGES, idx_bytes(noise(21, 28, 28)), "holds 21 pictures, but .*train-labels-idx1-ubyte 20 labels"),
        (LABELS, idx_bytes(np.full(20, 10, np.uint8)), "holds label 10; mnist has 0 to 9"),
        (LABELS, idx_bytes(noise(20, 28, 28)), "is no IDX file of 1 dimensions"),
    ],
)
def test_a_wrong_idx_file_is_refused_by_name(
    tmp_path: Path, ask: Asking, file: str, content: bytes, complaint: str
) -> None:
    write_files(tmp_path / "datasets/mnist", mnist_files(zipped=False) | {file: content})
    with pytest.raises(InputError, match=f"{file}.*{complaint}"):
        load(ask("mnist"))


@settings(max_examples=50, deadline=None)
@given(shape=st.lists(st.integers(0, 5), min_size=1, max_size=3), zipped=st.booleans())
def test_whatever_is_written_as_idx_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int], zipped: bool
) -> None:
    array = noise(*shape)
    file = tmp_path_factory.mktemp("idx") / "array"
    file.write_bytes(idx_bytes(array, zipped))
    assert np.array_equal(read_idx(file, len(shape)), array)


def test_a_promise_of_terabytes_is_refused_without_reading_them(tmp_path: Path) -> None:
    file = tmp_path / "huge"
    file.write_bytes(bytes((0, 0, 8, 1)) + b"\xff\xff\xff\xff" + b"abc")
    with pytest.raises(InputError, match="promises 4294967295 bytes of data, but holds 3"):
        read_idx(file, 1)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("shape", [(2**32 - 1,), (2**32 - 1,) * 3, (0, 2**32 - 1, 2**32 - 1), (2**32 - 1, 0, 28)])
def test_whatever_a_header_declares_is_refused_at_once_where_it_is_not_there(
    tmp_path: Path, shape: tuple[int, ...], zipped: bool
) -> None:
    file = tmp_path / "huge"
    content = bytes((0, 0, 8, len(shape))) + np.array(shape, ">u4").tobytes() + bytes(10**6)
    file.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(InputError, match=r"huge (promises|declares)"):
        read_idx(file, len(shape))


def test_a_gzipped_file_that_inflates_beyond_the_memory_is_refused_before_it_is_inflated(
    tmp_path: Path, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dadarts.data.memory.budget", lambda: 10**6)
    bomb = gzip.compress(bytes((0, 0, 8, 3)) + np.array((25_000, 28, 28), ">u4").tobytes() + bytes(19_600_000))
    assert len(bomb) < 20_000
    write_files(tmp_path / "datasets/mnist", mnist_files(zipped=True) | {f"{IMAGES}.gz": bomb})
    with pytest.raises(InputError, match=rf"{IMAGES}\.gz declares 19\.6 MB of data; 1\.0 MB fit, half of the memory"):
        load(ask("mnist"))
