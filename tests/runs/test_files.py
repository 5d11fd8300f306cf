"""What lies where a run's file should be, and is none."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from dadarts import files
from tests.commands import QUICKEST, call, modern, search, stop_after, succeed, tree, without_pictures

FILES = ("config.json", "history.csv", "result.txt", "log.txt", "checkpoints/last.pt", ".lock", "genotype.txt")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        without_pictures(monkeypatch)
        with stop_after(2, signal.SIGINT, monkeypatch):
            assert call(search, "-name", "it", *QUICKEST).code == 130
    return folder / "runs"


@pytest.fixture
def run(stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    without_pictures(monkeypatch)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(stopped, tmp_path / "runs")
    return tmp_path / "runs" / "search" / "it"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("put", [pipe, endless, huge, folder])
@pytest.mark.parametrize("name", FILES)
def test_no_command_waits_for_a_pipe_or_reads_a_file_without_end(
    run: Path, name: str, put: Callable[[Path], None]
) -> None:
    (run / name).unlink(missing_ok=True)
    put(run / name)
    assert call(modern, "runs").code == 0
    for words in (["show", "@it", "--init_channels", "2", "--layers", "1"], ["search", "--name", "it", "--resume"]):
        outcome = call(modern, *words)
        assert outcome.code in (0, 1, 2)
        assert "Traceback" not in outcome.err
        assert all(len(line) < 700 for line in outcome.err.splitlines())


@pytest.mark.parametrize("name", [".lock", "log.txt"])
def test_a_link_is_never_written_through(run: Path, name: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    (run / name).unlink()
    (run / name).symlink_to(mine)
    before = tree(tmp_path)
    outcome = call(search, "-name", "it", "-resume")
    assert outcome.code in (1, 2)
    assert f"{run.relative_to(tmp_path) / name}" in outcome.err.splitlines()[-1]
    assert "not a regular file" in outcome.err
    assert mine.read_text() == "mine"
    assert {path for path in tree(tmp_path) - before if "tensorboard" not in path.parts} == set()


def test_a_run_that_lies_elsewhere_is_listed_and_gone_on_with(run: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    run.rename(elsewhere / "it")
    run.symlink_to(elsewhere / "it")
    (elsewhere / "it" / "history.csv").rename(elsewhere / "history.csv")
    (elsewhere / "it" / "history.csv").symlink_to(elsewhere / "history.csv")
    assert "stopped" in succeed(modern, "runs").out
    succeed(search, "-name", "it", "-resume")
    assert "finished" in succeed(modern, "runs").out


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"x" * 10)
    assert files.read_text(path, 10) == "x" * 10
    with pytest.raises(OSError, match="more than 9 bytes"):
        files.read_text(path, 9)
    with pytest.raises(OSError, match="more than 9 bytes"):
        files.open_text(path, 9)


def test_a_file_of_the_kernel_s_that_claims_no_size_is_read_up_to_its_bound() -> None:
    status = Path("/proc/self/status")
    assert "Pid:" in files.read_text(status)
    with pytest.raises(OSError, match="more than 20 bytes"):
        files.read_bytes(status, 20)
