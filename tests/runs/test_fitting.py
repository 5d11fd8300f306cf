"""Checkpoints that can be read, and hold what no run has saved."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dadarts.runs.fitting import MisfitError, tensor_like
from tests.commands import (
    TINIEST,
    TINY_TRAINING,
    augment,
    call,
    check_refusal,
    column,
    modern,
    result_of_search,
    search,
    stop_after,
    succeed,
    without_pictures,
)

ENTRY_POINTS = {"search": search, "augment": augment}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        without_pictures(monkeypatch)
        with stop_after(6, signal.SIGINT, monkeypatch):
            assert call(search, "-name", "it", *TINIEST).code == 130
        with stop_after(10, signal.SIGINT, monkeypatch):
            assert call(augment, "-name", "it", *TINY_TRAINING, "-valid_fraction", "0.2").code == 130
    return folder


@pytest.fixture(params=["search", "augment"])
def kind(request: pytest.FixtureRequest, stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    without_pictures(monkeypatch)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(stopped / "runs", "runs")
    return str(request.param)


def changed(kind: str, change: Callable[[dict[str, Any]], object]) -> str:
    """What is said to a checkpoint after a change of its content."""
    path = Path("runs") / kind / "it" / "checkpoints" / "last.pt"
    payload = torch.load(path, weights_only=True)
    change(payload)
    torch.save(payload, path)
    before = path.read_bytes()
    outcome = call(ENTRY_POINTS[kind], "-name", "it", "-resume")
    check_refusal(outcome)
    assert path.read_bytes() == before
    return outcome.err.split("last.pt ", 1)[1].strip()


def put(*place: Any, value: Any) -> Callable[[dict[str, Any]], object]:
    def change(payload: dict[str, Any]) -> None:
        inner = payload
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value

    return change


UNREADABLE = [
    (("settings",), "settings"),
    (("settings",), [1]),
    (("settings", 3), "x"),
    (("settings", "epochs"), torch.zeros(2)),
    (("state",), None),
    (("version",), torch.ones(2)),
    (("kind",), 1),
]


def by_turns(cases: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Every case with one of both kinds of run, which share what reads them."""
    return [(list(ENTRY_POINTS)[number % 2], *case) for number, case in enumerate(cases)]


@pytest.mark.parametrize(("kind", "place", "value"), by_turns(UNREADABLE), indirect=["kind"])
def test_what_is_no_checkpoint_is_said_to_be_damaged(kind: str, place: tuple[Any, ...], value: Any) -> None:
    assert changed(kind, put(*place, value=value)).startswith("is damaged or holds more than data")


OF_BOTH = [
    (("position",), [], "position is no dict"),
    (("position", "epoch"), 3, "position.epoch is 3, and the run"),
    (("position", "epoch"), 0, "history has 1 rows after 0 epochs"),
    (("position", "step"), 900, "position.step is 900, and the run's epoch has"),
    (("position", "step"), "2", "position.step is not a number from 0 on"),
    (("position", "step"), True, "position.step is not a number from 0 on"),
    (("position", "loss"), float("nan"), "position.loss is not a number from 0 on"),
    (("position", "seen"), 0, "position.seen is 0 after"),
    (("position", "place"), 1, "position has more than the run's"),
    (("history",), None, "history is no list"),
    (("history",), [], "history has 0 rows after 1 epochs"),
    (("history", 0), [], "history[0] is no dict"),
    (("history", 0, "epoch"), 7, "history[0] is not of epoch 0"),
    (("history", 0, "train_loss"), "low", "history[0].train_loss is no number"),
    (("history", 0, "train_loss"), 10**40, "history[0].train_loss is no number"),
    (("history", 0, "a\nb"), 1, "history[0] has a column without a name"),
    (("sgd",), "SGD", "sgd is no dict"),
    (("sgd", "state"), None, "sgd.state is no dict"),
    (("sgd", "state", 10**6), {}, "sgd.state[1000000] is of no parameter of the run"),
    (("sgd", "state", "x"), {}, "sgd.state is of no parameter of the run"),
    (("sgd", "state", 0), {"exp_avg": 1}, "sgd.state[0] is not momentum_buffer"),
    (("sgd", "state", 0, "momentum_buffer"), 1.0, "sgd.state[0].momentum_buffer is no tensor"),
    (("sgd", "state", 0, "momentum_buffer"), torch.zeros(1), "sgd.state[0].momentum_buffer is float32 of shape (1,)"),
]


