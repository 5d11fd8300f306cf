"""A run that was stopped, killed or damaged goes on to the very numbers of one that was not."""

from __future__ import annotations

import json
import os
import pickle
import random
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
import torch

import dadarts
from dadarts.cli.original import augment_config, search_config
from dadarts.config import SearchConfig
from dadarts.distributed import Processes
from dadarts.runs import checkpoint
from dadarts.runs.events import AssessmentStep, EpochDone, RunStarted, SearchDone, StepDone, ValidationStep
from dadarts.searching import loop as search_loop
from dadarts.searching import state as search_state
from dadarts.training import loop as train_loop
from tests.commands import (
    COMMON,
    TINIEST,
    TINY_TRAINING,
    Running,
    alphas,
    augment,
    call,
    check_refusal,
    history,
    modern,
    refusal,
    result_of_search,
    result_of_training,
    script,
    search,
    stop_after,
    succeed,
    without_pictures,
)
from tests.nets import native_kernels

SEARCH = [*TINIEST, "-hd_on_weights", "-topk_on_alphas", "-dal_on_alphas", "-print_freq", "1"]
TRAINING = [*TINY_TRAINING, "-valid_fraction", "0.2", "-drop_path_prob", "0.3", "-print_freq", "1"]
TWO_STEPS = ["32" if word == "16" else word for word in COMMON]
"""An epoch of a search is two steps."""
RESTARTS = [*SEARCH, "-restarts", "2", "-alpha_lr", "0.05", "-w_grad_clip", "0"]
SEARCH_RUN = Path("runs/search/it")
TRAINING_RUN = Path("runs/augment/it")


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


@contextmanager
def in_a_folder(factory: pytest.TempPathFactory) -> Iterator[tuple[Path, pytest.MonkeyPatch]]:
    """A new folder to be in, without pictures, for runs that several tests look at."""
    folder = factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        without_pictures(monkeypatch)
        yield folder, monkeypatch


@pytest.fixture(scope="module")
def ended_search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the search has run that is never stopped."""
    with in_a_folder(tmp_path_factory) as (folder, _):
        succeed(search, "-name", "it", *SEARCH)
    return folder


@pytest.fixture(scope="module")
def ended_training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the training has run that is never stopped."""
    with in_a_folder(tmp_path_factory) as (folder, _):
        succeed(augment, "-name", "it", *TRAINING)
    return folder


@pytest.fixture(scope="module")
def whole_search(ended_search: Path) -> tuple[Any, ...]:
    """What the search gives that is never stopped."""
    return result_of_search(ended_search / SEARCH_RUN)


@pytest.fixture(scope="module")
def whole_training(ended_training: Path) -> tuple[Any, ...]:
    """What the training gives that is never stopped."""
    return result_of_training(ended_training / TRAINING_RUN)


