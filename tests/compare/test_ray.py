"""A comparison on a Ray cluster of two nodes on this machine: the same results, and jobs that survive killing."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dadarts.compare.schedule import Status
from dadarts.config import SearchConfig
from dadarts.searching.loop import search
from tests.commands import call, modern, refusal, result_of_search, succeed, without_pictures
from tests.compare.test_comparison import FOLDER, TINY, rows, shown_to
from tests.compare.test_plugins import write as write_plugin

pytest.importorskip("ray", reason="the Ray executor needs pip install 'dadarts[ray]'")
from ray.cluster_utils import Cluster

from dadarts.compare import on_ray

ONE_CPU = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
JOBS = ["--methods", "darts-first-order", "--seeds", "0:2", *TINY[:-2]]
"""Two jobs; how many at a time is for the cluster to say."""
MEASURED = ("seconds", "peak_memory_bytes", "tries")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head with one CPU; a test adds the second node, since it may kill it."""
    cluster = Cluster(initialize_head=True, head_node_args=dict(ONE_CPU))
    yield cluster
    cluster.shutdown()


@pytest.fixture
def node(cluster: Any) -> Iterator[Any]:
    node = cluster.add_node(**ONE_CPU)
    yield node
    if node in cluster.worker_nodes:
        cluster.remove_node(node)


def on(cluster: Any) -> list[str]:
    return ["--engine", "ray", "--ray_address", cluster.address]


def test_a_cluster_gives_the_results_of_this_machine(cluster: Any, node: Any) -> None:
    said = succeed(modern, "compare", *JOBS, *on(cluster), "--runs_dir", "elsewhere")
    assert "2 jobs, 0 of them done before" in said.err
    folder = "elsewhere" / FOLDER.relative_to("runs")
    assert said.out.splitlines() == [str(folder / "results.csv"), str(folder / "results.parquet")]
    with (folder / "results.csv").open(newline="") as file:
        there = list(csv.DictReader(file))

    succeed(modern, "compare", *JOBS, "--jobs", "2")
    here = rows()
    for row in (*here, *there):
        assert row["state"] == "done"
        assert row["tries"] == "1"
        for name in MEASURED:
            del row[name]
    assert there == here

    said = succeed(modern, "compare", *JOBS, "--engine", "ray")
    assert "2 jobs, 2 of them done before" in said.err


def test_a_plugin_s_path_is_what_the_nodes_are_told(cluster: Any, node: Any) -> None:
    write_plugin(1)
    words = ["--plugin", "mine.py", "--methods", "own", "--seeds", "0:2", *TINY[:-2]]
    said = succeed(modern, "compare", *words, *on(cluster))
    assert "2 jobs, 0 of them done before" in said.err
    assert [(row["method"], row["state"], row["tries"]) for row in rows()] == [("own", "done", "1")] * 2
    assert "2 jobs, 2 of them done before" in succeed(modern, "compare", *words).err
    write_plugin(9)
    assert "2 jobs, 0 of them done before" in succeed(modern, "compare", *words, *on(cluster)).err


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def process_of(key: str) -> int | None:
    """The process of a job, wherever it was started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "dadarts.compare.worker" in words and words[-2].endswith(f"/jobs/{key}"):
            return int(folder.name)
    return None


def check_unbroken(row: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's search is that of one process which nothing has stopped."""
    without_pictures(monkeypatch)
    folder = FOLDER / "search" / row["job"]
    settings = json.loads((folder / "config.json").read_text())["settings"]
    once = SearchConfig(**{**settings, "name": row["job"], "runs_dir": "other", "engine": row["engine"]})
    for _ in search(once):
        pass
    assert result_of_search(folder) == result_of_search(Path("other/search") / row["job"])


class Accidents:
    """Kills what computes a job once it has got on: on one node the node, on the other its process, then its worker."""

    def __init__(self, cluster: Any, node: Any) -> None:
        self.cluster, self.node = cluster, node
        self.raylet = node.all_processes["raylet"][0].process.pid
        self.lost: str | None = None
        self.killed: list[str] = []
        self.done: dict[str, int] = {}
        self.went_back = False

    def __call__(self, status: Status) -> None:
        key = status.job.key
        before = self.done.setdefault(key, 0)
        self.went_back |= status.done < before
        if status.state != "running" or status.done < before + 2 or self.over(key, status.tries):
            return
        process = process_of(key)
        if process is None:
            return
        self.done[key] = status.done
        worker = parent(process)
        if parent(worker) == self.raylet:
            self.lost = key
            self.cluster.remove_node(self.node, allow_graceful=False)
        else:
            self.killed.append(key)
            os.kill(process if len(self.killed) == 1 else worker, signal.SIGKILL)

    def over(self, key: str, tries: int) -> bool:
        """Whether this try of a job is to be left alone."""
        return key == self.lost or len(self.killed) == 2 or self.killed.count(key) != tries - 1


