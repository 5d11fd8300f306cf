"""``dadarts oracle``: what a person and a program read of a benchmark, without waiting for torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from dadarts import oracle
from tests.commands import DARTS_GENOTYPE, ROOT, modern, refusal, spawn, succeed

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_person_reads_accuracy_rank_percentile_regret_and_parameters_of_every_data_set() -> None:
    said = succeed(modern, "oracle", "nas-bench-201", CELL).out
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.startswith(("cifar", "imagenet"))}
    assert rows["cifar10"] == ["91.5533", "3", "99.99", "0.0534", "1,288,506"]
    assert rows["cifar100"] == ["73.4933", "1", "100.00", "0.0000", "1,294,356"]
    assert rows["imagenet16"] == ["46.3667", "11", "99.94", "0.3666", "1,295,656"]
    assert CELL in said
    assert "licence" in said


def test_a_program_reads_the_source_s_column_names() -> None:
    found = json.loads(succeed(modern, "oracle", "nas-bench-201", CELL, "--json").out)
    scores = found.pop("scores")
    assert found == {
        "arch": CELL,
        "params": 1288506,
        "cifar10_valid_acc": 91.5533,
        "cifar100_valid_acc": 73.4933,
        "imagenet16_valid_acc": 46.3667,
    }
    assert set(scores) == {"cifar10", "cifar100", "imagenet16"}
    assert set(scores["cifar10"]) == {"dataset", "accuracy", "rank", "percentile", "regret", "parameters"}
    found = json.loads(succeed(modern, "oracle", "nas-bench-macro", "22212220", "--json").out)
    assert found["scores"]["cifar10"]["rank"] == 1
    assert {"arch", "test_acc", "mean_acc", "std", "params", "flops"} <= set(found)


def test_a_network_comes_from_text_a_file_or_a_search() -> None:
    Path("runs/search/it").mkdir(parents=True)
    Path("runs/search/it/genotype.txt").write_text(CELL + "\n")
    expected = succeed(modern, "oracle", "nas-bench-201", CELL).out
    for word in ("@it", "runs/search/it", "runs/search/it/genotype.txt"):
        assert succeed(modern, "oracle", "nas-bench-201", word).out == expected


@pytest.mark.parametrize("word", ["@0a1b2c", "0a1b2c", "runs/compare/it"])
@pytest.mark.parametrize("command", [["oracle", "nas-bench-201"], ["show"], ["train", "--name=a", "--dataset=digits"]])
def test_where_a_run_of_a_comparison_is_is_said(word: str, command: list[str]) -> None:
    run = Path("runs/compare/it/search/0a1b2c")
    run.mkdir(parents=True)
    (run / "genotype.txt").write_text(CELL + "\n")
    said = refusal(modern, *command, *(["--genotype"] if command[0] == "train" else []), word)
    if word == "runs/compare/it":
        assert said.endswith("it holds runs: give one of runs/compare/it/search")
    else:
        assert said.endswith(f"for the run of that name in a comparison give {run}")
    assert CELL in succeed(modern, "oracle", "nas-bench-201", str(run)).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nas-bench-201", DARTS_GENOTYPE], "is no network of nas-bench-201: a cell looks like"),
        (["nas-bench-macro", CELL], "is no network of nas-bench-macro"),
        (["nas-bench-201", CELL.replace("skip_connect", "skip")], "unknown operation 'skip'"),
        (["nas-bench-301", CELL], "unknown benchmark 'nas-bench-301'"),
        (["nas-bench-201", "@it"], "there is no genotype"),
        (["nas-bench-201", "it.txt"], "there is no file or folder it.txt; give a genotype, a file of one"),
        (["nas-bench-201"], "GENOTYPE must be given: dadarts oracle BENCHMARK GENOTYPE"),
        (["nas-bench-201", "x" * 10_000], "is no network"),
    ],
)
def test_what_cannot_be_looked_up_is_one_line(words: list[str], said: str) -> None:
    assert said in refusal(modern, "oracle", *words)


def test_a_query_does_not_wait_for_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    program = (
        "import sys; from dadarts.main import main; "
        f"assert main(['oracle', 'nas-bench-201', {CELL!r}]) == 0; assert 'torch' not in sys.modules"
    )
    done = spawn(sys.executable, "-c", program)
    assert done.code == 0, done.err


def _calls(act: Callable[[], object]) -> int:
    """How many functions run: a measure of time that no busy machine changes."""
    count = 0

    def counted(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        act()
    finally:
        sys.setprofile(before)
    return count


def test_opening_a_table_and_asking_it_go_over_none_of_its_networks() -> None:
    table = oracle.nas_bench_201()
    oracle.nas_bench_201.cache_clear()
    assert len(table) == 15_625
    assert _calls(oracle.nas_bench_201) < 1000
    assert _calls(lambda: table.query(CELL)) < 200
