"""Plugins in comparisons: what a plugin is, is part of what its jobs are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from dadarts import plugins
from dadarts.compare.executors import Local, Running
from dadarts.compare.jobs import Job, Protocol, jobs_of
from dadarts.compare.provenance import provenance
from dadarts.compare.results import COLUMNS, Result
from dadarts.methods.catalogue import METHODS
from dadarts.methods.relaxations import RELAXATIONS
from tests.commands import BENCH_GENOTYPE, alphas, call, modern, succeed
from tests.compare.forked import fork_jobs
from tests.compare.test_comparison import rows

WORDS = ["--plugin", "mine.py", "--methods", "own", "--seeds", "0", "--space", "nas-bench-201", "--dataset", "digits",
         "--dataset_portion", "0.1", "--batch_size", "32", "--epochs", "1", "--init_channels", "2", "--layers", "1",
         "--workers", "0", "--jobs", "1", "--name", "it"]  # fmt: skip
FOLDER = Path("runs/compare/it")
PLUGIN = """
from dataclasses import dataclass

import dadarts


@dadarts.register.relaxation
@dataclass(frozen=True)
class Own(dadarts.Relaxation):
    def __call__(self, alpha_NEO, candidates, progress):
        return candidates.softmax(FACTOR * alpha_NEO)


@dadarts.register.method("own")
def own():
    return dadarts.Method(alphas=dadarts.Objective(Own()), order="first")
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    fork_jobs(monkeypatch)
    yield
    forget()


def forget() -> None:
    """Leave this process as one that has not run the plugin."""
    METHODS.pop("own", None)
    RELAXATIONS.pop("Own", None)
    for name in [name for name in sys.modules if name.startswith("dadarts_plugin_")]:
        del sys.modules[name]


def write(factor: int) -> None:
    forget()
    Path("mine.py").write_text(PLUGIN.replace("FACTOR", str(factor)))


def test_a_changed_file_computes_anew_and_one_that_is_put_back_does_not() -> None:
    jobs = []
    for factor, done in ((1, 0), (1, 1), (9, 0), (1, 1), (9, 1)):
        write(factor)
        said = succeed(modern, "compare", *WORDS)
        assert f"1 job, {done} of them done before" in said.err
        (row,) = rows(FOLDER)
        assert row["state"] == "done"
        jobs.append(row["job"])
    first, second = jobs[0], jobs[2]
    assert jobs == [first, first, second, first, second]
    values = [alphas(FOLDER / "search" / job) for job in (first, second)]
    assert any((values[0][name] != values[1][name]).any() for name in values[0])


def test_a_file_that_changes_while_jobs_are_computed_mixes_no_results(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Local.start

    def changed(self: Local, folder: Path, log: Path) -> Running:
        Path("mine.py").write_text(PLUGIN.replace("FACTOR", "9"))
        return start(self, folder, log)

    monkeypatch.setattr(Local, "start", changed)
    write(1)
    said = call(modern, "compare", *WORDS)
    assert said.code == 1
    assert "--plugin mine.py is not what it was when the comparison was begun" in said.err.splitlines()[-1]
    assert not (FOLDER / "search").exists()


def job(*plugins: str) -> Job:
    settings = {"epochs": "3", **({"plugin": "mine.py"} if plugins else {})}
    protocol = Protocol(settings, {"epochs": "2"}, Path("runs"), plugins)
    (only,) = jobs_of(protocol, ["darts-first-order"], [7], ["nas-bench-201"], ["digits"])
    return only


def test_a_report_says_what_the_plugins_are() -> None:
    write(1)
    hashed = f"sha256 {sha256(Path('mine.py').read_bytes()).hexdigest()}"
    assert plugins.fingerprints(["mine.py", "./mine.py", "absent.py", "absent"]) == dict.fromkeys(
        ("mine.py", "./mine.py"), hashed
    )
    assert ("plugins", hashed) in provenance(
        ["dadarts", "compare"], [Result(job(hashed), dict.fromkeys(COLUMNS))], []
    ).rows
    without = provenance(["dadarts", "compare"], [Result(job(), dict.fromkeys(COLUMNS))], [])
    assert "plugins" not in dict(without.rows)


def test_keys_hold_what_plugins_are_and_without_any_are_as_they_were() -> None:
    without, first, second = job(), job("sha256 1"), job("sha256 2")
    assert (without.key, without.training_of(BENCH_GENOTYPE).name) == ("77cd42ce17845ee5", "205e9e00989b30ee")
    assert len({one.key for one in (without, first, second)}) == 3
    assert len({one.training_of(BENCH_GENOTYPE).name for one in (without, first, second)}) == 3
