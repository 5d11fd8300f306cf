"""What `-overwrite` replaces is kept beside the new run until that has ended, wherever a process may die."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dadarts.errors import InputError, RunError
from dadarts.rundir import contents, replaced
from dadarts.runs import checkpoint
from dadarts.runs.folder import RunFolder
from tests.commands import QUICKEST, call, modern, refusal, search, spawn, stop_after, succeed, without_pictures

RUN = Path("runs/search/it")


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def begin(text: str, *, overwrite: bool = False, ends: bool = True, path: Path = RUN) -> RunFolder:
    """A run that consists of its files alone."""
    folder = RunFolder(path)
    with folder.claimed(resume=False, overwrite=overwrite):
        (folder.path / "checkpoints").mkdir()
        folder.write_text(contents.CHECKPOINT, text)
        folder.write_config({"name": text}, {})
        folder.write_text(contents.HISTORY, text)
        if ends:
            folder.write_result(text)
            folder.remove_replaced()
    return folder


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from typing import Any
from dadarts.rundir import contents
from dadarts.runs.folder import RunFolder

RUN = Path("runs/search/it")
STEPS = ("os.", "shutil.", "open")

def overwrite():
    folder = RunFolder(RUN)
    with folder.claimed(resume=False, overwrite=True):
        (folder.path / "checkpoints").mkdir()
        folder.write_text(contents.CHECKPOINT, "new")
        folder.write_config({}, {})
        folder.write_text(contents.HISTORY, "new")
        folder.write_result("new")
        folder.remove_replaced()

def forked(dies_at):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    steps = 0
    def step(event, arguments):
        nonlocal steps
        if event.startswith(STEPS):
            steps += 1
            if steps == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(step)
    overwrite()
    os._exit(0)

def reads(path, text):
    return path.is_file() and path.read_text() == text

at = 0
while True:
    at += 1
    shutil.rmtree(RUN.parent)
    RUN.mkdir(parents=True)
    (RUN / "config.json").write_text('{"settings": {}, "versions": {}}')
    (RUN / "history.csv").write_text("old")
    status = forked(at)
    places = [path for path in RUN.parent.iterdir() if reads(path / "history.csv", "old")]
    has_ended = reads(RUN / "result.txt", "new\\n")
    assert len(places) == 1 or has_ended, (at, list(RUN.parent.rglob("*")))
    assert all((path / "config.json").is_file() for path in places) or has_ended, at
    if status == 0:
        break
    assert os.WIFSIGNALED(status), status
    if has_ended:
        RunFolder(RUN).remove_replaced()
    else:
        assert forked(0) == 0
    assert [path.name for path in RUN.parent.iterdir()] == ["it"], (at, list(RUN.parent.rglob("*")))
    assert reads(RUN / "history.csv", "new"), at
print(at)
"""


def test_a_process_that_dies_at_any_step_leaves_the_old_run_in_place_or_aside() -> None:
    RUN.mkdir(parents=True)
    outcome = spawn(sys.executable, "-c", KILLED)
    assert outcome.code == 0, outcome.err
    assert int(outcome.out) > 30


def test_the_old_run_stands_aside_until_the_new_one_has_ended_and_every_way_on_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["-name", "it", *QUICKEST]
    succeed(search, *words)
    old = (RUN / "alphas.npz").read_bytes()
    with stop_after(1, signal.SIGINT, monkeypatch):
        stopped = call(search, *words, "-seed", "2", "-overwrite")
    assert stopped.code == 130
    (aside,) = replaced.kept(RUN)
    assert (aside / "alphas.npz").read_bytes() == old
    said = f"what this run replaces is kept until it has ended: {aside}"
    assert stopped.err.count(said) == 2, "at the start and at the stop"
    rows = json.loads(succeed(modern, "runs", "--json").out)
    assert {(row["name"], row["state"]) for row in rows} == {("it", "stopped"), (aside.name, "replaced")}
    assert f"--name {aside.name}" not in succeed(modern, "runs").out

    with stop_after(1, signal.SIGINT, monkeypatch):
        call(search, *words, "-seed", "3", "-overwrite")
    both = replaced.kept(RUN)
    assert both[0] == aside
    assert len(both) == 2
    resumed = succeed(search, "-name", "it", "-resume")
    assert all(f"note: removed {path}, which this run has replaced" in resumed.err for path in both)
    assert [path.name for path in RUN.parent.iterdir()] == ["it"]
    assert succeed(search, "-name", "it", "-resume").out == resumed.out


def full(*_: object) -> None:
    raise RunError("cannot write it: No space left on device")


def test_where_a_new_run_cannot_begin_the_old_one_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["-name", "it", *QUICKEST]
    succeed(search, *words)
    before = {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file() and path.name != ".lock"}
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", full)
        assert call(search, *words, "-seed", "2", "-overwrite").code == 1
    assert [path.name for path in RUN.parent.iterdir()] == ["it"]
    assert {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file() and path.name != ".lock"} == before


