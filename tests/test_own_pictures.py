"""What a run on a folder of one's own says, through the command that a user gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import call, modern, refusal, succeed, without_pictures
from tests.data.samples import noise, write_classes, write_picture

TINY = [
    *("--epochs", "1", "--init_channels", "2", "--layers", "1", "--nodes", "2", "--batch_size", "4", "--workers", "0"),
    *("--search_space", "connect-nas-bench", "--method", "random", "--cache_dir", "cache", "--threads", "1"),
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def test_a_run_says_first_what_it_has_read_and_what_it_has_not() -> None:
    write_classes(Path("set/Training"), 30)
    write_classes(Path("set/Testing"), 4, seed=1)
    broken = Path("set/Training/bee/7.png")
    broken.write_bytes(broken.read_bytes()[:60])
    Path("set/Training/ant/notes.txt").touch()
    Path("set/__MACOSX").mkdir()
    lines = succeed(modern, "search", "--name", "a", "--dataset", "set", *TINY).err.splitlines()
    assert lines[0].startswith(
        "read set: 59 training and 8 test pictures of 3x12x12 in 2 classes (ant 30+4, bee 29+4); test part: Testing/; "
        "passed over: 1 .txt, 1 __MACOSX/; skipped 1 that cannot be read"
    )
    [note] = [line for line in lines if line.startswith("note: skipped")]
    assert note.startswith("note: skipped a picture: set/Training/bee/7.png cannot be read as a picture")
    log = Path("runs/search/a/log.txt").read_text()
    assert lines[0] in log
    assert note in log


def test_what_has_two_readings_is_refused_and_both_can_be_forced() -> None:
    write_classes(Path("set"), 10)
    write_picture(Path("set/test/0.png"), noise(1, 12, 12, 3)[0])
    command = ["search", "--name", "a", "--dataset", "set", *TINY]
    line = refusal(modern, *command)
    assert "give --classes ant,bee,test to read it as a class, --classes ant,bee to pass it over" in line
    first = succeed(modern, *command, "--classes", "ant,bee").err.splitlines()[0]
    assert "(ant 8+2, bee 8+2)" in first
    assert "passed over: 1 in other folders" in first
    third = call(modern, *command, "--overwrite", "--classes", "ant,bee,test")
    assert (third.code, len(third.err.splitlines())) == (2, 1)
    assert "class test has a single training picture" in third.err


def test_a_broken_picture_is_refused_where_that_is_asked() -> None:
    write_classes(Path("set"), 30)
    Path("set/ant/3.png").write_bytes(b"")
    line = refusal(modern, "search", "--name", "a", "--dataset", "set", *TINY, "--broken", "refuse")
    assert "set/ant/3.png is damaged, or no picture" in line


def test_a_name_that_is_no_text_is_read_and_logged() -> None:
    write_classes(Path("set"), 10)
    Path("set/bee").rename("set/b\udcff\nee")
    first = succeed(modern, "search", "--name", "a", "--dataset", "set", *TINY).err.splitlines()[0]
    assert "(ant 8+2, b\\xff\\nee 8+2)" in first
