"""The history of a run reaches every logger: those of others through stand-ins of their packages, and really where
these are installed."""

from __future__ import annotations

import importlib.util
import signal
import sys
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from dadarts.errors import RunError
from dadarts.loggers.known import LOGGERS
from dadarts.loggers.logger import Logged, opened
from tests.commands import QUICKEST, TINY_TRAINING, call, column, modern, refusal, stop_after, succeed, without_pictures

SEARCH = ["search", "--name", "it", *QUICKEST]
TRAIN = ["train", "--name", "it", *TINY_TRAINING]


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


@dataclass
class Server:
    """What a stand-in for a logger's server has been told, by run."""

    runs: dict[str, SimpleNamespace] = field(default_factory=dict)

    def begin(self, name: str, earlier: str | None, settings: dict[str, Any]) -> SimpleNamespace:
        number = earlier or f"number-{len(self.runs)}"
        begun = SimpleNamespace(id=number, name=name, settings=settings, told={}, result={}, state="running")
        return self.runs.setdefault(number, begun)


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """A module in place of a package that need not be installed."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    for key, value in members.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()

    def init(*, name: str, id: str | None, config: dict[str, Any], **_: Any) -> Any:
        run = server.begin(name, id, config)
        return SimpleNamespace(
            id=run.id,
            log=lambda values, step: run.told.update({step: values}),
            summary=run.result,
            finish=lambda exit_code: setattr(run, "state", "ended" if exit_code == 0 else "failed"),
        )

    stand_in(monkeypatch, "wandb", init=init)
    return server


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()

    class Client:
        def get_experiment_by_name(self, name: str) -> None:
            assert name == "dadarts"

        def create_experiment(self, name: str) -> str:
            return name

        def create_run(self, experiment: str, run_name: str, tags: dict[str, str]) -> Any:
            return SimpleNamespace(info=SimpleNamespace(run_id=server.begin(run_name, None, {}).id))

        def update_run(self, run: str, status: str) -> None:
            server.runs[run].state = status

        def log_param(self, run: str, key: str, value: str) -> None:
            server.runs[run].settings[key] = value

        def log_metric(self, run: str, key: str, value: float, step: int | None = None) -> None:
            told = server.runs[run].result if step is None else server.runs[run].told.setdefault(step, {})
            told[key] = value

        def set_terminated(self, run: str, status: str) -> None:
            server.runs[run].state = {"FINISHED": "ended", "KILLED": "failed"}[status]

    stand_in(monkeypatch, "mlflow", MlflowClient=Client)
    return server


@pytest.fixture(params=["wandb", "mlflow"])
def server(request: pytest.FixtureRequest) -> tuple[str, Server]:
    return request.param, request.getfixturevalue(request.param)


def test_a_logger_has_the_settings_every_epoch_and_the_result(server: tuple[str, Server]) -> None:
    name, told = server
    succeed(modern, *TRAIN, "--logger", name)
    (run,) = told.runs.values()
    assert (run.name, run.state) == ("it", "ended")
    assert str(run.settings["epochs"]) == "2"
    folder = Path("runs/augment/it")
    assert [run.told[epoch]["train_loss"] for epoch in (0, 1)] == pytest.approx(column(folder, "train_loss"), rel=1e-4)
    assert 0 <= run.result["test_top1"] <= 1
    assert (folder / "tensorboard").is_dir()


def test_a_run_that_goes_on_is_the_same_run_and_one_that_replaces_it_another(
    server: tuple[str, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, told = server
    with stop_after(2, signal.SIGINT, monkeypatch):
        assert call(modern, *SEARCH, "--logger", name).code == 130
    (run,) = told.runs.values()
    assert run.state == "failed"
    # What is logged decides no number: it may be left out, or added, when a run goes on.
    succeed(modern, *SEARCH, "--logger", name, "--resume")
    assert (set(run.told), run.state, len(told.runs)) == ({0, 1}, "ended", 1)
    succeed(modern, *SEARCH, "--logger", name, "--overwrite")
    assert len(told.runs) == 2


def test_a_logger_that_is_not_there_is_refused_before_anything_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "unknown logger 'wandbee'; known: wandb, mlflow. Did you mean 'wandb'?" in refusal(
        modern, *SEARCH, "--logger", "wandbee"
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("dadarts.loggers.known.find_spec", lambda name: None)
    said = refusal(modern, *SEARCH, "--logger", "mlflow")
    assert said.endswith("--logger mlflow needs a package that is not installed: pip install 'dadarts[mlflow]'")


@pytest.mark.parametrize("part", ["__init__", "epoch", "result"])
def test_a_server_that_fails_ends_the_run_in_one_line_and_it_goes_on(
    server: tuple[str, Server], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, told = server

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no route\nto the server")

    with monkeypatch.context() as patch:
        patch.setattr(LOGGERS[name].opener, part, fail)
        outcome = call(modern, *SEARCH, "--logger", name)
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    last = outcome.err.splitlines()[-1]
    assert last.startswith(f"dadarts: --logger {name}: no route")
    assert last.endswith("to the server; the run is kept, and -resume goes on")
    assert [run.state for run in told.runs.values()] == ["failed"] * (part != "__init__")
    succeed(modern, *SEARCH, "--logger", name, "--resume")
    (run,) = told.runs.values()
    assert run.state == "ended"


def test_all_are_closed_whichever_cannot_be_opened_or_closed(tmp_path: Path) -> None:
    told: list[tuple[str, bool]] = []

    class Noted:
        def __init__(self, name: str, breaks: bool = False) -> None:
            self.name, self.breaks = name, breaks

        def epoch(self, epoch: int, values: Any) -> None: ...

        def result(self, values: Any) -> None: ...

        def close(self, ended: bool) -> None:
            told.append((self.name, ended))
            if self.breaks:
                raise RunError(f"{self.name} cannot be closed")

    def broken(_: Logged) -> Noted:
        raise RunError("it cannot be opened")

    logged = Logged(tmp_path, "search", "it", {}, 0)
    with pytest.raises(RunError, match="it cannot be opened"), opened([lambda _: Noted("one", True), broken], logged):
        pytest.fail("it began")
    assert told == [("one", False)]
    told.clear()
    with (
        pytest.raises(RunError, match="one cannot be closed"),
        opened([lambda _: Noted("one", True), lambda _: Noted("two")], logged) as loggers,
    ):
        loggers.result({})
    assert told == [("one", True), ("two", True)]


def test_mlflow_itself_takes_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "kept").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    succeed(modern, *TRAIN, "--logger", "mlflow")
    run = Path("runs/augment/it/.mlflow-run").read_text().strip()
    (metrics,) = Path("kept").glob(f"*/{run}/metrics")
    assert len((metrics / "train_loss").read_text().splitlines()) == 2
    assert (metrics / "test_top1").is_file()


def test_wandb_itself_takes_a_run_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    succeed(modern, *TRAIN, "--logger", "wandb")
    run = Path("runs/augment/it/.wandb-run").read_text().strip()
    assert [*Path("wandb").glob(f"offline-run-*-{run}/run-{run}.wandb")]
