"""How well supernets rank: the benchmark's numbers on scores made by hand, and one run of it."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from benchmarks.proxy import ranking
from benchmarks.proxy.ranking import Ranked, agreement, drawn, in_top
from dadarts.architecture.genotype import derive
from dadarts.architecture.spaces import space
from dadarts.oracle import nas_bench_201

TABLE = nas_bench_201()


def test_cells_are_those_of_the_benchmark_and_the_best_are_truly_the_best() -> None:
    it = space("nas-bench-201")
    uniform, best = drawn(it, 30)
    for cells in (uniform, best):
        for number, mixing in zip(cells.numbers, cells.mixings(it).values(), strict=True):
            assert str(derive(it, mixing)) == TABLE.arch(int(number))
    ranks = [TABLE.query(TABLE.arch(int(number))).scores["cifar10"].rank for number in best.numbers]
    assert len(set(ranks)) > 25
    assert max(ranks) <= 500
    assert np.mean([TABLE.query(TABLE.arch(int(n))).scores["cifar10"].rank for n in uniform.numbers]) > 3000


def test_a_ranking_knows_noise_of_pictures_from_bias() -> None:
    rng = np.random.default_rng(0)
    cells = Ranked(TABLE, np.arange(0, 15_625, 79))
    # By loss half is bias that all pictures share; by right answers there is none, but much noise.
    truth = (cells.truth - cells.truth.mean()) / cells.truth.std()
    loss = -truth + rng.normal(size=len(truth))
    right = 1 / (1 + np.exp(-truth))
    harms = []
    for mean, chance in zip(loss, right, strict=True):
        own = np.stack([mean + rng.normal(scale=0.1, size=60), rng.random(60) > chance], axis=1)
        harms.append(torch.from_numpy(own.astype(float)))
    found = agreement(cells, harms)
    means = np.array([harm.numpy().mean(axis=0) for harm in harms])
    assert found["spearman_loss"] == pytest.approx(spearmanr(-means[:, 0], cells.truth).statistic)
    assert found["spearman"] == pytest.approx(spearmanr(-means[:, 1], cells.truth).statistic)
    assert found["reliability_loss"] > 0.99 > found["reliability"] > 0.6
    assert 0.01 < found["spearman_loss_error"] < 0.1
    assert found["parameters"] == pytest.approx(spearmanr(TABLE.parameters[cells.numbers], cells.truth).statistic)
    assert found["multiply_adds"] == pytest.approx(found["parameters"], abs=0.01)


def test_every_column_of_the_best_has_a_name() -> None:
    assert in_top("spearman_loss") == "spearman_top_loss"
    assert in_top("reliability") == "reliability_top"
    assert in_top("multiply_adds") == "multiply_adds_top"


def test_the_command_appends_a_row_and_keeps_to_the_columns_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "ranking.csv"
    words = ["--dataset", "digits", "--channels", "2", "--portion", "0.05", "--batch", "16", "--epochs", "1"]
    monkeypatch.setattr(ranking, "CELLS", 8)
    monkeypatch.setattr(sys, "argv", ["ranking", *words, "--pictures", "32", "--out", str(out)])
    ranking.main()
    with out.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert -1 <= float(row["spearman_top_loss"]) <= 1
    assert float(row["parameters"]) > 0
    out.write_text("method,data\n")
    with pytest.raises(SystemExit, match="has other columns"):
        ranking.main()
