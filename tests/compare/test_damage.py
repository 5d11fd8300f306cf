"""Comparisons of which files have been damaged."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dadarts.compare import figures
from tests.commands import call, modern
from tests.fuzz.fuzz_comparisons import COMPARISON, WORDS, prepare


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        prepare(folder)
    return folder


@pytest.fixture(autouse=True)
def _in_a_copy(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(finished / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def other_shapes(path: Path) -> None:
    with np.load(path) as arrays:
        other = {name: arrays[name][..., :1] for name in arrays.files}
    np.savez(path, **other)


def words_for_numbers(path: Path) -> None:
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(",".join(["low"] * (head.count(",") + 1)) for _ in rows)]))


def another_document(path: Path) -> None:
    path.write_text(json.dumps([{"peak_memory_bytes": "much", "exit": None, "test_top1": 7}]))


DRAWN = (("search/*/alphas.npz", empty), ("augment/*/metrics.json", another_document))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("search/*/alphas.npz", damage) for damage in (empty, cut, pipe, other_shapes)),
        *(("search/*/history.csv", damage) for damage in (pipe, words_for_numbers)),
        *(("search/*/result.txt", damage) for damage in (empty, pipe)),
        *(("search/*/config.json", damage) for damage in (empty, another_document)),
        *(("jobs/*/tries.json", damage) for damage in (empty, pipe, another_document)),
        *(("jobs/*/measured.json", damage) for damage in (empty, pipe, another_document)),
        *(("augment/*/metrics.json", damage) for damage in (empty, pipe, another_document)),
    ],
)
def test_a_damaged_file_costs_its_job_and_no_other(
    name: str, damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if (name, damage) not in DRAWN:
        # Drawing takes longer than all else.
        monkeypatch.setattr(figures, "_drawn", lambda *_: "")
    path = min(COMPARISON.glob(name))
    damage(path)
    outcome = call(modern, *WORDS)
    with (COMPARISON / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    states = sorted(row["state"] for row in rows)
    assert (outcome.code, states) == (1, ["damaged", "done"])
    (damaged,) = (row for row in rows if row["state"] == "damaged")
    (said,) = (line for line in outcome.err.splitlines() if "is damaged" in line)
    assert said.startswith(f"dadarts compare: job {damaged['job']} is damaged: ")
    assert "overwrite" not in said, "a comparison has no such flag"
    assert path.name in said
    assert str(path) in (COMPARISON / "report.md").read_text()
    assert "1 of 2 jobs are done" in (COMPARISON / "report.md").read_text()
