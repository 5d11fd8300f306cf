from __future__ import annotations

import _codecs
import codecs
import os
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.data import DataRequest, DataSet, load
from dadarts.data.unpickle import read_pickle
from dadarts.errors import InputError

from .conftest import Asking
from .samples import cifar10_python, noise, write_archive, write_files

BATCHES = [f"data_batch_{number}" for number in range(1, 6)]


def binary(count: int, label_bytes: int, last_label: int = 9) -> bytes:
    pixels = noise(count, 3072)
    labels = np.tile(np.arange(count, dtype=np.uint8)[:, None] % (last_label + 1), (1, label_bytes))
    if label_bytes == 2:
        labels[:, 0] = 19
    return np.concatenate([labels, pixels], axis=1).tobytes()


def check_is_the_sample(data: DataSet) -> None:
    assert (len(data.train), len(data.test)) == (100, 20)
    assert data.train.shape == data.test.shape == (3, 32, 32)
    first_batch = torch.from_numpy(noise(20, 3072, seed=0)).view(20, 3, 32, 32)
    assert torch.equal(data.train.take(torch.arange(20)), first_batch)
    assert torch.equal(data.train.labels, torch.arange(20).repeat(5) % 10)
    assert torch.equal(data.test.take(torch.tensor([3]))[0].flatten(), torch.from_numpy(noise(20, 3072, seed=5)[3]))
    assert (data.classes[0], data.classes[9], len(data.classes)) == ("airplane", "truck", 10)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("as_bytes", [True, False])
def test_an_official_python_folder_of_any_size_is_read(
    tmp_path: Path, ask: Asking, protocol: int, as_bytes: bool
) -> None:
    write_files(tmp_path / "datasets/cifar-10-batches-py", cifar10_python(20, protocol, as_bytes))
    check_is_the_sample(load(ask("cifar10")))


def test_a_python_archive_is_read_where_it_lies(tmp_path: Path, ask: Asking) -> None:
    write_archive(tmp_path / "datasets/cifar-10-python.tar.gz", "cifar-10-batches-py", cifar10_python())
    check_is_the_sample(load(ask("cifar10")))
    assert [entry.name for entry in (tmp_path / "datasets").iterdir()] == ["cifar-10-python.tar.gz"]


@pytest.mark.parametrize("packed", [True, False])
def test_the_binary_form_holds_a_label_and_the_pixels_in_each_record(tmp_path: Path, ask: Asking, packed: bool) -> None:
    files = {f"{name}.bin": binary(10, 1) for name in [*BATCHES, "test_batch"]}
    files["batches.meta.txt"] = b"plane car bird cat deer dog frog horse ship truck".replace(b" ", b"\n") + b"\n\n"
    if packed:
        write_archive(tmp_path / "datasets/cifar-10-binary.tar.gz", "cifar-10-batches-bin", files)
    else:
        write_files(tmp_path / "datasets/cifar-10-batches-bin", files)
    data = load(ask("cifar10"))
    assert torch.equal(data.train.labels, torch.arange(10).repeat(5))
    assert torch.equal(data.test.take(torch.arange(10)), torch.from_numpy(noise(10, 3072)).view(10, 3, 32, 32))
    assert data.classes[:2] == ("plane", "car")


def test_the_binary_form_of_cifar100_uses_the_fine_label(tmp_path: Path, ask: Asking) -> None:
    content = binary(200, 2, last_label=99)
    write_files(tmp_path / "datasets/cifar-100-binary", {"train.bin": content, "test.bin": content})
    data = load(ask("cifar100"))
    assert torch.equal(data.train.labels, torch.arange(200) % 100)
    assert (len(data.classes), data.classes[99]) == (100, "worm")


def test_the_python_form_of_cifar100_uses_the_fine_label(tmp_path: Path, ask: Asking) -> None:
    fine = [99, 99, 5, 5]
    content = pickle.dumps({b"data": noise(4, 3072), b"coarse_labels": [1] * 4, b"fine_labels": fine}, 2)
    write_files(tmp_path / "datasets/cifar-100-python", {"train": content, "test": content})
    data = load(ask("cifar100"))
    assert data.train.labels.tolist() == fine
    assert len(data.classes) == 100


def test_the_python_folder_is_preferred_to_an_archive(tmp_path: Path, ask: Asking) -> None:
    write_files(tmp_path / "datasets/cifar-10-batches-py", cifar10_python())
    (tmp_path / "datasets/cifar-10-python.tar.gz").write_bytes(b"not read")
    check_is_the_sample(load(ask("cifar10")))


def test_classes_missing_from_a_small_folder_keep_their_places(tmp_path: Path, ask: Asking) -> None:
    files = cifar10_python(count=4)
    write_files(tmp_path / "datasets/cifar-10-batches-py", files)
    data = load(ask("cifar10"))
    assert torch.unique(data.train.labels).tolist() == [0, 1, 2, 3]
    assert len(data.classes) == 10