def test_jobs_survive_their_process_their_worker_and_their_node(
    cluster: Any, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*JOBS, "--checkpoint_minutes", "0", *on(cluster)]
    words[words.index("--epochs") + 1] = "40"
    accidents = Accidents(cluster, node)
    with monkeypatch.context() as patch:
        shown_to(patch, accidents)
        said = succeed(modern, "compare", *words)
    found = {row["job"]: row for row in rows()}
    assert accidents.lost is not None
    assert accidents.killed == [key for key in found if key != accidents.lost] * 2
    assert not accidents.went_back
    assert {key: (row["state"], row["tries"]) for key, row in found.items()} == {
        accidents.lost: ("done", "2"),
        accidents.killed[0]: ("done", "3"),
    }
    assert "try 1 of 3 failed (killed by SIGKILL), to be run again" in said.err
    assert "try 2 of 3 failed (Ray: The actor is dead because its worker process has died)" in said.err
    assert "try 1 of 3 failed (Ray: The actor" in said.err

    for row in found.values():
        check_unbroken(row, monkeypatch)


def test_a_comparison_that_is_stopped_goes_on_elsewhere(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--methods", "darts-first-order", "--seeds", "5", *TINY[:-2], "--checkpoint_minutes", "0"]
    words[words.index("--epochs") + 1] = "30"
    stopped_at = [0]
    for executor in (on(cluster), []):

        def interrupt(status: Status, begun: int = len(stopped_at)) -> None:
            assert status.done >= stopped_at[-1]
            if status.state == "running" and status.done >= stopped_at[-1] + 2 and begun == len(stopped_at):
                stopped_at.append(status.done)
                os.kill(os.getpid(), signal.SIGINT)

        with monkeypatch.context() as patch:
            shown_to(patch, interrupt)
            outcome = call(modern, "compare", *words, *executor)
        assert outcome.code == 130, outcome.err
        assert rows()[0]["state"] == "waiting"
    succeed(modern, "compare", *words, *on(cluster))
    (row,) = rows()
    assert (row["state"], row["tries"]) == ("done", "1")
    check_unbroken(row, monkeypatch)


def test_a_job_asks_for_a_share_of_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [{"CPU": 16.0, "GPU": 2.0}, {"CPU": 9.0}, {"memory": 1.0}]
    monkeypatch.setattr(on_ray, "_nodes", lambda: nodes)
    slots = {
        (threads, gpus): on_ray.RayExecutor(threads, gpus, None).slots for threads in (1, 4) for gpus in (0, 0.1, 1, 2)
    }
    assert slots == {(1, 0): 25, (1, 0.1): 16, (1, 1): 2, (1, 2): 1, (4, 0): 6, (4, 0.1): 4, (4, 1): 2, (4, 2): 1}
    assert on_ray.RayExecutor(1, 1, 7).slots == 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ray_address", "127.0.0.1:1"], "no Ray cluster at 127.0.0.1:1: Connection refused"),
        (["--ray_address", "nowhere"], "no Ray cluster at nowhere: give HOST:PORT"),
        (["--ray_gpus", "1.5"], "-ray_gpus 1.5: give a whole number from 0 to 999, or a share such as 0.25"),
        (["--ray_gpus", "1", "--device", "cpu"], "-ray_gpus 1 does not go with --device cpu"),
        (["--ray_gpus", "0", "--device", "cuda"], "-ray_gpus 0 does not go with --device cuda"),
        (["--threads", "two"], "-threads two: give a whole number"),
    ],
)
def test_what_cannot_be_used_is_refused(words: list[str], said: str) -> None:
    assert said in refusal(modern, "compare", *JOBS, "--engine", "ray", *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--threads", "9"], "no node of the Ray cluster has 9 CPUs, as a job asks for"),
        (["--device", "cuda"], "no node of the Ray cluster has 1 CPU and 1 GPU, as a job asks for"),
    ],
)
def test_a_job_that_no_node_has_room_for_is_refused(cluster: Any, words: list[str], said: str) -> None:
    assert said in refusal(modern, "compare", *JOBS, *on(cluster), *words)
