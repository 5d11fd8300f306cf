"""Folders of runs that somebody or something has been at."""

from __future__ import annotations

import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from shutil import copytree
from typing import Any

import pytest

from dadarts.errors import DadartsError
from tests.commands import TINIEST, TINY_TRAINING, augment, call, search, stop_after, succeed, without_pictures
from tests.fuzz import damage
from tests.fuzz.fuzzer import Fuzzer, command

_DOORS = {"search": "search", "augment": "augment"}


def prepare(base: Path) -> None:
    """A search and a training that have ended, and one of each that was stopped within its second epoch."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_pictures(monkeypatch)
        succeed(search, "-name", "done", *TINIEST)
        succeed(augment, "-name", "done", *TINY_TRAINING)
        with stop_after(6, signal.SIGINT, monkeypatch):
            assert call(search, "-name", "stopped", *TINIEST).code == 130
        with stop_after(10, signal.SIGINT, monkeypatch):
            assert call(augment, "-name", "stopped", *TINY_TRAINING).code == 130


def copy_of_run(draw: Random, base: Path, folder: Path, names: list[str]) -> Path:
    """One of the runs, alone in a runs folder."""
    kind, name = draw.choice(["search", "augment"]), draw.choice(names)
    run = folder / "runs" / kind / name
    copytree(base / "runs" / kind / name, run)
    return run


def damage_file(draw: Random, path: Path) -> None:
    """Damage a file as its kind allows, or as any file can be."""
    own: dict[str, Callable[[Random, Path], None]] = {
        ".json": damage.change_json,
        ".csv": damage.change_csv,
        ".pt": change_checkpoint,
    }
    ways: list[Callable[[Random, Path], None]] = [damage.change_bytes, damage.replace]
    if path.suffix in own:
        ways += [own[path.suffix]] * 4
    draw.choice(ways)(draw, path)


def change_checkpoint(draw: Random, path: Path) -> None:
    """Change values and tensors of a checkpoint, which stays one that can be read."""
    import torch

    payload = torch.load(path, weights_only=True)
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        payload = damage.changed(draw, payload, tensor_or_value)
    torch.save(payload, path)


def tensor_or_value(draw: Random) -> Any:
    """A value of JSON, or a tensor that fits nowhere."""
    import torch

    tensors = [
        *(torch.zeros(0), torch.zeros(()), torch.zeros(3), torch.zeros(2, 2), torch.full((3,), float("nan"))),
        *(torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.complex64), torch.zeros(5, dtype=torch.bool)),
        *(torch.zeros(1).expand(10**9), torch.empty(2, 2).to_sparse(), torch.zeros(2, device="meta")),
    ]
    return draw.choice(tensors) if draw.random() < 0.4 else damage.plain_value(draw)


def _damaged_run(draw: Random, base: Path, folder: Path) -> None:
    run = copy_of_run(draw, base, folder, ["done", "stopped"])
    files = sorted(path for path in run.rglob("*") if path.suffix not in (".svg", ".pt") and path.is_file())
    for path in draw.sample(files, draw.choice([1, 1, 1, 2])):
        damage_file(draw, path)


def _damaged_checkpoint(draw: Random, base: Path, folder: Path) -> None:
    damage_file(draw, copy_of_run(draw, base, folder, ["stopped"]) / "checkpoints" / "last.pt")


def _look_and_go_on(folder: Path) -> None:
    """List, show and go on with a run; its name is always in the list."""
    run = next(folder.glob("runs/*/*"))
    listing = command("dadarts", "runs")
    assert run.name in listing or not run.joinpath("config.json").is_file(), "the run is not in the list"
    command("dadarts", "runs", "--json")
    refusals = []
    for words in (
        ("dadarts", "show", str(run), "--init_channels", "2", "--layers", "1"),
        (_DOORS[run.parent.name], "-name", run.name, "-resume"),
    ):
        try:
            command(*words)
        except DadartsError as error:
            refusals.append(error)
    if refusals:
        raise refusals[-1]


def _go_on(folder: Path) -> None:
    """Go on with a run; what ends well must have ended in full."""
    run = next(folder.glob("runs/*/*"))
    command(_DOORS[run.parent.name], "-name", run.name, "-resume")
    assert "finished" in command("dadarts", "runs"), "it ended well, and has not ended"
    if run.parent.name == "search":
        with zipfile.ZipFile(run / "alphas.npz") as archive:
            assert archive.testzip() is None


def _without_pictures(use: Callable[[Path], None]) -> Callable[[Path], None]:
    def used(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            without_pictures(monkeypatch)
            use(folder)

    return used


FUZZERS = (
    Fuzzer("runs", _damaged_run, _without_pictures(_look_and_go_on), prepare, tests=8),
    Fuzzer("checkpoints", _damaged_checkpoint, _without_pictures(_go_on), prepare, tests=10),
)
