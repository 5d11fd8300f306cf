"""A search never reads test labels, and what it selects never depends on the ground truth: both are poisoned here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dadarts import oracle
from dadarts.config import SearchConfig
from dadarts.methods.catalogue import METHODS, dadarts_lookahead, fixed_alpha, random_ws
from dadarts.methods.selection import Perturbation, Race
from dadarts.oracle import storage
from dadarts.searching.loop import search
from dadarts.searching.trajectory import trajectory
from tests.commands import result_of_search, without_pictures


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


@pytest.fixture
def _no_oracle(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(path: Path) -> None:
        pytest.fail(f"{path} was read")

    monkeypatch.setattr(storage, "read", refuse)
    for table in (oracle.nas_bench_201, oracle.nas_bench_macro):
        table.cache_clear()
    yield
    for table in (oracle.nas_bench_201, oracle.nas_bench_macro):
        table.cache_clear()


def write_digits(path: Path, poisoned: bool) -> None:
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) / 16).astype(np.float32)
    test = labels[48:88]
    np.savez(path, x=images[:48], y=labels[:48], x_test=images[48:88], y_test=(9 - test) if poisoned else test)


def searched(name: str, method: str, dataset: str) -> SearchConfig:
    config = SearchConfig(
        name=name, dataset=dataset, search_space="nas-bench-201", method=_SMALL.get(method) or METHODS[method](),
        device="cpu", epochs=2, init_channels=4, layers=1, batch_size=24, workers=0, threads=1,
    )  # fmt: skip
    for _ in search(config):
        pass
    return config


_SMALL = {
    "fixed-alpha": replace(
        fixed_alpha(), selection=Perturbation(1, order="surest", by="loss", renormalise=True, pictures=4096)
    ),
    "dadarts-lookahead": replace(
        dadarts_lookahead(), selection=Race(steps=1, looks=0, rounds=1, put_off=0.0, pictures=9, order_pictures=9)
    ),
    "random-ws": random_ws(genotypes=16),
}
"""Methods that by default measure and train more in their selection than in their search."""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("_no_oracle")
def test_a_search_and_its_selection_depend_on_neither_test_labels_nor_the_ground_truth(method: str) -> None:
    results: list[Any] = []
    for name, poisoned in (("clean", False), ("poisoned", True)):
        write_digits(Path(f"{name}.npz"), poisoned)
        config = searched(name, method, f"{name}.npz")
        results.append(result_of_search(Path("runs/search") / name))
        trajectory(config, Path("runs/search") / name / "alphas.npz")
    assert results[0] == results[1]
    with pytest.raises(pytest.fail.Exception, match="was read"):
        oracle.nas_bench_201()


def test_the_poison_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from dadarts.data import DataRequest, load

    labels = []
    for name, poisoned in (("clean", False), ("poisoned", True)):
        write_digits(Path(f"{name}.npz"), poisoned)
        data = load(DataRequest(f"{name}.npz", Path(), None, None, 0))
        labels.append((data.train.labels.tolist(), data.test.labels.tolist()))
    assert labels[0][0] == labels[1][0]
    assert labels[0][1] != labels[1][1]


def test_the_process_of_a_job_loads_neither_the_ground_truth_nor_what_takes_seconds_and_serves_nothing() -> None:
    program = (
        "import sys, dadarts.compare.worker, dadarts.training.loop\n"
        "from dadarts.config import SearchConfig\n"
        "from dadarts.searching.loop import search\n"
        "settings = dict(epochs=1, init_channels=2, layers=1, dataset_portion=0.1, batch_size=64, workers=0, nodes=1)\n"
        "list(search(SearchConfig(name='it', dataset='digits', **settings)))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert "dadarts.searching.loop" in loaded
    assert not [name for name in loaded if name.startswith("dadarts.oracle")]
    assert not {"torch._dynamo", "sklearn", "scipy"} & set(loaded)
