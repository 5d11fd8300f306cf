"""What a run leaves behind, in every search space and under every option, the same for the same seed."""

from __future__ import annotations

import json
import math
import re
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

import dadarts
from dadarts import main
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.spaces import SPACES, space
from dadarts.cli.original import augment_config, search_config
from dadarts.runs import checkpoint
from dadarts.runs.events import EpochDone, RunStarted, SearchDone, StepDone, TrainDone, ValidationStep
from dadarts.training import export
from tests.commands import (
    QUICKEST,
    TINIEST,
    TINY,
    TINY_TRAINING,
    Outcome,
    alphas,
    augment,
    call,
    column,
    history,
    modern,
    refusal,
    result_of_search,
    result_of_training,
    search,
    succeed,
    without_pictures,
)

HISTORY = [
    *("epoch", "weight_lr", "temperature", "dal_factor", "train_loss", "train_top1", "valid_loss", "valid_top1"),
    *("relaxed_top1", "discrete_top1", "discretization_gap", "dal", "alpha_entropy", "changed_choices"),
    *("skip_share", "parameter_free_share", "seconds", "images_per_second"),
]

ONE_EPOCH = [
    *("-epochs", "1", "-init_channels", "2", "-layers", "1", "-batch_size", "32", "-dataset_portion", "0.1"),
    *("-workers", "0", "-device", "cpu", "-threads", "1"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a search and a training of what it found have run, pictures and all."""
    folder = tmp_path_factory.mktemp("finished")
    runs = ["-runs_dir", str(folder / "runs")]
    succeed(search, "-name", "found", *TINY, *runs, "-hd_on_weights", "-dal_on_alphas", "-topk_on_alphas")
    trained = [word if word != TINY_TRAINING[-1] else "@found" for word in TINY_TRAINING]
    succeed(augment, "-name", "trained", *trained, *runs)
    return folder


def test_a_search_leaves_its_settings_genotype_history_and_alphas(finished: Path) -> None:
    folder = finished / "runs/search/found"
    saved = json.loads((folder / "config.json").read_text())
    words = ["-name", "found", *TINY, "-runs_dir", str(finished / "runs")]
    config = search_config([*words, "-hd_on_weights", "-dal_on_alphas", "-topk_on_alphas"])
    assert dadarts.SearchConfig(**saved["settings"]) == config
    assert {"dadarts", "torch", "python", "device", "threads"} <= set(saved["versions"])
    genotype = Genotype.parse((folder / "genotype.txt").read_text())
    assert (folder / "genotype.txt").read_text() == f"{genotype}\n"
    assert Genotype.parse((folder / "genotype.json").read_text()) == genotype
    assert json.loads((folder / "genotype.json").read_text())["space"] == "darts"
    rows = history(folder)
    assert list(rows[0])[: len(HISTORY)] == HISTORY
    assert [row["epoch"] for row in rows] == ["0", "1"]
    arrays = alphas(folder)
    assert {name: array.shape for name, array in arrays.items()} == {
        "normal_0": (2, 2, 8),
        "reduce_0": (2, 2, 8),
        "initial_normal_0": (2, 8),
        "initial_reduce_0": (2, 8),
    }
    assert not np.array_equal(arrays["normal_0"][0], arrays["normal_0"][1])
    assert checkpoint.load(folder / "checkpoints/last.pt", "search")[0] == saved["settings"]
    log = (folder / "log.txt").read_text()
    assert "epoch 2/2" in log
    assert "on cpu with 1 thread (as asked for), " in log
    assert " engine (" in log
    assert not list(folder.rglob(".*.tmp"))


@pytest.mark.parametrize("run", ["search/found", "augment/trained"])
def test_history_tells_what_the_time_went_to(run: str, finished: Path) -> None:
    for row in history(finished / "runs" / run):
        shares = [float(value) for name, value in row.items() if name.startswith("share_")]
        assert len(shares) == (4 if run.startswith("search") else 3)
        assert sum(shares) == pytest.approx(1)
        assert all(0 <= share <= 1 for share in shares)
        # Waiting for batches is timed, never none.
        assert 0 < float(row["share_loading"]) < 1
        assert float(row["share_weights"]) > 0


def test_a_training_leaves_its_network_and_its_metrics(finished: Path) -> None:
    folder = finished / "runs/augment/trained"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics)[:5] == ["test_top1", "test_loss", "parameters", "multiply_adds", "seconds"]
    network = export.load(folder)
    assert metrics["parameters"] == sum(weight.numel() for weight in network.network.parameters())
    assert metrics["multiply_adds"] > 0
    assert metrics["seconds"] == pytest.approx(sum(column(folder, "seconds")))
    assert len(history(folder)) == 2
    found = (finished / "runs/search/found/genotype.txt").read_text()
    assert (folder / "genotype.txt").read_text() == found
    assert Genotype.parse((folder / "genotype.json").read_text()) == Genotype.parse(found)
    assert dadarts.TrainConfig(
        **json.loads((folder / "config.json").read_text())["settings"]
    ).genotype == Genotype.parse(found)


@pytest.mark.parametrize("run", ["search/found", "augment/trained"])
def test_the_pictures_of_a_run_are_svg(run: str, finished: Path) -> None:
    folder = finished / "runs" / run
    for name in ("cells/normal.svg", "cells/reduce.svg", "curves.svg"):
        assert ElementTree.parse(folder / name).getroot().tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314


@pytest.mark.parametrize("run", ["search/found", "augment/trained"])
def test_tensorboard_has_the_numbers_of_history(run: str, finished: Path) -> None:
    folder = finished / "runs" / run
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    for name in ("train_loss", "train_top1", "weight_lr"):
        scalars = events.Scalars(name)
        assert [scalar.step for scalar in scalars] == [0, 1]
        assert [scalar.value for scalar in scalars] == pytest.approx(column(folder, name), rel=1e-6)


def test_a_found_genotype_is_trained_by_path_and_by_name_alike(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    common = ["-dataset", "digits", "-name", "x"]
    files = [f"runs/search/found/genotype.{kind}" for kind in ("txt", "json")]
    folders = ["runs/search/found", str(finished / "runs/augment/trained")]
    by_path = [augment_config([*common, "-genotype", path]).genotype for path in (*files, *folders)]
    assert by_path == [augment_config([*common, "-genotype", "@found"]).genotype] * 4


def test_runs_are_listed_for_people_and_programs(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    listed = json.loads(call(modern, "runs", "--json").out)
    assert [(run["kind"], run["name"], run["epoch"], run["epochs"], run["state"]) for run in listed] == [
        ("search", "found", 2, 2, "finished"),
        ("augment", "trained", 2, 2, "finished"),
    ]
    lines = call(modern, "runs").out.splitlines()
    assert len(lines) == 3
    assert lines[0].split() == [
        *("kind", "name", "data", "set", "epochs", "state", "began", "took", "size", "accuracy", "result")
    ]
    assert lines[1].split()[:3] == ["search", "found", "digits"]
    assert lines[2].split()[:3] == ["train", "trained", "digits"]
    accuracy = json.loads((finished / "runs/augment/trained/metrics.json").read_text())["test_top1"]
    assert lines[2].endswith(f" {accuracy:.2%} test")
    valid = column(finished / "runs/search/found", "valid_top1")[-1]
    verdict = json.loads((finished / "runs/search/found/genotype.json").read_text())["verdict"]
    assert verdict["decided"] is False
    assert f" {valid:.2%} valid  undecided: Genotype(" in lines[1]
    assert [run["verdict"] for run in listed] == ["undecided", None]
    assert [run["accuracy"] for run in listed] == [valid, accuracy]
    for run in listed:
        folder = finished / "runs" / run["kind"] / run["name"]
        assert (folder / "log.txt").read_text().startswith(run["began"])
        times = [row[name] for row in history(folder) for name in ("seconds", "seconds_validation")]
        assert run["seconds"] == pytest.approx(sum(map(float, times)))
        assert run["bytes"] == sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("place", ["nowhere", "a file", "x" * 5000])
def test_runs_are_not_listed_from_what_is_no_folder(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a file").write_text("mine")
    said = f"dadarts: there is no folder {place[:200]}; give the --runs_dir that the runs were begun with"
    assert (
        refusal(modern, "runs", "--runs_dir", place) == refusal(modern, "runs", "--runs_dir", place, "--json") == said
    )


def test_where_there_are_no_runs_yet_it_is_said_how_to_begin_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("an empty one").mkdir()
    for folder, words in (("runs", []), ("an empty one", ["--runs_dir", "an empty one"])):
        outcome = succeed(modern, "runs", *words)
        said, command = outcome.err.rstrip("\n").split("; begin one: dadarts search ")
        assert (outcome.out, said) == ("", f"there are no runs in {folder} yet")
        assert main.search_config(shlex.split(command)).runs_dir == Path(folder)
        assert succeed(modern, "runs", *words, "--json") == Outcome(0, "[]\n", "")


def test_the_runs_of_a_comparison_are_listed_where_it_is_said(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    assert "comparison" not in succeed(modern, "runs").err
    listed = succeed(modern, "runs").out
    Path("new/compare").mkdir(parents=True)
    Path("new/compare/it").symlink_to(Path("runs").absolute())
    outcome = succeed(modern, "runs", "--runs_dir", "new")
    said, command = outcome.err.rstrip("\n").split("; list its runs: dadarts ")
    assert (outcome.out, said) == ("", "new/compare/it is a comparison")
    assert succeed(modern, *shlex.split(command)).out == listed


def test_a_damaged_or_unfinished_run_is_listed_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    events = dadarts.search(search_config(["-name", "stopped", *QUICKEST]))
    next(events)
    events.close()  # type: ignore[attr-defined]
    Path("runs/search/broken").mkdir()
    Path("runs/search/broken/config.json").write_text("{")
    Path("runs/search/stray").mkdir()
    listed = json.loads(call(modern, "runs", "--json").out)
    assert [(run["name"], run["epoch"], run["state"]) for run in listed] == [
        ("broken", 0, "damaged"),
        ("stopped", 0, "stopped"),
    ]


@pytest.mark.parametrize("words", [[], ["--runs_dir", "other runs"]])
def test_a_stopped_run_is_listed_with_the_command_that_goes_on_with_it(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    stopped: Any = dadarts.search(search_config(["-name", "a b", *QUICKEST, *words]))
    while not isinstance(next(stopped), EpochDone):
        pass
    stopped.close()
    said = succeed(modern, "runs", *words).out.splitlines()[1]
    state, command = said.split("go on with: dadarts ")
    assert state.split()[:6] == ["search", "a", "b", "digits", "1/2", "stopped"]
    succeed(modern, *shlex.split(command))
    assert " 2/2  finished  " in succeed(modern, "runs", *words).out
    if words:
        Path("other runs/jobs").mkdir()
        Path("other runs/search/a b/result.txt").unlink()
        listed = succeed(modern, "runs", *words).out
        assert " stopped  " in listed
        assert listed.endswith(" valid  goes on with the same `dadarts compare`\n")


def test_a_search_in_python_yields_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    config = dadarts.SearchConfig(
        name="it",
        dataset="digits",
        runs_dir=tmp_path,
        epochs=2,
        batch_size=32,
        nodes=1,
        init_channels=2,
        layers=1,
        dataset_portion=0.1,
        workers=0,
    )
    events = list(dadarts.search(config))
    assert isinstance(events[0], RunStarted)
    assert events[0].folder == tmp_path / "search/it"
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [(step.epoch, step.step) for step in steps] == [
        (epoch, step) for epoch in range(2) for step in range(1, steps[0].steps + 1)
    ]
    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert [float(event.row["train_loss"] or 0) for event in epochs] == column(tmp_path / "search/it", "train_loss")
    assert any(isinstance(event, ValidationStep) for event in events)
    done = events[-1]
    assert isinstance(done, SearchDone)
    assert f"{done.genotype}\n" == (tmp_path / "search/it/genotype.txt").read_text()
    assert [path.is_file() for path in done.pictures] == [True] * 3
    training = dadarts.TrainConfig(
        name="it",
        dataset="digits",
        runs_dir=tmp_path,
        epochs=1,
        batch_size=64,
        genotype=done.genotype,
        init_channels=2,
        layers=1,
        dataset_portion=0.1,
        workers=0,
    )
    last = list(dadarts.train(training))[-1]
    assert isinstance(last, TrainDone)
    assert last.metrics == json.loads((tmp_path / "augment/it/metrics.json").read_text())


@pytest.mark.parametrize("name", SPACES)
def test_every_space_is_searched_and_what_is_found_is_trained(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    nodes = {"nas-bench-201": "3", "S1": "4", "nas-bench-macro": "8"}.get(name, "2")
    outcome = succeed(
        search, "-name", "it", "-dataset", "digits", *ONE_EPOCH, "-first_order", "-search_space", name, "-nodes", nodes
    )
    genotype = Genotype.parse(outcome.last_line)
    assert genotype.syntax == space(name).syntax
    assert len(genotype.cells["normal"].nodes) == int(nodes)
    known = {word for cell in space(name).candidates.values() for node in cell for edge in node for word in edge}
    assert set(genotype.operations()) <= known
    row = history(Path("runs/search/it"))[0]
    for column_name, value in row.items():
        assert column_name.startswith("temperature") or math.isfinite(float(value))
    trained = succeed(augment, "-name", "it", "-dataset", "digits", *ONE_EPOCH, "-genotype", "@it")
    assert 0 <= float(trained.last_line) <= 1
    assert math.isfinite(column(Path("runs/augment/it"), "train_loss")[0])


OPTIONS = [
    "-topk_on_alphas -option 2 -topk_on_weights -justtopk -bdarts",
    "-topk_on_alphas -option 3 -topk_on_virtualstep -sparsity 1.5 -topk_k_node 1",
    "-topk_on_alphas -topk_k_edge 0 -hd_on_virtualstep -hd_on_weights -hd_start 1 -epochs 2",
    "-hd_on_alphas -hd_on_weights -amended_hessian -dal_on_alphas -linear_dal_factor_increase -dal_factor_max 3",
    "-first_order -dal_on_alphas -dal_target zero -normal_none_penalty 1 -reduce_none_penalty 1 -nesterov",
    "-single_level_optimization -dal_on_weights -topk_on_weights -hessian_eigenvalue",
    "-preset original -topk_on_alphas -dal_on_alphas -topk_temperature_edge 5 -topk_temperature_node 9",
    "-genotype_to_retain best -w_grad_clip 0 -stem_multiplier 1 -alpha_lr 0.1",
]


@pytest.mark.parametrize(
    ("words", "edge", "node"),
    [
        ("-topk_on_alphas -topk_temperature_edge 5 -topk_temperature_node 9", "5.0", "9.0"),
        ("-topk_on_weights -linear_temperature_increase -linear_temperature_max 8", "0.0", "0.0"),
        ("-topk_on_alphas -topk_temperature_edge 5 -topk_k_node 0", "5.0", ""),
        ("-topk_on_alphas -topk_temperature_node 9 -topk_k_edge 0", "9.0", "9.0"),
        ("-hd_on_weights", "", ""),
    ],
)
def test_history_has_the_temperatures_of_both_levels(
    words: str, edge: str, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    small = [*QUICKEST]
    small[small.index("-epochs") + 1] = "1"
    succeed(search, "-name", "it", *small, *words.split())
    row = history(Path("runs/search/it"))[0]
    assert (row["temperature"], row["temperature_node"]) == (edge, node)
    assert list(row)[-3:] == ["architecture_top1", "temperature_node", "operation_pictures"]


def test_validation_may_be_rarer_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    small = [*QUICKEST]
    small[small.index("-epochs") + 1] = "5"
    always = succeed(search, "-name", "always", *small)
    seldom = succeed(search, "-name", "seldom", *small, "-validation_every", "2")
    assert seldom.last_line == always.last_line
    rows = {name: history(Path("runs/search") / name) for name in ("always", "seldom")}
    assert [list(row) for row in rows["seldom"]] == [list(row) for row in rows["always"]]
    for number, (one, other) in enumerate(zip(rows["always"], rows["seldom"], strict=True)):
        measured = number in (1, 3, 4)
        for name in ("valid_top1", "valid_loss", "relaxed_top1", "discretization_gap", "architecture_top1"):
            assert other[name] == (one[name] if measured else "")
        assert (float(other["seconds_validation"]) > 0) == measured
        assert other["train_loss"] == one["train_loss"]


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_searches_with_finite_numbers(
    options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    common = [*ONE_EPOCH, "-search_space", "connect-nas-bench", "-nodes", "2"]
    if "-epochs" in options:
        common = common[2:]
    succeed(search, "-name", "it", "-dataset", "digits", *common, *options.split())
    for row in history(Path("runs/search/it")):
        for name, value in row.items():
            assert name.startswith("temperature") or math.isfinite(float(value)), name
    arrays = alphas(Path("runs/search/it"))
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert not np.array_equal(arrays["normal_0"][-1], arrays["initial_normal_0"])


def test_the_same_seed_gives_the_same_search_with_any_workers_and_another_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    technique = ["-hd_on_weights", "-topk_on_alphas", "-dal_on_alphas", "-alpha_lr", "0.1"]
    tiny = ["32" if word == "16" else word for word in TINY]
    for name, more in (("a", []), ("workers", ["-workers", "3"]), ("other", ["-seed", "43"])):
        words = [word for word in tiny if word not in ("-workers", "0")] if name == "workers" else tiny
        succeed(search, "-name", name, *words, *technique, *more)
    first = result_of_search(Path("runs/search/a"))
    assert result_of_search(Path("runs/search/workers")) == first
    other = result_of_search(Path("runs/search/other"))
    assert other[0] != first[0]
    assert other[1] != first[1]


def test_the_same_seed_gives_the_same_training_with_any_workers_and_another_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    tiny = ["32" if word == "16" else word for word in TINY_TRAINING]
    for name, more in (("a", []), ("workers", ["-workers", "3"]), ("other", ["-seed", "43"])):
        words = [word for word in tiny if word not in ("-workers", "0")] if name == "workers" else tiny
        succeed(augment, "-name", name, *words, "-drop_path_prob", "0.5", *more)
    first = result_of_training(Path("runs/augment/a"))
    assert result_of_training(Path("runs/augment/workers")) == first
    other = result_of_training(Path("runs/augment/other"))
    assert other[0] != first[0]
    assert other[2] != first[2]


def test_the_epoch_that_is_best_on_the_held_out_part_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    words = [*TINY_TRAINING, "-valid_fraction", "0.3", "-lr", "0.3"]
    words[words.index("-epochs") + 1] = "4"
    states = {}
    for event in dadarts.train(augment_config(["-name", "it", *words])):
        if isinstance(event, EpochDone):
            saved = checkpoint.load(Path("runs/augment/it/checkpoints/last.pt"), "augment")[1]["network"]
            states[event.epoch] = (float(event.row["valid_top1"] or 0), saved)
    best = max(states, key=lambda epoch: (states[epoch][0], -epoch))
    kept = export.load("runs/augment/it").network.state_dict()
    assert kept
    for name, tensor in kept.items():
        assert np.array_equal(tensor.numpy(), states[best][1][name].numpy())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-search_space", "nas-bench-201", "-nodes", "3"], "leaves M = W"),
        (["-nodes", "1", "-topk_k_node", "0"], "leaves M = W"),
        (["-nodes", "1", "-topk_k_edge", "0"], "M = W times a constant"),
    ],
)
def test_option_2_with_a_level_off_searches_and_says_once_what_is_left(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    both = ["-topk_on_alphas", "-topk_on_weights", "-option", "2"]
    outcome = succeed(search, "-name", "it", "-dataset", "digits", *ONE_EPOCH, *words, *both)
    assert outcome.err.count("-option 2 with") == 1
    assert f"{said}\n" in outcome.err
    arrays = alphas(Path("runs/search/it"))
    assert not np.array_equal(arrays["normal_0"][-1], arrays["initial_normal_0"])


def test_what_should_be_known_about_the_flags_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    both = ["-topk_on_alphas", "-hd_on_alphas", "-dal_on_weights", "-first_order"]
    outcome = succeed(search, "-name", "it", *TINIEST, *both, "-print_freq", "3")
    log = Path("runs/search/it/log.txt").read_text()
    for said in ("top-k is what acts", "-dal_on_weights acts only where"):
        assert outcome.err.count(said) == log.count(said) == 1
    steps = re.findall(r"^epoch (\d)/2  step (\d)/4 ", outcome.err, re.MULTILINE)
    assert steps == [(epoch, step) for epoch in "12" for step in "3"], (
        "every third step; the epoch's line is its last one's"
    )
    assert "plain DARTS" not in outcome.err
    assert "plain DARTS" in succeed(search, "-name", "plain", *QUICKEST).err


def test_a_search_that_has_chosen_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    said = "every choice is still that of the first random draw"
    assert said in succeed(search, "-name", "still", *QUICKEST, "-alpha_lr", "0").err
    assert said not in succeed(search, "-name", "moved", *QUICKEST, "-alpha_lr", "1", "-alpha_weight_decay", "0").err
