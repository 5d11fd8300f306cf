"""The tables in the package are the sources, value for value; known values hold where the sources are not."""

from __future__ import annotations

import csv
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from scipy.stats import percentileofscore, rankdata

import dadarts
from dadarts import oracle
from dadarts.architecture.genotype import Genotype, random_genotype
from dadarts.architecture.spaces import space
from dadarts.errors import InputError
from dadarts.oracle import ORACLES, Table
from dadarts.oracle.build import build

SOURCES = Path(__file__).parents[3] / "shared" / "data"
FOLDER = Path(oracle.__file__).parent
HASHES = {
    "nas-bench-201": "ba33b81864fd916a6146b67cad5a56e8b4f4defcbd81411e262d3fb77792495b",
    "nas-bench-macro": "7fc7d6cdb1f9a5c15bfc5f64f5bcb73fbfc7223579c614cda132cd9fe76d0977",
}
ALL_SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
RESNET_LIKE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def source(name: str) -> Path:
    path = SOURCES / name
    if not path.is_file():
        pytest.skip(f"the source {name} is not here")
    return path


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.safetensors"


def test_every_row_of_nas_bench_201_equals_the_source() -> None:
    table = dadarts.oracle.nas_bench_201()
    with source("nasbench201.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(table) == 15_625
    for row in rows:
        found = dict(table.query(row["arch"]).row)
        assert list(found) == list(row)
        assert (found.pop("arch"), found.pop("params")) == (row["arch"], int(row["params"]))
        for name, value in found.items():
            assert value == float(row[name])
            assert f"{value:.4f}" == row[name]


def test_every_row_of_nas_bench_macro_equals_the_source() -> None:
    table = dadarts.oracle.nas_bench_macro()
    networks: dict[str, Any] = json.loads(source("nas-bench-macro_cifar10.json").read_text())
    assert len(networks) == len(table) == 6_561
    for arch, row in networks.items():
        assert table.query(arch).row == {"arch": arch, **row}


@pytest.mark.parametrize("name", ORACLES)
def test_a_table_is_the_file_that_its_sources_give(name: str, tmp_path: Path) -> None:
    assert sha256(path_of(name).read_bytes()).hexdigest() == HASHES[name]
    source("nasbench201.csv")
    source("nas-bench-macro_cifar10.json")
    build(SOURCES, tmp_path)
    assert (tmp_path / path_of(name).name).read_bytes() == path_of(name).read_bytes()


def test_the_tables_are_small_and_say_where_they_are_from() -> None:
    assert sum(path_of(name).stat().st_size for name in ORACLES) <= 400_000
    licences = {"nas-bench-201": "none stated", "nas-bench-macro": "Apache-2.0"}
    for name, licence in licences.items():
        with safe_open(path_of(name), "numpy") as file:
            metadata = file.metadata()
            stored = {column: file.get_tensor(column) for column in file.keys()}  # noqa: SIM118
        table = oracle.oracle(name)
        assert metadata == table.metadata
        assert licence in metadata["licence"]
        assert "github.com/" in metadata["source"]
        assert {column: array.tolist() for column, array in stored.items()} == {
            column: array.tolist() for column, array in table.columns.items()
        }


@pytest.mark.parametrize("name", ORACLES)
def test_architectures_are_numbered_in_the_order_of_their_texts(name: str) -> None:
    table = oracle.oracle(name)
    texts = list(table.architectures())
    assert texts == sorted(set(texts))
    assert [table.number(text) for text in texts] == list(range(len(table)))


@pytest.mark.parametrize("name", ORACLES)
def test_rank_percentile_and_regret_are_those_of_the_statistics_library(name: str) -> None:
    table = oracle.oracle(name)
    texts = list(table.architectures())
    for dataset in table.datasets:
        accuracies = table.accuracies(dataset).round(4)
        ranks = rankdata(-accuracies, method="min")
        for number in range(0, len(table), 97):
            score = table.query(texts[number]).scores[dataset]
            assert score.accuracy == pytest.approx(accuracies[number], abs=1e-4)
            assert score.rank == ranks[number]
            assert score.percentile == pytest.approx(percentileofscore(accuracies, accuracies[number], "weak"))
            assert score.regret == pytest.approx(accuracies.max() - accuracies[number], abs=2e-4)


def test_known_values_of_nas_bench_201() -> None:
    table = oracle.nas_bench_201()
    skip, resnet = table.query(ALL_SKIP), table.query(RESNET_LIKE)
    assert [score.accuracy for score in skip.scores.values()] == [39.7693, 15.0333, 16.4333]
    assert [score.accuracy for score in resnet.scores.values()] == [91.5533, 73.4933, 46.3667]
    assert skip.scores["cifar10"].regret == 51.8374
    assert (resnet.scores["cifar10"].rank, resnet.scores["cifar100"].rank) == (3, 1)
    assert [table.best(dataset).scores[dataset].accuracy for dataset in table.datasets] == [91.6067, 73.4933, 46.7333]
    assert float(table.accuracies("cifar10").mean()) == pytest.approx(83.67, abs=0.005)


def test_parameters_follow_the_classes_of_a_data_set() -> None:
    scores = oracle.nas_bench_201().query(ALL_SKIP).scores
    assert [scores[name].parameters - scores["cifar10"].parameters for name in scores] == [0, 5_850, 7_150]


def test_known_values_of_nas_bench_macro() -> None:
    table = oracle.nas_bench_macro()
    best, worst = table.query("22212220"), table.query("00000000")
    assert best.row["test_acc"] == [93.27999877929688, 93.32999420166016, 92.7699966430664]
    assert best.scores["cifar10"].accuracy == best.row["mean_acc"] == 93.12666320800781
    assert (best.scores["cifar10"].rank, best.scores["cifar10"].regret) == (1, 0.0)
    assert (worst.scores["cifar10"].rank, worst.scores["cifar10"].percentile) == (6_561, 100 / 6_561)
    assert table.best("cifar10").scores["cifar10"].rank == 1


def test_equals_share_a_rank_whatever_the_float_of_the_source() -> None:
    # Networks that differ only in where identities stand behind a stage's first layer are one.
    table = oracle.nas_bench_macro()
    same = [table.query(arch).scores["cifar10"] for arch in ("22212202", "22212220")]
    assert same[0] == same[1]
    assert same[0].rank == 1


def test_a_genotype_its_text_and_its_json_are_one_network() -> None:
    table = oracle.nas_bench_201()
    genotype = random_genotype(space("nas-bench-201"), 1)
    assert table.query(genotype) == table.query(f" {genotype}\n") == table.query(genotype.to_json(space="any"))


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("nas-bench-201", "|nor_conv_3x3~0|", "is no network of nas-bench-201: a cell looks like"),
        ("nas-bench-201", ALL_SKIP.replace("skip_connect~2", "skip_conect~2"), "Did you mean 'skip_connect'"),
        ("nas-bench-201", ALL_SKIP.replace("skip_connect~2", "sep_conv_3x3~2"), "unknown operation 'sep_conv_3x3'"),
        ("nas-bench-201", f"{ALL_SKIP}+", "is no network"),
        ("nas-bench-201", "22212220", "is no network of nas-bench-201"),
        ("nas-bench-201", "", "is no network"),
        ("nas-bench-201", "{}", "JSON without its field text"),
        ("nas-bench-201", "{", "JSON without its field text"),
        ("nas-bench-macro", ALL_SKIP, "a network is 8 digits"),
        ("nas-bench-macro", "2221222", "a network is 8 digits"),
        ("nas-bench-macro", "22212223", "a network is 8 digits"),
        ("nas-bench-macro", "²2212220", "a network is 8 digits"),
    ],
)
def test_what_is_no_network_of_a_benchmark_is_refused(name: str, given: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        oracle.oracle(name).query(given)


def test_a_genotype_of_another_space_is_refused() -> None:
    genotype = Genotype.parse(str(random_genotype(space("darts"), 0)))
    with pytest.raises(InputError, match=r"Genotype\(normal=.* is no network of nas-bench-201"):
        oracle.nas_bench_201().query(genotype)


def test_unknown_benchmarks_and_data_sets_are_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown benchmark 'nas-bench-21'.*Did you mean 'nas-bench-201'"):
        oracle.oracle("nas-bench-21")
    for ask in (oracle.nas_bench_macro().best, oracle.nas_bench_macro().accuracies):
        with pytest.raises(InputError, match="unknown data set 'cifar100'"):
            ask("cifar100")


def test_a_table_cannot_be_changed() -> None:
    table: Table = oracle.nas_bench_201()
    with pytest.raises(AttributeError):
        table.name = "mine"  # type: ignore[misc]
    for column in table.columns.values():
        with pytest.raises(ValueError, match="read-only"):
            column[0] = np.uint32(0)
