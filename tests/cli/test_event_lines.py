"""``--json``: what happens in a run, a line of JSON an event, and nothing else on stdout."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from dadarts.cli.event_lines import as_values
from dadarts.runs.events import EpochDone, Event, Note, RunStarted
from tests.commands import QUICKEST, TINY_TRAINING, Outcome, call, modern, search, stop_after, succeed, without_pictures


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def told(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=pytest.fail) for line in outcome.out.splitlines()]


@pytest.mark.parametrize(
    "entry", [pytest.param((modern, ["search"]), id="dadarts"), pytest.param((search, []), id="search.py")]
)
def test_a_search_tells_every_event_and_its_genotype(entry: Any) -> None:
    command, words = entry
    found = told(succeed(command, *words, "--name", "it", "--json", *QUICKEST))
    names = [each["event"] for each in found]
    assert names[0] == "run_started"
    assert names[-1] == "search_done"
    assert names.count("epoch_done") == 2
    assert {"step_done", "validation_step"} <= {*names}
    assert found[-1]["genotype"] == Path("runs/search/it/genotype.txt").read_text().strip()
    assert found[-1]["folder"] == "runs/search/it"
    rows = [each["row"] for each in found if each["event"] == "epoch_done"]
    assert all(isinstance(row["train_loss"], float) for row in rows)


def test_a_training_tells_its_metrics() -> None:
    found = told(succeed(modern, "train", "--name", "it", "--json", *TINY_TRAINING))
    assert found[-1]["event"] == "train_done"
    assert found[-1]["metrics"] == json.loads(Path("runs/augment/it/metrics.json").read_text())


def test_a_run_that_is_stopped_tells_how_it_goes_on_and_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with stop_after(1, signal.SIGINT, monkeypatch):
        stopped = call(modern, "search", "--name", "it", *QUICKEST, "--json")
    assert stopped.code == 130
    last = told(stopped)[-1]
    assert last["event"] == "stopped"
    program, *words = shlex.split(last["go_on"])
    assert program == "dadarts"
    assert told(succeed(modern, *words))[-1]["event"] == "search_done"
    # A run that has ended says so again, to who asks by its name alone.
    again = told(succeed(modern, "search", "--name", "it", "--resume", "--json"))
    assert {each["event"] for each in again} == {"note", "search_done"}
    assert again[-1]["event"] == "search_done"


@pytest.mark.parametrize(
    ("event", "values"),
    [
        (Note("-w_lr 0.1 for 8 steps"), {"event": "note", "text": "w_lr 0.1 for 8 steps"}),
        (
            RunStarted(Path("a/b"), "read it; -flip none", "computes"),
            {"event": "run_started", "folder": "a/b", "data": "read it; flip none", "summary": "computes"},
        ),
        (
            EpochDone(0, 2, {"train_loss": float("nan"), "gap": None}),
            {"event": "epoch_done", "epoch": 0, "epochs": 2, "row": {"train_loss": None, "gap": None}},
        ),
    ],
)
def test_what_json_does_not_know_is_told_as_what_it_knows(event: Event, values: dict[str, Any]) -> None:
    assert as_values(event) == values
