"""The command lines on the original's page run, on pictures of CIFAR-10 in its official form."""

from __future__ import annotations

import io
import pickle
import shlex
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from dadarts.architecture.genotype import Genotype
from tests.commands import (
    ROOT,
    SEED_LINES,
    SEED_TRAINING,
    augment,
    column,
    history,
    search,
    succeed,
    without_pictures,
)

REAL = ROOT.parent / "shared" / "data" / "cifar10" / "train-00000-of-00001.parquet"
SMALL = ["-epochs", "2", "-batch_size", "32", "-init_channels", "2", "-layers", "1", "-dataset_portion", "0.3"]
PICTURES = 600


def real_pictures() -> tuple[NDArray[np.uint8], list[int]]:
    """(N, 3072) as the official files hold them, and labels."""
    rows = next(pq.ParquetFile(REAL).iter_batches(batch_size=PICTURES)).to_pylist()
    pictures = [np.asarray(Image.open(io.BytesIO(row["img"]["bytes"]))) for row in rows]
    return np.stack(pictures).transpose(0, 3, 1, 2).reshape(len(rows), 3072), [row["label"] for row in rows]


def synthetic_pictures() -> tuple[NDArray[np.uint8], list[int]]:
    draw = np.random.default_rng(0)
    return draw.integers(0, 256, (PICTURES, 3072), dtype=np.uint8), [number % 10 for number in range(PICTURES)]


@pytest.fixture(scope="module")
def data_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`cifar-10-batches-py` with 100 pictures a file."""
    pictures, labels = real_pictures() if REAL.is_file() else synthetic_pictures()
    root = tmp_path_factory.mktemp("data")
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    names = b"airplane automobile bird cat deer dog frog horse ship truck".split()
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names, b"num_vis": 3072}, protocol=2))
    for number, file in enumerate([*(f"data_batch_{batch}" for batch in range(1, 6)), "test_batch"]):
        part = slice(100 * number, 100 * (number + 1))
        content = {b"data": pictures[part], b"labels": labels[part], b"batch_label": file.encode()}
        (folder / file).write_bytes(pickle.dumps(content, protocol=2))
    return root


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def test_the_pictures_are_real() -> None:
    if not REAL.is_file():
        pytest.skip("no pictures of CIFAR-10 here: the lines run on synthetic ones")
    pictures, labels = real_pictures()
    assert pictures.shape == (PICTURES, 3072)
    assert set(labels) == set(range(10))


@pytest.mark.parametrize("title", SEED_LINES)
def test_a_search_line_of_the_page_runs_and_ends_with_its_genotype(title: str, data_path: Path) -> None:
    words = shlex.split(SEED_LINES[title])[2:]
    outcome = succeed(search, *words, *SMALL, "-nodes", "1", "-data_path", str(data_path))
    genotype = Genotype.parse(outcome.last_line)
    assert outcome.out == f"{genotype}\n", "progress is on stderr"
    folder = Path("runs/search/some_name")
    assert (folder / "genotype.txt").read_text() == outcome.out
    assert len(history(folder)) == 2
    assert all(np.isfinite(column(folder, "train_loss")))
    assert "epoch 2/2" in outcome.err
    assert "cifar10" in outcome.err
    rising = ["0.0", "100.0"] if "-topk_on_alphas" in words else ["", ""]
    assert [row["temperature"] for row in history(folder)] == rising
    assert column(folder, "dal_factor") == [float("-dal_on_alphas" in words)] * 2


def test_the_training_line_of_the_page_runs_and_ends_with_its_test_accuracy(data_path: Path) -> None:
    words = shlex.split(SEED_TRAINING)[2:]
    outcome = succeed(augment, *words, *SMALL, "-data_path", str(data_path))
    assert 0 <= float(outcome.last_line) <= 1
    assert outcome.out == f"{float(outcome.last_line)}\n", "progress is on stderr"
    folder = Path("runs/augment/some_name")
    assert (folder / "model.safetensors").is_file()
    assert len(history(folder)) == 2
    assert f"{words[words.index('-genotype') + 1]}\n" == (folder / "genotype.txt").read_text()
