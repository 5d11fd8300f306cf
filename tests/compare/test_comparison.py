"""A comparison through its command: stopped, killed, added to, and refused."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from sklearn.datasets import load_digits

from dadarts import oracle
from dadarts.architecture.genotype import Genotype
from dadarts.compare import executors, worker
from dadarts.compare.executors import Local
from dadarts.compare.jobs import seeds_of
from dadarts.compare.schedule import Status
from dadarts.compare.store import JobFolder
from dadarts.compare.table import JobTable
from dadarts.config import SearchConfig
from dadarts.data import DataRequest, DataSet, load
from dadarts.errors import InputError
from dadarts.rundir.kinds import SEARCH
from dadarts.searching.loop import search
from tests.commands import call, modern, refusal, result_of_search, succeed, without_pictures
from tests.compare.forked import fork_jobs

DATA = ["--dataset", "digits", "--dataset_portion", "0.1", "--batch_size", "16", "--workers", "0"]
TINY = [*DATA, "--space", "nas-bench-201", "--epochs", "2", "--init_channels", "2", "--layers", "1", "--jobs", "2"]
LONG = [*DATA, "--space", "connect-nas-bench", "--nodes", "2", "--init_channels", "2", "--layers", "1", "--jobs", "2",
        "--epochs", "40", "--checkpoint_minutes", "0"]  # fmt: skip
"""Epochs of a tenth of a second, and so many that a stop comes long before the last."""
TRAINING = ["--train", "--train_epochs", "1", "--train_init_channels", "2", "--train_layers", "1",
            "--train_cutout_length", "0"]  # fmt: skip
FOLDER = Path("runs/compare/nas-bench-201-digits")
LONG_FOLDER = Path("runs/compare/connect-nas-bench-digits")
SPAWN = executors.spawn
"""The process of a job as people have it: an interpreter of its own."""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fork_jobs(monkeypatch)


def rows(folder: Path = FOLDER) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_comparison_searches_trains_judges_and_is_added_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(executors, "spawn", SPAWN)
        said = succeed(modern, "compare", "--methods", "darts-first-order", "--seeds", "0:2", *TINY)
    assert "2 jobs, 0 of them done before" in said.err
    first = rows()
    assert [(row["method"], row["seed"], row["state"], row["tries"]) for row in first] == [
        ("darts-first-order", seed, "done", "1") for seed in "01"
    ]
    before = {path: path.stat().st_mtime_ns for path in (FOLDER / "search").rglob("*") if path.is_file()}

    more = ["--methods", "darts-first-order,darts-first-order:alpha_lr=0.1", "--seeds", "0:2", *TINY, *TRAINING]
    said = succeed(modern, "compare", *more, "--report")
    assert "4 jobs, 0 of them done before" in said.err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    found = rows()
    assert [row["job"] for row in found if row["method"] == "darts-first-order"] == [row["job"] for row in first]
    assert len({row["job"] for row in found}) == 4
    for row in found:
        folder = FOLDER / "search" / row["job"]
        assert row["genotype"] == (folder / "genotype.txt").read_text().strip()
        score = oracle.nas_bench_201().query(row["genotype"]).scores["cifar10"]
        assert (float(row["truth_cifar10_accuracy"]), float(row["truth_cifar10_regret"])) == (
            score.accuracy,
            score.regret,
        )
        assert 0 <= float(row["test_top1"]) <= 1
        assert int(row["peak_memory_bytes"]) > 10**8
        assert float(row["parameter_free_share"]) == Genotype.parse(row["genotype"]).parameter_free_share()
    settings = json.loads((FOLDER / "jobs" / found[1]["job"] / "job.json").read_text())
    assert (settings["method"], settings["search"]["alpha_lr"]) == ("darts-first-order:alpha_lr=0.1", 0.1)
    assert settings["search"]["fork_jobs"] == 1
    table = pyarrow.parquet.read_table(FOLDER / "results.parquet").to_pylist()
    assert [{name: "" if value is None else str(value) for name, value in row.items()} for row in table] == found

    said = succeed(modern, "compare", *more)
    assert "4 jobs, 4 of them done before" in said.err
    assert "begun" not in said.err
    assert "earlier commands" not in said.err

    # What this command does not name stays where it is, and is said to be missing from the table.
    said = succeed(modern, "compare", "--methods", "darts-first-order", "--seeds", "1", *TINY, *TRAINING)
    assert f"note: these results are without 3 jobs of earlier commands in {FOLDER}: name" in said.err
    assert [row["seed"] for row in rows()] == ["1"]


def shown_to(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Call `act` with every status whenever the table is told of anything."""
    show = JobTable.__call__

    def shown(self: JobTable, changed: Status | None) -> None:
        show(self, changed)
        for status in self.statuses:
            act(status)

    monkeypatch.setattr(JobTable, "__call__", shown)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The processes of jobs, as they are started."""
    started: list[Any] = []
    start = Local.start

    def remembered(self: Local, folder: Path, log: Path) -> Any:
        started.append(start(self, folder, log))
        return started[-1]

    monkeypatch.setattr(Local, "start", remembered)
    yield started
    assert all(running.poll() is not None for running in started)


def test_a_stopped_and_killed_comparison_ends_as_if_nothing_had_happened(
    monkeypatch: pytest.MonkeyPatch, processes: list[Any]
) -> None:
    words = ["--methods", "darts-first-order", "--seeds", "3", *LONG]
    done = 0

    def interrupt(status: Status) -> None:
        nonlocal done
        if status.state == "running" and status.done > done and not done:
            done = status.done
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        shown_to(patch, interrupt)
        outcome = call(modern, "compare", *words)
    assert outcome.code == 130
    assert "go on with: dadarts compare --methods darts-first-order" in outcome.err
    (row,) = rows(LONG_FOLDER)
    assert (row["state"], row["genotype"]) == ("waiting", "")
    folder = LONG_FOLDER / "search" / row["job"]
    assert (folder / "checkpoints/last.pt").is_file()

    def kill(status: Status) -> None:
        if status.state == "running" and status.done > done + 1 and len(processes) == 2:
            os.kill(processes[1].process.pid, signal.SIGKILL)

    with monkeypatch.context() as patch:
        shown_to(patch, kill)
        said = succeed(modern, "compare", *words)
    assert "try 1 of 3 failed (killed by SIGKILL), to be run again" in said.err
    (row,) = rows(LONG_FOLDER)
    assert (row["state"], row["tries"], row["why"]) == ("done", "2", "")
    assert len(processes) == 3

    without_pictures(monkeypatch)
    settings = json.loads((folder / "config.json").read_text())["settings"]
    own = {"name": "once", "runs_dir": "other", "engine": row["engine"], "checkpoint_minutes": 10}
    for _ in search(SearchConfig(**{**settings, **own})):
        pass
    assert result_of_search(folder) == result_of_search(Path("other/search/once"))


def test_a_job_that_trains_nothing_has_no_epochs_of_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs: set[tuple[str, int, int]] = set()
    words = ["--methods", "random", "--seeds", "0", *TINY]
    with monkeypatch.context() as patch:
        shown_to(patch, lambda status: epochs.add((status.state, status.done, status.total)))
        succeed(modern, "compare", *words)
        assert epochs == {("running", 0, 0), ("done", 0, 0)}
        epochs.clear()
        succeed(modern, "compare", *words, *TRAINING)
    assert {(done, total) for _, done, total in epochs} == {(0, 1), (1, 1)}
    lines = succeed(modern, "runs", "--runs_dir", str(FOLDER)).out.splitlines()
    assert lines[1].split()[2:5] == ["digits", "-", "finished"]
    assert lines[2].split()[2:5] == ["digits", "1/1", "finished"]


def test_a_comparison_that_nothing_will_judge_says_so_before_it_begins() -> None:
    said = "note: connect-nas-bench has no ground truth and nothing is trained"
    words = ["--methods", "random", "--seeds", "0", *LONG]
    err = succeed(modern, "compare", *words).err
    assert err.index(said) < err.index("1 job, 0 of them done")
    assert said not in succeed(modern, "compare", *words).err, "all of it is done"
    assert said not in succeed(modern, "compare", "--methods", "random", "--seeds", "0", *TINY).err


def test_a_job_that_keeps_failing_is_reported_and_never_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    real = executors.command

    def command(folder: Path) -> list[str]:
        if json.loads((folder / "job.json").read_text())["search"]["seed"] == 0:
            return [sys.executable, "-c", "print('out of luck'); raise SystemExit(1)"]
        return real(folder)

    monkeypatch.setattr(executors, "command", command)
    outcome = call(modern, "compare", "--methods", "darts-first-order", "--seeds", "0:2", *TINY, "--report")
    assert outcome.code == 1
    failed, done = rows()
    assert (failed["state"], failed["tries"], failed["why"]) == ("failed", "3", "out of luck")
    assert (done["state"], done["tries"]) == ("done", "1")
    assert f"job {failed['job']} failed: out of luck" in outcome.err
    assert "1 of 2 jobs are done" in (FOLDER / "report.md").read_text()
    assert "| failed | 3 | out of luck |" in (FOLDER / "report.md").read_text()

    monkeypatch.setattr(executors, "command", real)
    succeed(modern, "compare", "--methods", "darts-first-order", "--seeds", "0:2", *TINY)
    assert [(row["state"], row["tries"]) for row in rows()] == [("done", "4"), ("done", "1")]


def test_jobs_that_have_found_the_same_share_one_training() -> None:
    methods = "darts-first-order:alpha_lr=1e-9,darts-first-order:alpha_lr=2e-9"
    words = ["--methods", methods, "--seeds", "0", *TINY, *TRAINING]
    words[words.index("--train_epochs") + 1] = "8"
    succeed(modern, "compare", *words)
    one, other = rows()
    assert one["genotype"] == other["genotype"]
    assert [(row["state"], row["tries"]) for row in (one, other)] == [("done", "1"), ("done", "1")]
    assert one["train_seconds"] == other["train_seconds"] != ""
    assert len(list((FOLDER / "augment").iterdir())) == 1


def test_a_training_that_another_job_was_faster_to_begin_serves_both(monkeypatch: pytest.MonkeyPatch) -> None:
    succeed(modern, "compare", "--methods", "random", "--seeds", "0", *TINY, *TRAINING)
    (row,) = rows()
    (trained,) = (FOLDER / "augment").iterdir()
    aside = trained.rename(FOLDER / "aside")

    def beaten(*_: object) -> int:
        aside.rename(trained)
        raise InputError("it is being written by process 1")

    real = worker._run
    monkeypatch.setattr(worker, "_run", lambda *run: (real if run[-1] == SEARCH else beaten)(*run))
    assert worker.work(JobFolder(FOLDER / "jobs" / row["job"])) == 0
    trained.rename(aside)

    def refused(*_: object) -> int:
        raise InputError("no such data")

    monkeypatch.setattr(worker, "_MOMENT", 0.1)
    monkeypatch.setattr(worker, "_run", lambda *run: (real if run[-1] == SEARCH else refused)(*run))
    with pytest.raises(InputError, match="no such data"):
        worker.work(JobFolder(FOLDER / "jobs" / row["job"]))


@pytest.mark.parametrize(("is_damaged", "number"), [(False, signal.SIGTERM), (True, signal.SIGINT)])
def test_a_try_begins_anew_only_where_the_checkpoint_is_unusable(
    is_damaged: bool, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--methods", "darts-first-order", "--seeds", "3", *LONG]
    interrupted = False

    def interrupt(status: Status) -> None:
        nonlocal interrupted
        if status.state == "running" and status.done and not interrupted:
            interrupted = True
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        shown_to(patch, interrupt)
        assert call(modern, "compare", *words).code == 128 + number
    (run,) = (LONG_FOLDER / "search").iterdir()
    if is_damaged:
        (run / "checkpoints" / "last.pt").write_bytes(b"no checkpoint")
    real, tries = executors.command, 0

    def command(folder: Path) -> list[str]:
        nonlocal tries
        tries += 1
        return [sys.executable, "-c", "print('bad input'); raise SystemExit(2)"] if tries == 1 else real(folder)

    monkeypatch.setattr(executors, "command", command)
    succeed(modern, "compare", *words)
    assert ("as before the stop" in (run / "log.txt").read_text()) is not is_damaged
    (row,) = rows(LONG_FOLDER)
    assert (row["state"], row["epochs"], row["why"]) == ("done", "40", "")


def test_what_a_selection_takes_and_returns_is_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = "random-ws:selection_genotypes=4,darts-first-order"
    loaded = []

    def noted(request: DataRequest) -> DataSet:
        loaded.append(request)
        return load(request)

    monkeypatch.setattr("dadarts.data.load", noted)
    said = succeed(modern, "compare", "--methods", methods, "--seeds", "0", *TINY, "--report")
    assert len(loaded) == 1, "before it begins, a comparison loads its data once, not once a method"
    selected, read_off = rows()
    with (FOLDER / "search" / selected["job"] / "history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    assert history[0]["seconds_selection"] == ""
    of_selection = float(history[1]["seconds_selection"])
    assert of_selection > 0
    assert float(selected["seconds"]) == pytest.approx(of_selection + sum(float(row["seconds"]) for row in history))
    counted = [float(row["operation_pictures"]) for row in history]
    assert float(selected["operation_pictures"]) == sum(counted) + float(history[1]["operation_pictures_selection"])
    # A mixture for both levels, against single paths.
    assert float(read_off["operation_pictures"]) > 6 * sum(counted) > 0
    *_, table, _, _, last = said.err.splitlines()
    assert "operation-pictures" in table
    assert last == f"report: {FOLDER / 'report.html'}"
    # The hard pass of its last epoch was not one of the genotype that it returned.
    assert selected["discrete_top1"] == selected["discretization_gap"] == ""
    assert float(read_off["discretization_gap"]) == pytest.approx(
        float(read_off["relaxed_top1"]) - float(read_off["discrete_top1"])
    )


def test_a_comparison_is_of_one_data_set() -> None:
    data = load_digits()
    pictures = data.images.astype(np.uint8)
    np.savez("mine.npz", x=pictures, y=data.target)
    words = ["compare", "--methods", "random", "--name", "it", *TINY, "--report"]
    words[words.index("digits")] = "mine.npz"
    succeed(modern, *words, "--seeds", "0")
    (row,) = rows(Path("runs/compare/it"))
    report = Path("runs/compare/it/report.md").read_text()
    assert f"| mine.npz, training part | fingerprint {row['data']} |" in report
    np.savez("mine.npz", x=pictures[::-1], y=data.target)
    said = refusal(modern, *words, "--seeds", "0:2")
    assert "--dataset mine.npz holds other training pictures or labels than when jobs of runs/compare/it" in said
    np.savez("mine.npz", x=pictures, y=data.target)
    succeed(modern, *words, "--seeds", "0:2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--methods", "dadart"], "Did you mean 'dadarts'"),
        (["--methods", ""], "-methods '': give names with commas between them"),
        (["--methods", "darts,darts"], "-methods names darts twice"),
        (["--methods", "dadarts,dadarts:dal_factor=1"], "mean the same search"),
        (["--methods", "dadarts:dal_facto=1"], "no setting 'dal_facto'; write METHOD:setting=value"),
        (["--methods", "dadarts:epochs="], "epochs has no value; write METHOD:setting=value"),
        (["--methods", "dadarts,dadarts:nesterov,darts:nesterov="], "nesterov has no value"),
        (["--methods", "darts:nesterov,darts:nesterov=True"], "mean the same search"),
        (["--methods", "darts:seed=1"], "seed is for the whole comparison"),
        (["--methods", "darts:nodes=2"], "nodes is for the whole comparison"),
        (["--methods", "darts:layers=2:n_layers=3"], "layers is given twice"),
        (["--methods", "darts,darts:batch_size=99999"], "a batch of 99999 is more than the"),
        (["--methods", "darts:w_lr=fast"], "-w_lr fast"),
        (["--methods", "darts", "--seeds", "5:5"], "the range FIRST:END"),
        (["--methods", "darts", "--seeds", "0:2,1"], "named twice"),
        (["--methods", "darts", "--seeds", "-1"], "-seeds"),
        (["--methods", "darts", "--space", "nas-bench-20"], "Did you mean 'nas-bench-201'"),
        (["--methods", "darts", "--jobs", "0"], "-jobs 0: give a whole number"),
        (
            ["--methods", "darts", "--ray_address", "auto"],
            "--ray_address is for Ray clusters; give --engine ray with it",
        ),
        (["--methods", "darts", "--engine", "rays"], "-engine rays: give auto, reference, torch or native"),
        (["--methods", "darts", "--name", "a/b"], "no slash"),
        (["--methods", "darts", "--batch_size", "999999"], "a batch of 999999 is more than the"),
        (["--methods", "darts", "--dataset", "nowhere"], "nowhere"),
        (["--methods", "darts", "--train_epochs", "3"], "give --train with it"),
        (["--methods", "darts", "--margin", "0.2"], "--margin is for the report; give --report with it"),
        (["--methods", "darts", "--report", "--margin", "0"], "--margin 0: give points above 0"),
        (["--methods", "darts", "--pairs", "darts/random"], "--pairs is for the report; give --report with it"),
        (
            ["--methods", "darts,random", "--report", "--pairs", "darts/dadarts"],
            "--pairs darts/dadarts: give two of the --methods",
        ),
        (
            ["--methods", "darts,random", "--report", "--pairs", "darts/random,random/darts"],
            "--pairs random/darts: a pair is two methods, and stands there once",
        ),
        (["--methods", "darts", "--report", "--margin", "nan"], "--margin nan: give points above 0"),
        (["--methods", "darts", "--train", "--train_lr", "nan"], "-train_lr nan"),
        (["--methods", "darts", "--train_genotype", "x"], "unknown flag --train_genotype"),
        (["--methods", "darts", "--epochs", "0"], "-epochs 0"),
        ([], "--methods must be given"),
    ],
)
def test_what_cannot_be_compared_is_refused(words: list[str], said: str) -> None:
    base = ["--dataset", "digits"] if "--dataset" not in words else []
    assert said in refusal(modern, "compare", *words, *base)


def test_a_missing_ray_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "dadarts.compare.on_ray", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    said = refusal(modern, "compare", "--methods", "darts", "--dataset", "digits", "--engine", "ray")
    assert said == "dadarts: --engine ray needs Ray, which is not installed: pip install 'dadarts[ray]'"


def test_a_comparison_is_held_by_one_process() -> None:
    from dadarts.compare.store import Store

    with Store(FOLDER).claimed():
        outcome = call(modern, "compare", "--methods", "darts-first-order", "--seeds", "0", *TINY)
    assert outcome.code == 2
    assert outcome.err == f"dadarts: {FOLDER} is in use by another `dadarts compare`; give another --name\n"


def test_seeds_are_ranges_and_numbers() -> None:
    assert seeds_of("0:3,7") == [0, 1, 2, 7]
    assert seeds_of("100:102") == [100, 101]
    with pytest.raises(InputError, match="seeds"):
        seeds_of("1-3")


def test_cores_are_divided_among_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "cores", lambda: 8)
    assert [Local(jobs).threads for jobs in (1, 2, 3, 8, 20)] == [None, 4, 2, 1, 1]
