"""An export over an earlier one loses nothing that people have put there, however it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import dadarts
from dadarts.bundle import folder, latency, making
from tests.bundle.nets import GENOTYPES, save, subject
from tests.commands import tree

OUT = Path("model")


@pytest.fixture(autouse=True)
def earlier(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder with a network and an export of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(making, "FORMS", making.FORMS[:2])
    monkeypatch.setattr(latency, "measured", lambda *_: [])
    save(subject(GENOTYPES["one-edge"]), tmp_path)
    again(overwrite=False)


def again(*, overwrite: bool = True) -> None:
    dadarts.export("model.safetensors", out=OUT, overwrite=overwrite)


def test_what_people_have_added_is_in_the_new_folder_too() -> None:
    (OUT / "LICENSE").write_text("mine")
    (OUT / ".git").mkdir()
    (OUT / ".git" / "HEAD").symlink_to("nowhere")
    before = tree(OUT)
    (OUT / "model.py").unlink()
    again()
    assert tree(OUT) == before
    assert (OUT / "LICENSE").read_text() == "mine"
    assert (OUT / ".git" / "HEAD").readlink() == Path("nowhere")


def test_what_an_earlier_export_alone_has_written_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "FORMS", making.FORMS[:1])
    again()
    assert not (OUT / "model.py").exists()


@pytest.mark.parametrize("name", ["README.md", "model.py"])
def test_what_people_have_edited_is_named_and_kept_under_another_name(name: str) -> None:
    (OUT / name).write_text("mine")
    with pytest.raises(dadarts.InputError, match=f"out model: changed since the export: {name}; rename or move"):
        again()
    assert (OUT / name).read_text() == "mine"
    (OUT / name).rename(OUT / "mine")
    again()
    assert (OUT / "mine").read_text() == "mine"
    assert (OUT / name).read_text() != "mine"


def test_a_file_of_people_is_not_taken_for_one_of_an_export(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = making.FORMS
    monkeypatch.setattr(making, "FORMS", forms[:1])
    again()
    (OUT / "model.py").write_text("mine")
    before = tree(Path())
    monkeypatch.setattr(making, "FORMS", forms)
    with pytest.raises(dadarts.RunError, match=r"its model\.py is of no export"):
        again()
    assert tree(Path()) == before


def killed(made: Callable[[], None]) -> None:
    """Something done by a process that dies of it."""
    process = os.fork()
    if not process:
        made()
        os._exit(0)
    os.waitpid(process, 0)


def stopped_after(number: int, stop: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the new folder take the earlier one's place, and stop after so many renames of folders."""
    renamed, rename = [], Path.rename

    def counted(self: Path, target: Path) -> Path:
        made = rename(self, target)
        renamed.append(made)
        if len(renamed) == number:
            stop()
        return made

    with monkeypatch.context() as patch, folder.appearing(OUT, True) as new:
        (new / "new").touch()
        patch.setattr(Path, "rename", counted)


@pytest.mark.parametrize("number", [1, 2])
def test_a_process_that_is_killed_between_the_folders_leaves_one_of_them(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before = tree(OUT)
    killed(lambda: stopped_after(number, lambda: os.kill(os.getpid(), signal.SIGKILL), monkeypatch))
    assert OUT.exists() == (number == 2)
    folder.check(Path("other"), False)
    assert len(list(Path().glob(".model.*"))) == 3 - number, "of another folder nothing is touched"
    if number == 1:
        with pytest.raises(dadarts.InputError, match="there is a model already"):
            folder.check(OUT, False)
        assert tree(OUT) == before
    else:
        with pytest.raises(dadarts.InputError, match="no export wrote"):
            folder.check(OUT, True)
        assert tree(OUT) != before
    assert not list(Path().glob(".model.*"))


def test_a_signal_between_the_folders_leaves_the_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    before = tree(Path())
    with pytest.raises(KeyboardInterrupt):
        stopped_after(1, stop, monkeypatch)
    assert tree(Path()) == before


def test_what_a_process_that_lives_is_writing_is_left_alone() -> None:
    Path(f".model.{os.getppid()}").mkdir()
    Path(".model.notes").mkdir()
    again()
    assert {path.name for path in Path().glob(".model.*")} == {f".model.{os.getppid()}", ".model.notes"}
