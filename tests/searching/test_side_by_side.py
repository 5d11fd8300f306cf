"""Forks that are trained in several processes at a time: the bits of one after another, and what ends them."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts import machine, plugins
from dadarts.config import SearchConfig
from dadarts.distributed import Processes
from dadarts.errors import InputError, RunError
from dadarts.methods.catalogue import dadarts_lookahead
from dadarts.methods.selection import Race
from dadarts.runs import checkpoint
from dadarts.runs.events import Event, Note, SearchDone, SelectionStep
from dadarts.runs.threads import Threads
from dadarts.searching import fork_jobs, messages, side_by_side, trainers
from dadarts.searching.fork_jobs import Jobs
from dadarts.searching.fork_worker import Worker
from dadarts.searching.loop import search
from dadarts.searching.side_by_side import Answers, SideBySide
from dadarts.searching.state import build
from tests.commands import TINIEST, modern, refusal, without_pictures
from tests.registered import forgotten

TINY: dict[str, Any] = {
    **{"dataset": "digits", "epochs": 1, "init_channels": 2, "layers": 1, "batch_size": 16, "workers": 0},
    **{"device": "cpu", "threads": 1, "dataset_portion": 0.1, "search_space": "nas-bench-201", "nodes": 2},
    **{"engine": "auto", "w_lr": 0.1},
}
QUICK = Race(steps=1, pictures=20, order_pictures=10, looks=0, rungs=2)
METHOD = replace(dadarts_lookahead(), selection=QUICK)
PLUGIN = """
from dataclasses import replace

import dadarts
from dadarts.architecture import spaces


@dadarts.register.space("mine", nodes=2)
def mine(nodes):
    return replace(spaces.space("nas-bench-201", nodes), name="mine")
"""


MINE: dict[str, Any] = {**TINY, "search_space": "mine", "plugin": "mine.py", "method": METHOD}


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    Path("mine.py").write_text(PLUGIN)
    with forgotten():
        plugins.load(["mine.py"])
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The last checkpoint of a search that has trained its forks one after another."""
    with pytest.MonkeyPatch.context() as patch, forgotten():
        patch.chdir(tmp_path_factory.mktemp("whole"))
        without_pictures(patch)
        Path("mine.py").write_text(PLUGIN)
        plugins.load(["mine.py"])
        finished(SearchConfig(name="whole", **MINE), jobs=(1,))
        return saved("whole")