@pytest.mark.parametrize(("kind", "place", "value", "said"), by_turns(OF_BOTH), indirect=["kind"])
def test_a_part_that_is_not_the_run_s_is_named(kind: str, place: tuple[Any, ...], value: Any, said: str) -> None:
    noun = {"search": "search", "augment": "training"}[kind]
    assert changed(kind, put("state", *place, value=value)).startswith(f"does not fit this {noun}: {said}")


OF_ONE = [
    ("search", ("weights",), {}, "weights lacks"),
    ("search", ("weights", "more"), torch.zeros(1), "weights has more than the run's"),
    ("search", ("alphas", "nodes.normal.0"), torch.zeros(9, 9), "alphas.nodes.normal.0 is float32 of shape (9, 9)"),
    ("search", ("initial",), [], "initial has 0 tensors"),
    ("search", ("snapshots",), [], "history has 1 rows, and there are 0 snapshots"),
    ("search", ("snapshots", 0, 0), None, "snapshots[0][0] is no tensor"),
    ("search", ("mixing",), torch.zeros(1), "mixing is float32 of shape (1,)"),
    ("search", ("decided",), -1, "decided is not a whole number from 0 to"),
    ("search", ("measured",), [(1, "x")], "measured[0] is not a loss and an accuracy"),
    ("search", ("selecting",), None, "selecting is not a number from 0"),
    ("search", ("adam", "state", 0, "step"), torch.tensor(-1.0), "adam.state[0].step is below 0"),
    ("augment", ("network",), 1, "network is no dict"),
    ("augment", ("best",), (0.5,), "best is not an accuracy and tensors"),
    ("augment", ("best",), (2.0, {}), "best[0] is not a number from 0 to 1"),
    ("augment", ("best",), (0.5, {}), "best[1] lacks"),
]


@pytest.mark.parametrize(("kind", "place", "value", "said"), OF_ONE, indirect=["kind"])
def test_a_part_of_a_search_or_a_training_is_named(kind: str, place: tuple[Any, ...], value: Any, said: str) -> None:
    assert said in changed(kind, put("state", *place, value=value))


@pytest.mark.parametrize("kind", ["search"], indirect=True)
def test_a_checkpoint_of_another_kind_is_said_to_be_one(kind: str) -> None:
    assert changed(kind, put("kind", value="x" * 5000)).startswith("is a xxxx")


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.zeros(1).expand(3, 2), "share memory"),
        (torch.zeros(4).as_strided((3, 2), (1, 1)), "share memory"),
        (torch.zeros(3, 2).to_sparse(), "is no tensor"),
        (torch.zeros(3, 2, device="meta"), "is no tensor"),
        (torch.zeros(3, 2, dtype=torch.float64), "is float64"),
        (torch.full((3, 2), float("inf")), "is not finite"),
    ],
)
def test_a_tensor_must_be_one_that_can_be_computed_with(tensor: torch.Tensor, said: str) -> None:
    with pytest.raises(MisfitError, match=said):
        tensor_like("it", tensor, torch.zeros(3, 2))
    for own in (torch.zeros(2, 3).T, torch.zeros(3, 4)[:, ::2], torch.zeros(3, 2)):
        assert tensor_like("it", own, torch.zeros(3, 2)) is own


@pytest.mark.parametrize("kind", ["search"], indirect=True)
def test_a_history_that_lacks_a_newer_column_is_gone_on_with(kind: str, stopped: Path) -> None:
    path = Path("runs/search/it/checkpoints/last.pt")
    payload = torch.load(path, weights_only=True)
    del payload["state"]["history"][0]["architecture_top1"]
    torch.save(payload, path)
    succeed(modern, "search", "--name", "it", "--resume")
    with pytest.raises(ValueError, match="could not convert"):
        column(Path("runs/search/it"), "architecture_top1")
    assert len(result_of_search(Path("runs/search/it"))[0]) == 2
