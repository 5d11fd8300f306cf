"""The benchmark of a GPU runs from its first line to its last where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.checks import CHECKS, Site, carried_out
from benchmarks.gpu.size import TINY
from benchmarks.gpu.timings import PASSES
from tests.commands import without_pictures


def test_every_check_and_every_timing_runs_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    assert main(["--device", "cpu", "--tiny", "--out", str(tmp_path)]) == 0
    (figures,) = tmp_path.glob("*.json")
    found = json.loads(figures.read_text())
    verdicts = {each["check"]: each["verdict"] for each in found["checks"]}
    assert list(verdicts) == list(CHECKS)
    cuda_alone = {"tf32", "bf16", "computing activations again saves memory", "two devices agree"}
    assert {name for name, verdict in verdicts.items() if verdict == "not applicable"} == cuda_alone
    assert set(verdicts.values()) == {"held", "not applicable"}
    timed = {(each["step"], each["form"]) for each in found["timings"]}
    assert timed >= {(step, form) for step in PASSES for form in ("torch engine", "readable, NCHW")}
    assert ("training step", "channels_last") in timed
    assert figures.with_suffix(".md").read_text().count("\n| ") >= len(CHECKS) + len(timed)


def test_a_check_that_ends_in_an_error_has_failed_and_the_others_go_on(tmp_path: Path) -> None:
    def broken(site: Site) -> tuple[bool, str]:
        raise RuntimeError("CUDA error: an illegal memory access\nmore")

    def wrong(site: Site) -> tuple[bool, str]:
        return False, "3 against 4"

    site = Site(torch.device("cpu"), TINY, tmp_path)
    outcomes = list(carried_out(site, {"broken": broken, "wrong": wrong}))
    assert [(each.verdict, each.figures) for each in outcomes] == [
        ("failed", "RuntimeError: CUDA error: an illegal memory access"),
        ("failed", "3 against 4"),
    ]


def test_without_a_gpu_it_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1
