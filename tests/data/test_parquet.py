from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from dadarts.data import DataRequest, arrow, load, parquet
from dadarts.data.images import decode, decode_jpeg
from dadarts.errors import InputError

from .conftest import Asking
from .samples import SHARED, encoded, noise, write_parquet

PIXELS = noise(20, 32, 32, 3)
PICTURES = [encoded(pixels) for pixels in PIXELS]
LABELS: list[int | None] = [number % 10 for number in range(20)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "datasets/cifar10"


def write_both(folder: Path, pictures: list[bytes], labels: list[int | None]) -> None:
    write_parquet(folder / "train-00000-of-00001.parquet", pictures, labels)
    write_parquet(folder / "test-00000-of-00001.parquet", PICTURES, LABELS)


def test_shards_are_joined_in_order_and_bring_their_class_names(folder: Path, ask: Asking) -> None:
    names = [f"class {number}" for number in range(10)]
    for shard in range(2):
        rows = slice(shard * 10, shard * 10 + 10)
        file = folder / f"train-0000{shard}-of-00002.parquet"
        write_parquet(file, PICTURES[rows], LABELS[rows], names=names)
    write_parquet(folder / "test-00000-of-00001.parquet", PICTURES[:3], LABELS[:3])
    data = load(ask("cifar10"))
    assert torch.equal(data.train.take(torch.arange(20)), torch.from_numpy(PIXELS).permute(0, 3, 1, 2))
    assert data.train.labels.tolist() == LABELS
    assert len(data.test) == 3
    assert data.classes == tuple(names)


class Unlocked(cached_property[Any]):
    """As Python has it from 3.12 on."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if "_rows" not in vars(instance):
            vars(instance)["_rows"] = self.func(instance)
        return vars(instance)["_rows"]


def test_several_threads_read_a_file_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_parquet(folder / "train-0.parquet", PICTURES, LABELS)
    rows = parquet._Rows((file,), torch.arange(20), (3, 32, 32), "key")
    read_bytes, read = arrow.read_bytes, []

    def slowly(path: Path, columns: Sequence[str]) -> list[bytes]:
        read.append(path)
        time.sleep(0.05)
        return list(read_bytes(path, columns))

    monkeypatch.setattr(arrow, "read_bytes", slowly)
    monkeypatch.setattr(parquet._Rows, "_rows", Unlocked(vars(parquet._Rows)["_rows"].func))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(rows.decode, range(20)))
    assert read == [file]
    assert np.array_equal(np.stack(found).transpose(0, 2, 3, 1), PIXELS)


def test_cifar100_is_read_by_its_fine_label_from_the_column_image(tmp_path: Path, ask: Asking) -> None:
    for part in ("train", "test"):
        file = tmp_path / f"datasets/cifar100/{part}-00000-of-00001.parquet"
        write_parquet(file, PICTURES, [99, 98] * 10, columns=("image", "fine_label"))
    data = load(ask("cifar100"))
    assert data.train.labels.tolist() == [99, 98] * 10
    assert data.classes[99] == "worm"


@pytest.mark.parametrize("quality", [10, 75, 95])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_the_fast_way_through_a_jpeg_gives_the_pixels_of_the_usual_one(quality: int, subsampling: int) -> None:
    for pixels in (*PIXELS[:5], np.full((32, 32, 3), 200, np.uint8)):
        content = encoded(pixels, "JPEG", quality=quality, subsampling=subsampling)
        fast = decode_jpeg(content, (3, 32, 32))
        assert fast is not None
        assert np.array_equal(fast, decode(content, "x", 3))


@pytest.mark.parametrize(("size", "shown"), [((16, 16, 3), "16x16"), ((64, 32, 3), "32x64"), ((32, 33, 3), "33x32")])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_of_another_size_is_refused(
    folder: Path, ask: Asking, size: tuple[int, ...], shown: str, form: str
) -> None:
    write_both(folder, [*PICTURES[:19], encoded(noise(1, *size)[0], form)], LABELS)
    with pytest.raises(InputError, match=rf"train-.*parquet row 19 is {shown}, not 32x32 pixels"):
        load(ask("cifar10"))


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_truncated_picture_is_refused_by_file_and_row(folder: Path, ask: Asking, form: str, workers: int) -> None:
    broken = encoded(PIXELS[0], form)
    write_both(folder, [*PICTURES[:7], broken[: len(broken) // 2], *PICTURES[8:]], LABELS)
    with pytest.raises(InputError, match=r"train-00000-of-00001\.parquet row 7 cannot be read"):
        load(ask("cifar10", workers=workers))


@pytest.mark.parametrize(
    ("label", "complaint"), [(-1, "holds label -1"), (10, "holds label 10"), (None, "without a label")]
)
def test_a_label_outside_the_classes_is_refused(folder: Path, ask: Asking, label: int | None, complaint: str) -> None:
    write_both(folder, PICTURES, [*LABELS[:19], label])
    with pytest.raises(InputError, match=f"train-.*{complaint}"):
        load(ask("cifar10"))


@pytest.mark.parametrize("kept", [0, 100, 5000, -20])
def test_a_truncated_file_is_refused_by_name(folder: Path, ask: Asking, kept: int) -> None:
    write_both(folder, PICTURES, LABELS)
    file = folder / "train-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"train-00000-of-00001\.parquet is damaged"):
        load(ask("cifar10"))


def test_a_missing_part_is_named(folder: Path, ask: Asking) -> None:
    write_parquet(folder / "train-00000-of-00001.parquet", PICTURES, LABELS)
    with pytest.raises(InputError, match="the test part is missing"):
        load(ask("cifar10"))


def test_a_file_without_labels_says_what_it_has(folder: Path, ask: Asking) -> None:
    write_both(folder, PICTURES, LABELS)
    write_parquet(folder / "test-00000-of-00001.parquet", PICTURES, LABELS, columns=("img", "kind"))
    with pytest.raises(InputError, match="has no column labels or label, only img, kind"):
        load(ask("cifar10"))


def test_a_slice_of_the_shared_cifar10_keeps_its_statistics_and_is_fast_when_cached(folder: Path, ask: Asking) -> None:
    if not (SHARED / "cifar10").is_dir():
        pytest.skip(f"the shared CIFAR-10 is not at {SHARED}")
    folder.mkdir(parents=True)
    for part, count in (("train", 3000), ("test", 500)):
        with pq.ParquetFile(next((SHARED / "cifar10").glob(f"{part}-*.parquet"))) as whole:
            table = next(whole.iter_batches(batch_size=count))
            pq.write_table(
                pa.Table.from_batches([table], whole.schema_arrow),
                folder / f"{part}-00000-of-00001.parquet",
            )
    data = load(ask("cifar10"))
    assert (len(data.train), len(data.test)) == (3000, 500)
    pixels = data.train.take(torch.arange(3000)).float() / 255
    assert (pixels.mean((0, 2, 3)) - torch.tensor(data.mean)).abs().max() < 0.02
    assert (pixels.std((0, 2, 3)) - torch.tensor(data.std)).abs().max() < 0.02
    assert data.classes[3] == "cat"
    began = time.process_time()
    again = load(ask("cifar10"))
    assert time.process_time() - began < 1
    assert torch.equal(again.train.take(torch.arange(3000)), data.train.take(torch.arange(3000)))


def test_the_shared_data_folder_is_a_data_path(tmp_path: Path) -> None:
    if not (SHARED / "cifar10").is_dir():
        pytest.skip(f"the shared CIFAR-10 is not at {SHARED}")
    data = load(DataRequest("cifar10", SHARED, cache_dir=tmp_path, workers=0), budget=0)
    assert (len(data.train), len(data.test)) == (50_000, 10_000)
    assert torch.bincount(data.train.labels).tolist() == [5000] * 10
    assert data.train.take(torch.tensor([0, 49_999])).shape == (2, 3, 32, 32)
    assert list(tmp_path.iterdir()) == []


def write_plain(file: Path, pictures: Any, labels: Any, **options: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"img": pictures, "label": labels}), file, **options)


def test_a_small_file_of_very_many_large_rows_is_refused_before_they_fill_the_memory(
    folder: Path, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = np.random.default_rng(0).bytes(10_000)
    for part in ("train", "test"):
        file = folder / f"{part}-0.parquet"
        write_plain(file, pa.array([content] * 6_000), pa.array([1, 2] * 3_000))
        assert file.stat().st_size < 60_000
    monkeypatch.setattr("dadarts.data.memory.budget", lambda: 50_000_000)
    with pytest.raises(InputError, match=r"train-0\.parquet declares 5\d\.\d MB of data; 50\.0 MB fit"):
        load(ask("cifar10"))


def test_more_rows_than_there_is_memory_are_refused_by_what_the_file_says(
    folder: Path, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("train", "test"):
        write_plain(folder / f"{part}-0.parquet", pa.nulls(10**6, pa.binary()), pa.array(np.zeros(10**6, np.int64)))
    monkeypatch.setattr("dadarts.data.memory.budget", lambda: 50_000_000)
    with pytest.raises(InputError, match=r"train-0\.parquet declares 64\.0 MB of data; 50\.0 MB fit"):
        load(ask("cifar10"))


@pytest.mark.parametrize("make", [os.mkfifo, lambda file: file.mkdir(), lambda file: file.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_refused_without_waiting(
    folder: Path, ask: Asking, make: Callable[[Path], object]
) -> None:
    write_parquet(folder / "test-0.parquet", PICTURES, LABELS)
    make(folder / "train-0.parquet")
    with pytest.raises(InputError, match=r"train-0\.parquet is damaged or cannot be read"):
        load(ask("cifar10"))


LABEL_COLUMNS: dict[str, Any] = {
    "text": pa.array(["1"] * 20),
    "floats": pa.array([1.0] * 20),
    "lists": pa.array([[1]] * 20),
    "structures": pa.array([{"a": 1}] * 20),
    "booleans": pa.array([True] * 20),
    "nothing": pa.nulls(20),
}


@pytest.mark.parametrize("name", LABEL_COLUMNS)
def test_labels_that_are_no_whole_numbers_are_refused(folder: Path, ask: Asking, name: str) -> None:
    write_parquet(folder / "test-0.parquet", PICTURES, LABELS)
    write_plain(folder / "train-0.parquet", pa.array(PICTURES), LABEL_COLUMNS[name])
    with pytest.raises(InputError, match=r"train-0\.parquet holds (labels that are no whole numbers|a row without)"):
        load(ask("cifar10"))


@pytest.mark.parametrize("pictures", [pa.array([[b"x"]] * 20), pa.nulls(20), pa.array([{"path": "x"}] * 20)])
def test_rows_without_bytes_are_refused_by_number(folder: Path, ask: Asking, pictures: Any) -> None:
    write_parquet(folder / "test-0.parquet", PICTURES, LABELS)
    write_plain(folder / "train-0.parquet", pictures, pa.array(LABELS))
    with pytest.raises(InputError, match=r"train-0\.parquet row 0 holds no picture bytes"):
        load(ask("cifar10"))


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b"\xff\xfe", b"null", b'{"info": {"features": {"label": {"names": 3}}}}']
)
def test_names_of_classes_that_cannot_be_read_are_those_that_are_known(folder: Path, ask: Asking, text: bytes) -> None:
    for part in ("train", "test"):
        table = pa.table({"img": PICTURES, "label": LABELS}).replace_schema_metadata({"huggingface": text})
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / f"{part}-0.parquet")
    assert load(ask("cifar10")).classes[0] == "airplane"