def test_a_run_that_fails_after_it_has_begun_says_where_the_old_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["-name", "it", *QUICKEST]
    succeed(search, *words)
    saves: Any = iter([checkpoint.save, full])
    monkeypatch.setattr(checkpoint, "save", lambda *arguments: next(saves)(*arguments))
    failed = call(search, *words, "-overwrite")
    assert failed.code == 1
    (aside,) = replaced.kept(RUN)
    assert failed.err.splitlines()[-1].endswith(f"is kept until it has ended: {aside}")


def test_a_run_that_is_being_written_is_not_moved() -> None:
    folder = begin("old", ends=False)
    code = "from pathlib import Path; from dadarts.runs.folder import RunFolder; "
    code += "RunFolder(Path('runs/search/it')).claimed(False, True).__enter__()"
    with folder.claimed(resume=True, overwrite=False):
        outcome = spawn(sys.executable, "-c", code)
    assert "InputError: runs/search/it is being written by process" in outcome.err
    assert replaced.kept(RUN) == []
    assert folder.history.read_text() == "old"


def test_a_run_that_stands_aside_stays_where_another_is_begun_without_overwrite() -> None:
    begin("old")
    begin("new", overwrite=True, ends=False)
    (aside,) = replaced.kept(RUN)
    RUN.rename("elsewhere")
    begin("third")
    assert replaced.kept(RUN) == [aside]
    assert RunFolder(RUN).replaced == []
    assert (aside / "history.csv").read_text() == "old"
    begin("fourth", overwrite=True)
    assert replaced.kept(RUN) == []


def test_a_run_to_resume_that_stands_aside_is_named() -> None:
    begin("old")
    aside = replaced.move_aside(RUN)
    assert f"the one that was to be replaced is {aside}: rename it to it" in refusal(search, "-name", "it", "-resume")


def test_what_a_beginning_has_left_is_no_run_to_keep() -> None:
    RUN.mkdir(parents=True)
    (RUN / "checkpoints").mkdir()
    (RUN / "genotype.txt").write_text("x")
    begin("new", overwrite=True, ends=False)
    assert replaced.kept(RUN) == []


def test_runs_replaced_in_the_same_second_and_by_the_longest_names_are_all_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "20260101-000000")
    path = RUN.with_name("é" * 100)
    for text in ("first", "second", "third"):
        begin(text, overwrite=True, ends=False, path=path)
    assert [(folder / "history.csv").read_text() for folder in replaced.kept(path)] == ["first", "second"]
    assert [folder.name[100:] for folder in replaced.kept(path)] == [
        ".replaced-20260101-000000",
        ".replaced-20260101-000000-2",
    ]
    assert begin("fourth", overwrite=True, path=path).replaced == []


def test_what_was_replaced_last_is_last_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [str(number) for number in range(13)]
    for text, second in zip(texts, (5, 3, *[9] * 11), strict=True):
        monkeypatch.setattr(time, "strftime", lambda _, second=second: f"20260101-00000{second}")
        begin(text, overwrite=True, ends=False)
    assert [(folder / "history.csv").read_text() for folder in replaced.kept(RUN)] == texts[:-1]


def test_a_folder_that_cannot_be_renamed_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    begin("old")

    def refuse(*_: object) -> None:
        raise OSError(16, "Device or resource busy")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(InputError, match=r"cannot be kept as it\.replaced-.*busy"):
            begin("new", overwrite=True)
    assert (RUN / "history.csv").read_text() == "old"


@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0"), min_size=1, max_size=40))
def test_only_folders_that_a_run_has_replaced_are_its_own(name: str) -> None:
    aside = f"{name}.replaced-20260101-235959"
    assert replaced.replaces(aside) == replaced.replaces(f"{aside}-12") == name
    for other in (name, f"x{aside}"[:-1], f"{aside}x", f"{name}.replaced-2026-01-01"):
        assert replaced.replaces(other) != name


def test_no_run_is_begun_under_the_name_of_a_replaced_one() -> None:
    name = "it.replaced-20260101-000000"
    assert "a run that was replaced is called like that" in refusal(search, "-name", name, "-dataset", "digits")


LOCKS: dict[str, Callable[[], object]] = {
    "moved": lambda: replaced.move_aside(RUN),
    "moved and made anew": lambda: (replaced.move_aside(RUN), begin("new")),
}


@pytest.mark.parametrize("how", LOCKS)
def test_a_lock_of_a_folder_that_was_moved_holds_nothing(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dadarts import lock

    begin("old")
    taken, moves = lock._taken, iter([LOCKS[how]])

    def moved_before(file: object, how: int) -> bool:
        for move in moves:
            move()
        return taken(file, how)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(lock, "_taken", moved_before)
        with lock.locked(RUN, lambda _: "held") as file:
            assert os.path.samestat((RUN / ".lock").stat(), os.fstat(file.fileno()))
            patch.undo()
            assert lock.is_held(RUN)
