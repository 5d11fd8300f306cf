"""Runs that an earlier version has made load, are listed and shown, and go on to their end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import dadarts
from dadarts.architecture.genotype import Genotype
from tests.commands import Outcome, column, history, modern, refusal, succeed, without_pictures
from tests.nets import native_kernels

BEFORE = Path(__file__).parents[1] / "data" / "runs-before"
COMPARISON = [
    *("compare", "--methods", "dadarts,random", "--seeds", "0:2", "--search_space", "nas-bench-201"),
    *("--dataset", "digits", "--epochs", "2", "--batch_size", "16", "--dataset_portion", "0.2", "--init_channels", "4"),
    *("--layers", "1", "--workers", "0", "--threads", "1", "--name", "small"),
]


@pytest.fixture(autouse=True)
def _beside_a_copy_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(BEFORE, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize("name", ["finished", "fixed"])
def test_a_search_that_has_ended_gives_its_genotype_again(name: str) -> None:
    folder = Path("runs/search") / name
    before = files(folder)
    outcome = succeed(modern, "search", "--name", name, "--resume")
    assert outcome.out == (folder / "result.txt").read_text()
    assert files(folder) == before


def test_a_training_that_has_ended_gives_its_accuracy_again_and_its_network_classifies() -> None:
    folder = Path("runs/augment/finished")
    before = files(folder)
    accuracy = json.loads((folder / "result.txt").read_text())["test_top1"]
    assert succeed(modern, "train", "--name", "finished", "--resume").out == f"{accuracy}\n"
    assert files(folder) == before
    network = dadarts.load("runs/augment/finished")
    assert network(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_they_are_listed_and_shown() -> None:
    listed = json.loads(succeed(modern, "runs", "--json").out)
    assert {(run["kind"], run["name"], run["epoch"], run["epochs"], run["state"]) for run in listed} == {
        ("search", "finished", 3, 3, "finished"),
        ("search", "fixed", 3, 3, "finished"),
        ("search", "stopped", 1, 3, "stopped"),
        ("search", "stopped-fixed", 3, 3, "stopped"),
        ("augment", "finished", 2, 2, "finished"),
        ("augment", "stopped", 1, 2, "stopped"),
    }
    assert all(run["began"] and run["bytes"] and run["seconds"] for run in listed)
    for word in ("@finished", "runs/search/fixed", "runs/augment/finished"):
        shown = json.loads(succeed(modern, "show", word, "--json").out)
        assert shown["parameters"] > 0


def goes_on(kind: str, name: str) -> tuple[Path, Outcome]:
    """Resume a run; its rows before the stop are what they were, and it has all of them at the end."""
    folder = Path("runs") / kind / name
    rows = history(folder)
    epochs = json.loads((folder / "config.json").read_text())["settings"]["epochs"]
    outcome = succeed(modern, "search" if kind == "search" else "train", "--name", name, "--resume")
    # A selection adds its seconds to the last row.
    kept = [{column: row.get(column) for column in before} for before, row in zip(rows, history(folder), strict=False)]
    assert kept[: len(rows) - 1] == rows[:-1]
    assert {key: value for key, value in kept[-1].items() if key != "seconds_selection"} == {
        key: value for key, value in rows[-1].items() if key != "seconds_selection"
    }
    assert column(folder, "epoch") == list(range(epochs))
    return folder, outcome


def test_a_search_that_was_stopped_goes_on_to_its_end() -> None:
    native_kernels()
    folder, outcome = goes_on("search", "stopped")
    assert Genotype.parse(outcome.last_line) == Genotype.parse((folder / "result.txt").read_text())
    assert all(0 < value < 5 for value in column(folder, "train_loss"))


def test_a_search_that_was_stopped_in_its_selection_goes_on_with_that() -> None:
    native_kernels()
    folder, outcome = goes_on("search", "stopped-fixed")
    assert Genotype.parse(outcome.last_line) == Genotype.parse((folder / "result.txt").read_text())


def test_a_training_that_was_stopped_goes_on_to_its_end() -> None:
    folder, outcome = goes_on("augment", "stopped")
    assert "reference engine (as before the stop)" in outcome.err
    assert 0 <= float(outcome.last_line) <= 1
    assert (folder / "model.safetensors").is_file()


def test_a_training_of_before_there_were_recipes_goes_on_with_the_original_s() -> None:
    saved = json.loads(Path("runs/augment/stopped/config.json").read_text())["settings"]
    given = ("dataset", "epochs", "batch_size", "genotype", "init_channels", "layers", "dataset_portion", "aux_weight")
    words = [word for name in given for word in (f"--{name}", str(saved[name]))]
    outcome = succeed(modern, "train", "--name", "stopped", *words, "--cutout_length", "0", "--resume")
    assert column(Path("runs/augment/stopped"), "weight_lr") == [0.025, 0.0125]
    assert 0 <= float(outcome.last_line) <= 1


@pytest.mark.parametrize(("name", "setting"), [("stopped", "seed"), ("stopped", "batch_size"), ("stopped", "flip")])
def test_they_do_not_go_on_with_other_settings(name: str, setting: str) -> None:
    words = ["search", "--name", name, "--resume", "--dataset", "digits", "--epochs", "3", "--nodes", "1"]
    words += ["--init_channels", "4", "--layers", "2", "--dataset_portion", "0.3", "--batch_size", "32"]
    other = {"seed": ["--seed", "7"], "batch_size": ["--batch_size", "16"], "flip": ["--flip", "vertical"]}[setting]
    if other[0] in words:
        place = words.index(other[0])
        del words[place : place + 2]
    assert f"--{setting} is" in refusal(modern, *words, *other)


def test_a_comparison_knows_the_jobs_that_it_has_done() -> None:
    outcome = succeed(modern, *COMPARISON)
    assert "4 jobs, 4 of them done before" in outcome.err
    results = (BEFORE / "compare/small/results.csv").read_text().splitlines()
    again = Path("runs/compare/small/results.csv").read_text().splitlines()
    assert len(again) == len(results)
    assert len(list(Path("runs/compare/small/search").iterdir())) == 4
