"""Tables of costs in comparisons: what a table says is part of what its jobs are."""

from __future__ import annotations

from pathlib import Path

import pytest

from dadarts.architecture.places import walked_space
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import space
from dadarts.compare.executors import Local, Running
from dadarts.compare.jobs import Protocol, jobs_of
from dadarts.engines.profile import Cost, Profile
from dadarts.engines.profile.written import as_csv
from tests.commands import call, modern, refusal
from tests.compare.forked import fork_jobs
from tests.compare.test_comparison import FOLDER, TINY

COSTS = ["--max_latency_ms", "1e5", "--costs", "costs.csv"]
WORDS = ["compare", "--methods", "random", "--seeds", "0", *TINY, *COSTS]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fork_jobs(monkeypatch)


def write(ms: float) -> None:
    cost = Cost(0, 0, ms / 1000)
    places = walked_space(space("nas-bench-201"), Macro(16, 5, (1, 8, 8), 10)).places
    Path("costs.csv").write_text(as_csv(Profile(dict.fromkeys(places, cost), cost)))


def keys(**costs: str) -> list[str]:
    protocol = Protocol({"max_latency_ms": "5", **costs}, None, Path("runs"))
    return [job.key for job in jobs_of(protocol, ["darts"], [7, 8], ["nas-bench-201"], ["digits"])]


def test_keys_hold_what_a_table_says_and_without_one_are_as_they_were() -> None:
    assert keys()[0] == "b076f0aa3e98ba4a"
    found = keys()
    for ms in (1.0, 2.0):
        write(ms)
        assert keys(costs="costs.csv") == keys(costs="costs.csv")
        found += keys(costs="costs.csv")
    assert len(set(found)) == 6


def test_a_table_that_is_not_there_is_refused_in_one_line() -> None:
    assert "--costs costs.csv: No such file or directory" in refusal(modern, *WORDS)


def test_a_table_that_changes_while_jobs_are_computed_mixes_no_results(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Local.start

    def changed(self: Local, folder: Path, log: Path) -> Running:
        write(2.0)
        return start(self, folder, log)

    monkeypatch.setattr(Local, "start", changed)
    write(1.0)
    said = call(modern, *WORDS)
    assert said.code == 1
    assert "--costs costs.csv is not what it was when the comparison was begun" in said.err.splitlines()[-1]
    assert not (FOLDER / "search").exists()
    monkeypatch.setattr(Local, "start", start)
    assert call(modern, *WORDS).code == 0