def saved(name: str) -> dict[str, Any]:
    return checkpoint.load(Path("runs/search") / name / "checkpoints" / "last.pt", "search")[1]


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def refuse_other_bits(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["races"] == other["races"]
    assert one["work"] == other["work"]
    assert all(torch.equal(tensor, other["weights"][name]) for name, tensor in one["weights"].items())
    assert [row["valid_loss"] for row in one["history"]] == [row["valid_loss"] for row in other["history"]]


class Here:
    """A worker in this process, with a search of its own."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._worker: Worker | None = None
        self.ended = "was never begun"

    def send(self, **message: Any) -> None:
        """Do what a process does that is told this."""
        if self._worker is None:
            state = build(SearchConfig(**message))
            self._worker = Worker(state, self._answer)
            self._answer(data=state.foundation.data.fingerprint, computed=state.computed)
        else:
            copied = io.BytesIO()
            messages.write(copied, **message)
            copied.seek(0)
            told = messages.read(copied)
            assert told is not None
            self._worker.do(told)

    def _answer(self, **message: Any) -> None:
        self._answers.put((self, message))

    def end(self) -> None:
        """There is no process."""


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainers, "SideBySide", partial(SideBySide, start=Here))


def finished(
    config: SearchConfig, every: int = 10**6, jobs: tuple[int, ...] = (3,), resume: bool = False
) -> list[Event]:
    """What happens in a search that is stopped after so many steps of its selection, and gone on with by other jobs."""
    events: list[Event] = []
    tries = count = 0
    while True:
        config = config.model_copy(update={"fork_jobs": jobs[tries % len(jobs)]})
        with closing(search(config, resume=resume or tries > 0)) as running:  # type: ignore[type-var]
            tries += 1
            for event in running:
                events.append(event)
                if isinstance(event, SearchDone):
                    return events
                count += isinstance(event, SelectionStep)
                if isinstance(event, SelectionStep) and count % every == 0:
                    break


@pytest.mark.usefixtures("in_this_process")
def test_forks_side_by_side_have_the_bits_of_one_after_another_wherever_they_are_stopped(whole: dict[str, Any]) -> None:
    events = finished(SearchConfig(name="parts", **MINE), every=37, jobs=(3, 1, 2))
    refuse_other_bits(whole, saved("parts"))
    for jobs in (2, 3):
        assert f"forks are trained in {jobs} processes at a time (as asked for)" in texts(events)


@pytest.mark.usefixtures("in_this_process")
def test_a_fork_that_diverges_ends_the_run_with_the_words_of_one_after_another() -> None:
    method = replace(METHOD, selection=replace(QUICK, steps=40, rate=100.0))
    wild = SearchConfig(name="it", method=method, **{**TINY, "w_lr": 1e3, "w_grad_clip": 0.0, "w_lr_min": 1e3})
    said = []
    for jobs in (1, 3):
        name = f"of-{jobs}"
        with pytest.raises(RunError, match=r"the loss of a fork is \w+ in its step") as raised:
            list(search(wild.model_copy(update={"fork_jobs": jobs, "name": name})))
        said.append((str(raised.value).replace(name, "it"), saved(name)["races"]["outcomes"]))
    assert said[0] == said[1]


def test_processes_that_end_are_told_of_in_one_line_and_the_run_goes_on_to_the_same_bits(
    whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    def noted(*words: Any, **settings: Any) -> subprocess.Popen[bytes]:
        begun.append(subprocess.Popen(*words, **settings))
        return begun[-1]

    monkeypatch.setattr(side_by_side, "Popen", noted)
    lost = SearchConfig(name="it", fork_jobs=2, checkpoint_minutes=0, **MINE)
    with pytest.raises(RunError, match=r"has ended with code 1; all that was measured is kept: go on .*fork_jobs 1"):
        losing(search(lost), begun)
    assert len(begun) == 2
    assert all(process.poll() is not None for process in begun)
    kept = saved("it")["races"]
    # What the lost process had in hand may have been the last of the race, which is then decided.
    assert len(kept["losses"]) >= 2 or kept["outcomes"]
    finished(SearchConfig(name="it", **MINE), jobs=(1,), resume=True)
    refuse_other_bits(whole, saved("it"))


def losing(running: Iterator[Event], begun: list[subprocess.Popen[bytes]]) -> None:
    """Go on to the middle of a race, where a process loses who has begun it, as where that is killed."""
    for event in running:
        if isinstance(event, SelectionStep) and len(saved("it")["races"]["losses"]) == 2:
            assert begun[0].stdin is not None
            with Path(os.devnull).open("wb") as nobody:
                os.dup2(nobody.fileno(), begun[0].stdin.fileno())


@pytest.mark.parametrize("of", ["python", None])
def test_a_process_that_cannot_begin_is_a_note_unless_it_was_asked_for(
    of: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = f"{of}: Cannot allocate memory" if of else "Cannot allocate memory"

    def unable(answers: Answers) -> side_by_side.Worker:
        raise OSError(12, "Cannot allocate memory", of)

    monkeypatch.setattr(trainers, "SideBySide", partial(SideBySide, start=unable))
    with pytest.raises(RunError, match=rf": {why}; go on with .*fork_jobs 1"):
        list(search(SearchConfig(name="asked", method=METHOD, fork_jobs=2, **TINY)))
    monkeypatch.setattr(fork_jobs, "WORTH", 0.0)
    monkeypatch.setattr(machine, "cores", lambda: 2)
    *events, done = search(SearchConfig(name="it", method=METHOD, **TINY))
    assert isinstance(done, SearchDone)
    assert f"forks are trained one after another: {why}" in texts(events)


@pytest.mark.parametrize(
    ("asked", "threads", "memory", "seconds", "expected"),
    [
        (None, 1, 100, 60, Jobs(4, "one a core")),
        (None, 2, 100, 60, Jobs(4, "of 2 threads each")),
        (None, 4, 100, 60, Jobs(2, "of 4 threads each")),
        (None, 8, 100, 60, Jobs(1, "")),
        (None, 1, 100, 5, Jobs(1, "")),
        (None, 1, 6, 60, Jobs(3, "each takes 250 MB of memory")),
        (None, 1, 3, 60, Jobs(1, "a process takes 250 MB of memory")),
        (3, 8, 0, 0, Jobs(3, "as asked for")),
        (9, 1, 100, 60, Jobs(4, "as asked for")),
    ],
)
def test_forks_find_as_many_processes_as_there_are_cores_memory_and_work(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, threads: int, memory: int, seconds: float, expected: Jobs
) -> None:
    base = replace(build(SearchConfig(name="it", **TINY)).foundation, threads=Threads(threads, ""))
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "most_taken", lambda: 250 * 10**6)
    monkeypatch.setattr(machine, "free_memory", lambda: memory * 250 * 10**6)
    assert fork_jobs.pick(SearchConfig(name="it", fork_jobs=asked, **TINY), base, seconds, widest=4) == expected


def test_processes_are_refused_in_one_line_where_there_can_be_none() -> None:
    config = SearchConfig(name="it", fork_jobs=2, **TINY)
    base = build(config).foundation
    fork_jobs.refuse(config.model_copy(update={"fork_jobs": 1}), replace(base, device=torch.device("cuda")))
    for unable, why in (
        (replace(base, device=torch.device("cuda", 0)), "on cuda:0"),
        (replace(base, processes=Processes(0, 2)), "in a search of 2 processes"),
    ):
        with pytest.raises(InputError, match=f"fork_jobs 2: forks are trained one after another {why}; leave it out"):
            fork_jobs.refuse(config, unable)
        assert fork_jobs.pick(config.model_copy(update={"fork_jobs": None}), unable, 1e6, 4) == Jobs(1, "")
    given = [(picture, number % 2) for number, picture in enumerate(np.zeros((40, 8, 8), dtype=np.uint8))]
    with pytest.raises(InputError, match="made in Python"):
        list(search(SearchConfig(**{**TINY, "dataset": given, "dataset_portion": 1.0}, name="it", fork_jobs=2)))
    assert not Path("runs").exists()
    assert "fork_jobs" in refusal(modern, "search", "--name", "it", *TINIEST, "--fork_jobs", "0")


@settings(max_examples=30)
@given(
    st.dictionaries(st.text(), st.none() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text()),
    st.integers(0, 100),
    st.integers(0, 10**4),
)
def test_a_message_arrives_as_it_was_sent_or_not_at_all(values: dict[str, Any], numbers: int, cut: int) -> None:
    file = io.BytesIO()
    messages.write(file, values=values, tensor=torch.arange(numbers))
    sent = file.getvalue()
    arrived = messages.read(io.BytesIO(sent))
    assert arrived is not None
    assert arrived["values"] == values
    assert torch.equal(arrived["tensor"], torch.arange(numbers))
    assert messages.read(io.BytesIO(sent[: min(cut, len(sent) - 1)])) is None
