"""Who may read a run's files is for the user's umask to say, and the same for all of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dadarts import files, report
from dadarts.architecture.genotype import Genotype
from tests.commands import DARTS_GENOTYPE, QUICKEST, TINY_TRAINING, augment, search, succeed, without_pictures


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o027], indirect=True, ids=oct)
def test_every_file_of_a_run_has_the_mode_that_the_umask_leaves(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    succeed(search, "-name", "it", *QUICKEST)
    succeed(augment, "-name", "it", *TINY_TRAINING)
    report.draw_cell(Genotype.parse(DARTS_GENOTYPE), "normal", Path("runs/cell.svg"))
    files = [path for path in Path("runs").rglob("*") if path.is_file()]
    assert {"model.safetensors", "last.pt", "history.csv", "alphas.npz"} <= {path.name for path in files}
    assert {path: oct(mode(path)) for path in files} == {path: oct(0o666 & ~umask) for path in files}


def test_a_file_that_its_writer_made_private_is_as_readable_as_its_neighbours(umask: int, tmp_path: Path) -> None:
    def private(path: Path) -> None:
        path.unlink()
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write("text")

    files.write(tmp_path / "file", private)
    assert (tmp_path / "file").read_text() == "text"
    assert mode(tmp_path / "file") == 0o666 & ~umask