def altered(tmp_path: Path, ask: Asking, file: str, content: dict[Any, Any] | bytes) -> DataRequest:
    changed = content if isinstance(content, bytes) else pickle.dumps(content, 2)
    write_files(tmp_path / "datasets/cifar-10-batches-py", cifar10_python() | {file: changed})
    return ask("cifar10")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({b"data": noise(4, 3072), b"labels": [0, 1, 2, 17]}, "holds label 17; cifar10 has 0 to 9"),
        ({b"data": noise(4, 3072), b"labels": [0, 1, 2, -1]}, "holds label -1"),
        ({b"data": noise(4, 3072), b"labels": [0, 1, 2]}, "4 whole numbers"),
        ({b"data": noise(4, 3072), b"labels": [0, 1, 2, [3]]}, "4 whole numbers"),
        ({b"data": noise(4, 3072), b"labels": [0.5] * 4}, "4 whole numbers"),
        ({b"data": noise(4, 3072)}, "should hold `labels`"),
        ({b"data": noise(4, 3000), b"labels": [0] * 4}, "should hold `data`"),
        ({b"data": [1, 2, 3], b"labels": [0] * 3}, "should hold `data`"),
        (b"", "is damaged"),
        (b"\x80\x02]q\x00.", "should hold a dictionary"),
        (pickle.dumps({b"data": noise(4, 3072)}, 2)[:500], "is damaged"),
    ],
)
def test_a_wrong_batch_is_refused_by_name(
    tmp_path: Path, ask: Asking, content: dict[Any, Any] | bytes, complaint: str
) -> None:
    request = altered(tmp_path, ask, "data_batch_3", content)
    with pytest.raises(InputError, match=f"data_batch_3.*{complaint}"):
        load(request)


class Executes:
    def __init__(self, command: tuple[Any, ...]) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return self.command


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize(
    "wrap", [lambda trap: trap, lambda trap: {b"data": trap, b"labels": []}, lambda trap: {trap: 1}]
)
def test_a_pickle_that_holds_code_is_refused_and_not_run(tmp_path: Path, ask: Asking, protocol: int, wrap: Any) -> None:
    evidence = tmp_path / "ran"
    trap = wrap(Executes((os.mkdir, (str(evidence),))))
    request = altered(tmp_path, ask, "test_batch", pickle.dumps(trap, protocol))
    with pytest.raises(InputError, match=r"test_batch is refused: .* code \(posix\.mkdir\)"):
        load(request)
    assert not evidence.exists()


@pytest.mark.parametrize("target", [eval, getattr, np.load, np.fromfile, np.memmap, pickle.loads, codecs.decode])
def test_nothing_beyond_arrays_can_be_called_from_a_pickle(target: Any) -> None:
    with pytest.raises(InputError, match="refused"):
        read_pickle(pickle.dumps(Executes((target, ("1",)))), "batch")


def test_codecs_other_than_latin1_are_not_called_from_a_pickle() -> None:
    with pytest.raises(InputError, match="damaged"):
        read_pickle(pickle.dumps(Executes((_codecs.encode, ("00", "hex")))), "batch")


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=60))
def test_random_bytes_are_read_as_a_dictionary_or_refused(content: bytes) -> None:
    with suppress(InputError):
        assert isinstance(read_pickle(content, "batch"), dict)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 400), value=st.integers(0, 255))
def test_a_flipped_byte_in_a_batch_is_read_or_refused(place: int, value: int) -> None:
    content = bytearray(pickle.dumps({b"data": noise(1, 300), b"labels": [1]}, 2))
    content[place % len(content)] = value
    with suppress(InputError):
        assert isinstance(read_pickle(bytes(content), "batch"), dict)


def test_a_missing_batch_is_named(tmp_path: Path, ask: Asking) -> None:
    files = cifar10_python()
    del files["data_batch_4"]
    write_files(tmp_path / "datasets/cifar-10-batches-py", files)
    with pytest.raises(InputError, match=r"cifar-10-batches-py is incomplete: data_batch_4 is missing"):
        load(ask("cifar10"))


@pytest.mark.parametrize("kept", [0, 10, 3000, -8, -400])
def test_a_truncated_archive_is_refused_by_name(tmp_path: Path, ask: Asking, kept: int) -> None:
    archive = write_archive(tmp_path / "datasets/cifar-10-python.tar.gz", "cifar-10-batches-py", cifar10_python())
    archive.write_bytes(archive.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz"):
        load(ask("cifar10"))


def test_a_binary_batch_that_is_cut_short_is_refused_by_name(tmp_path: Path, ask: Asking) -> None:
    files = {f"{name}.bin": binary(10, 1) for name in [*BATCHES, "test_batch"]}
    files["data_batch_2.bin"] = files["data_batch_2.bin"][:-1]
    write_files(tmp_path / "datasets/cifar-10-batches-bin", files)
    with pytest.raises(InputError, match=r"data_batch_2\.bin is cut short"):
        load(ask("cifar10"))


def test_a_single_training_picture_of_a_class_is_refused_with_its_name(tmp_path: Path, ask: Asking) -> None:
    one_cat = pickle.dumps({b"data": noise(20, 3072), b"labels": [*([0] * 19), 3]}, 2)
    rest = pickle.dumps({b"data": noise(20, 3072), b"labels": [0] * 20}, 2)
    files = cifar10_python() | dict.fromkeys(BATCHES, rest) | {"data_batch_1": one_cat}
    write_files(tmp_path / "datasets/cifar-10-batches-py", files)
    with pytest.raises(InputError, match="cifar10: class cat has a single training picture"):
        load(ask("cifar10"))