@pytest.fixture(scope="module")
def after_a_step(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the search was stopped after its first step."""
    with in_a_folder(tmp_path_factory) as (folder, monkeypatch), stop_after(1, signal.SIGINT, monkeypatch):
        assert call(search, "-name", "it", *SEARCH).code == 130
    return folder


@pytest.fixture
def _stopped(after_a_step: Path, tmp_path: Path) -> None:
    """`SEARCH_RUN` was stopped after its first step."""
    shutil.copytree(after_a_step / "runs", tmp_path / "runs")


@pytest.fixture(scope="module")
def whole_restarts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """What the search with restarts gives that is never stopped."""
    with in_a_folder(tmp_path_factory) as (folder, _):
        succeed(search, "-name", "it", *RESTARTS)
    assert steps_an_epoch(folder / SEARCH_RUN) == 4
    return result_of_search(folder / SEARCH_RUN)


def position(folder: Path) -> tuple[int, int]:
    """(epoch, step) of the last checkpoint."""
    _, state = checkpoint.load(folder / "checkpoints" / "last.pt", folder.parent.name)
    return state["position"]["epoch"], state["position"]["step"]


def without(words: list[str], flag: str) -> list[str]:
    """The words without a flag and its value."""
    place = words.index(flag)
    return words[:place] + words[place + 2 :]


def steps_an_epoch(folder: Path) -> int:
    found = re.search(r"(\d+) steps an epoch", (folder / "log.txt").read_text())
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize(("number", "steps"), [(signal.SIGINT, 3), (signal.SIGTERM, 6)])
def test_a_signal_finishes_the_batch_saves_and_says_how_to_go_on(
    number: signal.Signals, steps: int, whole_search: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with stop_after(steps, number, monkeypatch):
        outcome = call(search, "-name", "it", *SEARCH)
    assert outcome.code == 128 + number
    assert outcome.out == ""
    assert position(SEARCH_RUN) == divmod(steps, steps_an_epoch(SEARCH_RUN))
    command = shlex.split(outcome.err.splitlines()[-1].split("go on with: ")[1])
    assert command == ["python", "search.py", "-name", "it", *SEARCH, "-resume"]
    resumed = succeed(search, *command[2:])
    assert resumed.last_line == (SEARCH_RUN / "genotype.txt").read_text().strip()
    assert result_of_search(SEARCH_RUN) == whole_search


def interrupted(folder: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a real command that is sent ^C."""
    command = [*script("search.py"), "-name", "it", *SEARCH]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "step 2/" in line:
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def terminated(folder: Path) -> tuple[int, str, str]:
    """The same of one that is sent SIGTERM."""
    running = Running("search", ["-name", "it", *SEARCH], folder)
    running.wait_for("step 2/")
    return running.stop(signal.SIGTERM), running.out, running.err


@pytest.mark.parametrize(("stopped", "expected"), [(interrupted, 130), (terminated, 143)])
def test_a_signal_to_the_process_of_a_command_saves_and_its_advice_works(
    stopped: Callable[[Path], tuple[int, str, str]], expected: int, whole_search: tuple[Any, ...], tmp_path: Path
) -> None:
    code, out, err = stopped(tmp_path)
    assert (code, out) == (expected, "")
    assert position(SEARCH_RUN) < (2, 0)
    assert err.splitlines()[-1].startswith("stopped and saved; go on with: python search.py -name it ")
    assert err.splitlines()[-1].endswith(" -resume")
    succeed(search, "-name", "it", "-resume")
    assert result_of_search(SEARCH_RUN) == whole_search


def test_the_advice_after_a_signal_keeps_a_run_named_resume_and_drops_only_the_flags(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with stop_after(1, signal.SIGINT, monkeypatch):
        outcome = call(search, "-name", "resume", *SEARCH, "-overwrite", "True")
    advice = outcome.err.splitlines()[-1]
    assert shlex.split(advice.split("go on with: ")[1])[2:] == ["-name", "resume", *SEARCH, "-resume"]
    with stop_after(1, signal.SIGINT, monkeypatch):
        outcome = call(modern, "search", "--name", "resume", "--resume=True")
    advice = outcome.err.splitlines()[-1]
    assert advice.endswith("go on with: dadarts search --name resume --resume")


def test_a_search_killed_again_and_again_goes_on_to_the_same_numbers(
    whole_search: tuple[Any, ...], tmp_path: Path
) -> None:
    moments = random.Random(2024)
    frequent = [*without(SEARCH, "-workers"), "-checkpoint_minutes", "0", "-workers", "3"]
    reached = []
    for kill in range(2):
        running = Running("search", ["-name", "it", *frequent, *(["-resume"] if kill else [])], tmp_path)
        running.wait_for("  step ", times=moments.randint(1, 2))
        time.sleep(moments.uniform(0, 0.03))
        assert running.stop(signal.SIGKILL) == -signal.SIGKILL, running.err
        reached.append(position(SEARCH_RUN))
    assert reached == sorted(set(reached)), "every process got further than the one before"
    assert reached[-1] < (2, 0)
    succeed(search, "-name", "it", *SEARCH, "-resume")
    assert result_of_search(SEARCH_RUN) == whole_search


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before_and_no_rubbish(
    whole_search: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with stop_after(3, signal.SIGTERM, monkeypatch):
        call(search, "-name", "it", *SEARCH)
    unfinished = [SEARCH_RUN / "checkpoints" / ".last.pt.999.pt", SEARCH_RUN / ".history.csv.999.csv"]
    for path in unfinished:
        path.write_bytes(b"cut sho")
    succeed(search, "-name", "it", *SEARCH, "-resume")
    assert result_of_search(SEARCH_RUN) == whole_search
    assert not [path for path in unfinished if path.exists()]


def test_a_checkpoint_exists_before_the_first_step() -> None:
    events = dadarts.search(search_config(["-name", "it", *SEARCH]))
    assert isinstance(next(events), RunStarted)
    assert position(SEARCH_RUN) == (0, 0)
    assert json.loads((SEARCH_RUN / "config.json").read_text())["settings"]["name"] == "it"


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize(
    ("method", "space"),
    [("gdas", "darts"), ("drnas", "nas-bench-201"), ("sdarts-rs", "darts"), ("fair-darts", "nas-bench-201")],
)
def test_a_search_that_draws_goes_on_with_the_draws_of_one_that_was_not_stopped(
    method: str, space: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "native":
        native_kernels()
    words = ["search", *TWO_STEPS, "-method", method, "-search_space", space, "-engine", engine, "-alpha_lr", "0.05"]
    words += ["-print_freq", "1", *(["-nodes", "1"] if space == "darts" else [])]
    succeed(modern, *words, "-name", "whole")
    with stop_after(3, signal.SIGTERM, monkeypatch):
        call(modern, *words, "-name", "it")
    assert position(SEARCH_RUN) == (1, 1)
    succeed(modern, *words, "-name", "it", "-resume")
    whole = SEARCH_RUN.with_name("whole")
    assert result_of_search(SEARCH_RUN) == result_of_search(whole)
    first, second = alphas(SEARCH_RUN)["normal_0"]
    assert (first != second).any()


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_a_search_that_weighs_its_draws_goes_on_with_them(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if engine == "native":
        native_kernels()
    words = ["search", *without(TWO_STEPS, "-epochs"), "-epochs", "3", "-method", "dadarts-plus", "-nodes", "2"]
    words += ["-engine", engine, "-alpha_lr", "0.05", "-print_freq", "1"]
    succeed(modern, *words, "-name", "whole")
    with stop_after(5, signal.SIGTERM, monkeypatch):
        call(modern, *words, "-name", "it")
    assert position(SEARCH_RUN) == (2, 1)
    succeed(modern, *words, "-name", "it", "-resume")
    whole = SEARCH_RUN.with_name("whole")
    assert result_of_search(SEARCH_RUN) == result_of_search(whole)
    # Two thirds of the epochs are warm-up.
    initial, (first, second, third) = (alphas(whole)[name] for name in ("initial_normal_1", "normal_1"))
    assert (first == initial).all()
    assert (second == initial).all()
    assert (third != initial).any()


@pytest.mark.parametrize("space", ["darts", "nas-bench-201"])
def test_a_search_with_shares_of_edges_goes_on_with_them(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["search", *without(TWO_STEPS, "-init_channels"), "-init_channels", "4", "-method", "pc-darts"]
    words += ["-search_space", space, "-alpha_lr", "0.05", "-print_freq", "1"]
    words += ["-nodes", "2"] if space == "darts" else []
    whole = SEARCH_RUN.with_name("whole")
    log = succeed(modern, *words, "-name", "whole").err
    assert "torch engine (native kernels are for whole channels)" in log
    with stop_after(3, signal.SIGTERM, monkeypatch):
        call(modern, *words, "-name", "it")
    assert position(SEARCH_RUN) == (1, 1)
    succeed(modern, *words, "-name", "it", "-resume")
    assert result_of_search(SEARCH_RUN) == result_of_search(whole)
    saved = alphas(SEARCH_RUN)
    for name in ("normal_0", "normal_1_beta"):
        initial, (first, second) = saved[f"initial_{name}"], saved[name]
        # Epoch 0 is warm-up.
        assert (first == initial).all()
        assert (second != initial).any()


@pytest.mark.parametrize("at", [4, 5, 6, 8])
def test_a_search_with_restarts_goes_on_in_the_one_it_was_in(
    at: int, whole_restarts: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with stop_after(at, signal.SIGTERM, monkeypatch):
        call(search, "-name", "it", *RESTARTS)
    assert position(SEARCH_RUN) == ((1, at - 4) if at > 4 else (0, 4))
    succeed(search, "-name", "it", *RESTARTS, "-resume")
    assert result_of_search(SEARCH_RUN) == whole_restarts


def test_a_search_closed_between_two_restarts_goes_on_with_the_second(whole_restarts: tuple[Any, ...]) -> None:
    config = search_config(["-name", "it", *RESTARTS])
    events: Any = dadarts.search(config)
    while not isinstance(next(events), EpochDone):
        pass
    events.close()
    assert position(SEARCH_RUN) == (1, 0)
    succeed(search, "-name", "it", *RESTARTS, "-resume")
    assert result_of_search(SEARCH_RUN) == whole_restarts


@pytest.mark.parametrize("moment", ["first event", "step", "validation", "epoch"])
def test_closing_the_iterator_of_a_search_saves_it_wherever_it_is(moment: str, whole_search: tuple[Any, ...]) -> None:
    kind = {"first event": RunStarted, "step": StepDone, "validation": ValidationStep, "epoch": EpochDone}[moment]
    config = search_config(["-name", "it", *SEARCH])
    events = dadarts.search(config)
    assert isinstance(events, Generator)
    steps = 0
    for event in events:
        steps += isinstance(event, StepDone)
        if isinstance(event, kind):
            break
    events.close()
    expected = {"first event": (0, 0), "step": (0, 1), "validation": (0, steps), "epoch": (1, 0)}
    assert position(SEARCH_RUN) == expected[moment]
    assert isinstance(list(dadarts.search(config, resume=True))[-1], SearchDone)
    assert result_of_search(SEARCH_RUN) == whole_search


@pytest.mark.parametrize("moment", ["step", "validation", "last epoch", "test"])
def test_closing_the_iterator_of_a_training_saves_it_wherever_it_is(
    moment: str, whole_training: tuple[Any, ...]
) -> None:
    config = augment_config(["-name", "it", *TRAINING])
    events = dadarts.train(config)
    assert isinstance(events, Generator)
    for event in events:
        if (
            (moment == "step" and isinstance(event, StepDone) and (event.epoch, event.step) == (1, 2))
            or (moment == "validation" and isinstance(event, ValidationStep))
            or (moment == "test" and isinstance(event, AssessmentStep))
            or (moment == "last epoch" and isinstance(event, EpochDone) and event.epoch == 1)
        ):
            break
    events.close()
    assert not (TRAINING_RUN / "metrics.json").exists()
    list(dadarts.train(config, resume=True))
    assert result_of_training(TRAINING_RUN) == whole_training


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_goes_on_to_the_same_network(
    number: signal.Signals, whole_training: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with stop_after(10, number, monkeypatch):
        outcome = call(augment, "-name", "it", *TRAINING)
    assert outcome.code == 128 + number
    assert position(TRAINING_RUN)[0] == 1
    command = shlex.split(outcome.err.splitlines()[-1].split("go on with: ")[1])
    assert command == ["python", "augment.py", "-name", "it", *TRAINING, "-resume"]
    resumed = succeed(augment, *command[2:])
    kept = r"epochs on cpu with 1 thread \(as before the stop\), \w+ engine \(as before the stop\)"
    assert re.search(kept + r"; it goes on with [^;\n]* epoch 2/\d+\n", resumed.err)
    assert float(resumed.last_line) == json.loads((TRAINING_RUN / "metrics.json").read_text())["test_top1"]
    assert result_of_training(TRAINING_RUN) == whole_training


def test_a_killed_training_goes_on_to_the_same_network(whole_training: tuple[Any, ...], tmp_path: Path) -> None:
    frequent = [*without(TRAINING, "-workers"), "-checkpoint_minutes", "0", "-workers", "3"]
    running = Running("augment", ["-name", "it", *frequent], tmp_path)
    running.wait_for("  step ", times=8)
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL, running.err
    assert position(TRAINING_RUN) > (0, 0)
    succeed(augment, "-name", "it", *TRAINING, "-resume")
    assert result_of_training(TRAINING_RUN) == whole_training


def test_a_search_of_the_noisy_space_goes_on_with_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = [*without(without(TINIEST, "-search_space"), "-nodes"), *["-search_space", "S4", "-nodes", "1"]]
    succeed(search, "-name", "whole", *noisy)
    with stop_after(3, signal.SIGINT, monkeypatch):
        assert call(search, "-name", "it", *noisy).code == 130
    succeed(search, "-name", "it", "-resume")
    assert result_of_search(SEARCH_RUN)[1:] == result_of_search(Path("runs/search/whole"))[1:]


def test_a_finished_run_is_resumed_by_printing_its_result(ended_search: Path, ended_training: Path) -> None:
    for folder in (ended_search, ended_training):
        shutil.copytree(folder / "runs", "runs", dirs_exist_ok=True)
    before = {path: path.stat().st_mtime_ns for path in SEARCH_RUN.rglob("*")}
    for words in (["-name", "it", *SEARCH, "-resume"], ["-name", "it", "-resume"]):
        assert succeed(search, *words).out == (SEARCH_RUN / "genotype.txt").read_text()
    assert {path: path.stat().st_mtime_ns for path in SEARCH_RUN.rglob("*")} == before
    accuracy = json.loads((TRAINING_RUN / "metrics.json").read_text())["test_top1"]
    assert succeed(augment, "-name", "it", "-resume").out == f"{accuracy}\n"
    assert succeed(modern, "train", "--name", "it", "--resume").out == f"{accuracy}\n"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["-batch_size", "8"], "-batch_size"),
        (["-seed", "7"], "-seed"),
        (["-hd_on_virtualstep"], "-hd_on_virtualstep"),
        (["-w_lr", "0.5"], "-w_lr"),
        (["-nodes", "1"], "-nodes"),
        (["-dataset_portion", "0.2"], "-dataset_portion"),
        (["-epochs", "3"], "-epochs"),
    ],
)
@pytest.mark.usefixtures("_stopped")
def test_a_run_goes_on_with_no_other_setting_than_its_own(change: list[str], named: str) -> None:
    words = without(SEARCH, change[0]) if change[0] in SEARCH else SEARCH
    said = refusal(search, "-name", "it", *words, *change, "-resume")
    assert named in said.split("settings: ")[1]
    others = {"-batch_size", "-seed", "-hd_on_weights", "-w_lr", "-nodes", "-dataset_portion", "-epochs"} - {named}
    assert not [name for name in others if f"{name} " in said.split("settings: ")[1]], "only what differs is named"
    if named != "-hd_on_virtualstep":
        assert refusal(search, "-name", "it", *change, "-resume") == said, "without its data set it is the run's own"


@pytest.mark.usefixtures("_stopped")
def test_a_run_goes_on_with_no_other_number_of_threads() -> None:
    assert "-threads is 1 in the run" in refusal(
        search, "-name", "it", *without(SEARCH, "-threads"), "-threads", "2", "-resume"
    )


def test_a_run_goes_on_with_the_engine_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    succeed(search, "-name", "whole", *SEARCH, "-engine", "reference")
    with stop_after(3, signal.SIGINT, monkeypatch):
        call(search, "-name", "it", *SEARCH, "-engine", "reference")
    assert "-engine" in refusal(search, "-name", "it", *SEARCH, "-engine", "native", "-resume")
    kept = (
        r"on cpu with 1 thread \(as before the stop\), reference engine \(as before the stop\); it goes on with .*\n$"
    )
    for words in (["-name", "it", "-resume"], ["-name", "it", *SEARCH, "-resume"]):
        with stop_after(1, signal.SIGINT, monkeypatch):
            assert re.search(kept, call(search, *words).err.splitlines(keepends=True)[1])
    assert re.search(kept, succeed(search, "-name", "it", *SEARCH, "-resume").err.splitlines(keepends=True)[1])
    assert result_of_search(Path("runs/search/it")) == result_of_search(Path("runs/search/whole"))


def test_a_training_goes_on_with_the_engine_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    native_kernels()
    succeed(augment, "-name", "whole", *TRAINING, "-engine", "reference")
    with stop_after(3, signal.SIGINT, monkeypatch):
        call(augment, "-name", "it", *TRAINING, "-engine", "reference")
    assert "-engine" in refusal(augment, "-name", "it", *TRAINING, "-engine", "native", "-resume")
    resumed = succeed(augment, "-name", "it", *TRAINING, "-resume")
    assert "reference engine (as before the stop); it goes on with " in resumed.err.splitlines()[1]
    assert result_of_training(Path("runs/augment/it")) == result_of_training(Path("runs/augment/whole"))
    native = succeed(augment, "-name", "other", *TRAINING)
    assert native.err.splitlines()[1].endswith("native engine (a CPU with a C++ compiler)")
    for one, other in zip(*(history(Path("runs/augment") / name) for name in ("whole", "other")), strict=True):
        assert float(one["train_loss"]) == pytest.approx(float(other["train_loss"]), rel=1e-4)


def test_where_and_how_a_run_works_may_change_when_it_goes_on(
    whole_search: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with stop_after(5, signal.SIGINT, monkeypatch):
        call(search, "-name", "it", *SEARCH)
    shutil.move("runs", "moved")
    changed = "-runs_dir moved -workers 2 -print_freq 3 -checkpoint_minutes 0 -data_path elsewhere"
    succeed(search, "-name", "it", "-resume", *changed.split())
    assert result_of_search(Path("moved/search/it")) == whole_search


def test_a_run_goes_on_where_it_is_found(whole_search: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    with stop_after(5, signal.SIGINT, monkeypatch):
        call(search, "-name", "it", *SEARCH, "-runs_dir", "before/runs")
    shutil.copytree("before/runs", "runs")
    succeed(search, "-name", "it", "-resume")
    assert result_of_search(SEARCH_RUN) == whole_search
    assert not Path("before", SEARCH_RUN, "result.txt").exists()


def test_a_name_that_exists_is_only_continued_or_replaced_on_request(ended_search: Path) -> None:
    shutil.copytree(ended_search / "runs", "runs")
    said = refusal(search, "-name", "it", *SEARCH)
    assert "-resume" in said
    assert "-overwrite" in said
    assert "one of them" in refusal(search, "-name", "it", *SEARCH, "-resume", "-overwrite")
    (SEARCH_RUN / "left over.txt").write_text("old")
    again = succeed(search, "-name", "it", *SEARCH, "-overwrite", "True")
    assert again.out == (ended_search / SEARCH_RUN / "genotype.txt").read_text()
    assert not (SEARCH_RUN / "left over.txt").exists()
    assert len(history(SEARCH_RUN)) == 2


def test_two_processes_never_write_one_run_and_a_dead_one_does_not_block(tmp_path: Path) -> None:
    running = Running("search", ["-name", "it", *without(SEARCH, "-epochs"), "-epochs", "1000"], tmp_path)
    running.wait_for("step")
    for steering in ("-resume", "-overwrite"):
        outcome = call(search, "-name", "it", *without(SEARCH, "-epochs"), "-epochs", "1000", steering)
        check_refusal(outcome)
        assert f"process {running.process.pid}" in outcome.err
    assert json.loads(succeed(modern, "runs", "--json").out)[0]["state"] == "running"
    assert " running  2" in succeed(modern, "runs").out
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL, running.err
    assert json.loads(succeed(modern, "runs", "--json").out)[0]["state"] == "stopped"
    succeed(search, "-name", "it", *SEARCH, "-overwrite")
    assert len(history(SEARCH_RUN)) == 2


def test_a_run_that_another_process_began_meanwhile_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    build = search_state.build

    def build_slowly(config: SearchConfig, processes: Processes, **settings: Any) -> search_state.SearchState:
        monkeypatch.setattr(search_loop, "build", build)
        succeed(search, "-name", "it", *SEARCH)
        return build(config, processes, **settings)

    monkeypatch.setattr(search_loop, "build", build_slowly)
    outcome = call(search, "-name", "it", *SEARCH)
    check_refusal(outcome)
    assert "exists" in outcome.err
    assert (SEARCH_RUN / "result.txt").is_file()


def damaged(how: str) -> bytes:
    """A file that stands where the last checkpoint of `SEARCH_RUN` was."""
    path = SEARCH_RUN / "checkpoints" / "last.pt"
    content = path.read_bytes()
    if how == "another kind":
        payload = torch.load(path, weights_only=True)
        torch.save({**payload, "kind": "augment"}, path)
    elif how == "another version":
        payload = torch.load(path, weights_only=True)
        torch.save({**payload, "version": 99}, path)
    elif how == "another network":
        payload = torch.load(path, weights_only=True)
        payload["state"]["weights"].popitem()
        torch.save(payload, path)
    elif how == "a tensor":
        torch.save(torch.zeros(3), path)
    else:
        return {
            "empty": b"",
            "cut short": content[: len(content) // 2],
            "noise": random.Random(0).randbytes(5000),
            "one byte off": content[:3000] + bytes([content[3000] ^ 255]) + content[3001:],
            "text": b"hello",
        }[how]
    return path.read_bytes()


@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "cut short",
        "noise",
        "text",
        "a tensor",
        "another kind",
        "another version",
        "another network",
    ],
)
@pytest.mark.usefixtures("_stopped")
def test_a_damaged_checkpoint_is_refused_and_left_as_it_is(how: str) -> None:
    content = damaged(how)
    path = SEARCH_RUN / "checkpoints" / "last.pt"
    path.write_bytes(content)
    assert "last.pt" in refusal(search, "-name", "it", *SEARCH, "-resume")
    assert path.read_bytes() == content


class _Touch:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("pwned"),)


@pytest.mark.parametrize("layout", ["pickle", "torch"])
@pytest.mark.usefixtures("_stopped")
def test_code_in_a_checkpoint_is_never_run(layout: str) -> None:
    path = SEARCH_RUN / "checkpoints" / "last.pt"
    if layout == "torch":
        torch.save({"version": 1, "kind": "search", "settings": {}, "state": _Touch()}, path)
    else:
        path.write_bytes(pickle.dumps(_Touch(), protocol=2))
    torch.load(path, weights_only=False) if layout == "torch" else pickle.loads(path.read_bytes())  # noqa: S301
    assert Path("pwned").exists(), "the file does hold code that runs"
    Path("pwned").unlink()
    assert "holds more than data" in refusal(search, "-name", "it", *SEARCH, "-resume")
    assert not Path("pwned").exists()


def test_a_checkpoint_of_another_configuration_is_refused_by_naming_what_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, words in (("it", SEARCH), ("other", [*SEARCH, "-seed", "5"])):
        with stop_after(1, signal.SIGINT, monkeypatch):
            call(search, "-name", name, *words)
    shutil.copy("runs/search/other/checkpoints/last.pt", SEARCH_RUN / "checkpoints" / "last.pt")
    said = refusal(search, "-name", "it", *SEARCH, "-resume")
    assert "-seed is 5 in the run and 42 here" in said


@pytest.mark.parametrize("kind", ["search", "augment"])
def test_a_run_goes_on_with_no_other_pictures(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = sklearn.datasets.load_digits()
    pictures, labels = data.images.astype(np.uint8)[:200], data.target[:200]
    np.savez("mine.npz", x=pictures, y=labels)
    entry, words = (search, SEARCH) if kind == "search" else (augment, TRAINING)
    words = ["mine.npz" if word == "digits" else "1" if word == "0.1" else word for word in words]
    with stop_after(1, signal.SIGINT, monkeypatch):
        assert call(entry, "-name", "it", *words).code == 130
    np.savez("mine.npz", x=pictures, y=labels[::-1])
    assert "has begun with other training pictures or labels" in refusal(entry, "-name", "it", *words, "-resume")
    np.savez("mine.npz", x=pictures, y=labels)
    succeed(entry, "-name", "it", *words, "-resume")


@pytest.mark.usefixtures("_stopped")
def test_a_run_without_its_checkpoint_or_with_a_damaged_configuration_is_refused() -> None:
    kept = (SEARCH_RUN / "config.json").read_text()
    for content in ("", "{", "[]", '{"settings": 3}', "\0"):
        (SEARCH_RUN / "config.json").write_text(content)
        assert "config.json is damaged" in refusal(search, "-name", "it", "-resume")
        assert "config.json is damaged" in refusal(search, "-name", "it", *SEARCH, "-resume")
    settings = json.loads(kept)["settings"]
    (SEARCH_RUN / "config.json").write_text(json.dumps({"settings": settings, "versions": {}}))
    assert "-device" in refusal(search, "-name", "it", "-resume")
    (SEARCH_RUN / "config.json").write_text(kept)
    (SEARCH_RUN / "checkpoints" / "last.pt").unlink()
    assert "last.pt is not there" in refusal(search, "-name", "it", *SEARCH, "-resume")


@pytest.mark.usefixtures("_stopped")
def test_a_run_whose_method_lacks_a_field_or_a_finite_number_is_refused() -> None:
    saved = (SEARCH_RUN / "config.json").read_text()
    temperature = "temperature_edge=Constant(value=1.0)"
    assert temperature in saved
    for schedule, said in (
        ("Constant()", "Constant lacks its field value: give all of value"),
        ("Linear(end=1.0)", "Linear lacks its field start: give all of start, end"),
        ("Constant(1e999)", "1e999 is no finite number at character"),
        ("Linear(0.0, -1e999)", "-1e999 is no finite number at character"),
        ("Constant(value=nan)", "nan is no finite number at character"),
    ):
        (SEARCH_RUN / "config.json").write_text(saved.replace(temperature, f"temperature_edge={schedule}"))
        assert said in refusal(search, "-name", "it", "-resume")
        assert said in refusal(search, "-name", "it", *SEARCH, "-resume")


def test_a_run_that_does_not_exist_cannot_be_resumed() -> None:
    for words in (["-name", "it", *SEARCH, "-resume"], ["-name", "it", "-resume"]):
        assert "there is no run runs/search/it to resume" in refusal(search, *words)
    for words in (["-name", "it", *TRAINING, "-resume"], ["-name", "it", "-resume"]):
        assert "there is no run runs/augment/it to resume" in refusal(augment, *words)
    assert "dataset" in refusal(search, "-name", "it", "-resume=False")


def test_an_interrupt_before_the_run_has_begun_is_answered_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dadarts.cli.configs.search_config", interrupted)
    check_refusal(call(search, "-name", "it", *SEARCH), 130)


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_a_stopped_demo_names_the_command_that_goes_on_with_it(
    more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with stop_after(1, signal.SIGINT, monkeypatch):
        outcome = call(modern, "demo", "--runs_dir", "my runs", "--seed", "7", *more)
    assert outcome.code == 130
    advice = outcome.err.splitlines()[-1].split("go on with: ")[1]
    assert advice == "dadarts demo --runs_dir 'my runs' --seed 7"
    assert position(Path("my runs/search/demo-7")) == (0, 1)
    with stop_after(1, signal.SIGINT, monkeypatch):
        call(modern, *shlex.split(advice)[1:])
    assert position(Path("my runs/search/demo-7")) == (0, 2)


BEFORE = "stopped at once, before a first checkpoint: nothing was saved"
AFTER = "stopped at once; the last checkpoint is kept"


def signalled(*_: object, **__: object) -> None:
    """What never ends by itself."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


def test_a_signal_while_the_data_is_read_ends_the_command_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_loop, "build", signalled)
    began = time.monotonic()
    outcome = call(search, "-name", "it", *SEARCH)
    check_refusal(outcome, 143)
    assert outcome.err == f"search.py: {BEFORE}\n"
    assert time.monotonic() - began < 30
    assert not SEARCH_RUN.exists()


@pytest.mark.parametrize("entry", ["search", "augment"])
def test_a_signal_while_a_stopped_run_is_read_says_that_its_checkpoint_is_kept(
    entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, words = (search, SEARCH) if entry == "search" else (augment, TRAINING)
    with stop_after(1, signal.SIGINT, monkeypatch):
        call(command, "-name", "it", *words)
    for module in (search_loop, train_loop):
        monkeypatch.setattr(module, "build", signalled)
    for more in ([], words):
        outcome = call(command, "-name", "it", *more, "-resume")
        check_refusal(outcome, 143)
        assert outcome.err == f"{entry}.py: {AFTER}\n"
    assert position(Path("runs") / entry / "it") == (0, 1)


def test_a_second_signal_while_the_state_is_saved_ends_at_once_and_keeps_the_checkpoint(
    whole_search: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with stop_after(3, signal.SIGINT, monkeypatch), monkeypatch.context() as patch:
        save = checkpoint.save
        saves: Any = iter([save, signalled])
        patch.setattr(checkpoint, "save", lambda *arguments: next(saves)(*arguments))
        outcome = call(search, "-name", "it", *SEARCH)
    assert outcome.code == 143
    assert outcome.err.splitlines()[-1] == f"search.py: {AFTER}"
    assert position(SEARCH_RUN) == (0, 0)
    succeed(search, "-name", "it", "-resume")
    assert result_of_search(SEARCH_RUN) == whole_search
