"""Jobs of a comparison on a machine with CUDA devices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from dadarts.compare import command, executors
from dadarts.compare.executors import Local


class Launched:
    """A process that does nothing, and what it was started with."""

    def __init__(self, folder: Path, log: Path, environment: Mapping[str, str]) -> None:
        self.device = environment.get("CUDA_VISIBLE_DEVICES")
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code


@pytest.fixture(autouse=True)
def _on_a_machine_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(command, "cores", lambda: 8)
    monkeypatch.setattr(executors, "spawn", Launched)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("values", "visible", "slots", "devices"),
    [
        ({}, "", 2, ("0", "1")),
        ({"device": "cuda"}, "3,GPU-5", 2, ("3", "GPU-5")),
        ({"jobs": "5"}, "", 5, ("0", "1")),
        ({"device": "cpu"}, "", 8, ()),
        ({"gpus": "1"}, "", 8, ()),
    ],
)
def test_one_job_a_device_runs_at_a_time_unless_it_is_told_otherwise(
    values: dict[str, str], visible: str, slots: int, devices: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert command._place(values) == Local(slots, "", devices)


def test_a_job_has_the_device_with_the_fewest_jobs() -> None:
    place = Local(3, "", ("0", "1"))

    def begun() -> Launched:
        process = place.start(Path("job"), Path("log")).process  # type: ignore[attr-defined]
        assert isinstance(process, Launched)
        return process

    first, second, third = begun(), begun(), begun()
    assert [each.device for each in (first, second, third)] == ["0", "1", "0"]
    second.code = 0
    assert begun().device == "1"
    first.code = third.code = 1
    assert begun().device == "0"
