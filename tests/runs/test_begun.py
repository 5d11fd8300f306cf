"""What a run's log says that it was begun with, and what of that is shown to others."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dadarts.config import FitConfig
from dadarts.config.calls import in_python
from dadarts.rundir import command
from dadarts.rundir.contents import CONFIG, LOG
from dadarts.runs import begun

NOW = "2026-01-02 03:04:05"


def logged(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    LOG.at(folder).write_text("".join(f"{NOW} {line}\n" for line in ("loading", *lines)))
    return folder


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8), min_size=1))
def test_the_words_of_a_written_command_are_found_again(words: list[str]) -> None:
    line = command.written(words)
    assert [*command.words_of(line)] == words
    assert "\n" not in line


def test_a_shell_reads_what_is_written_as_it_was_typed() -> None:
    words = ["printf", "%s|", "two words", "it's", "", "$HOME", "a\nb\\", "\tü\x01", "`x`", 'say "no"']
    done = subprocess.run(["bash", "-c", command.written(words)], capture_output=True, check=True)
    assert done.stdout.decode().split("|")[:-1] == words[2:]
    assert [*command.words_of(command.written(words))] == words


def test_a_command_that_goes_on_is_not_what_a_run_was_begun_with(tmp_path: Path) -> None:
    typed = command.line(["dadarts", "fit", "flowers"])
    found = command.begun_with(logged(tmp_path / "typed", typed, command.line(["dadarts", "fit", "--resume"])))
    assert found == command.Begin("dadarts fit flowers", is_call=False)
    for word in ("--resume", "-resume", "--resume=true"):
        assert command.begun_with(logged(tmp_path / "python", command.line(["dadarts", "fit", "x", word]))) is None
    assert command.begun_with(logged(tmp_path / "silent")) is None
    assert command.begun_with(tmp_path / "nowhere") is None


def test_others_see_of_a_typed_command_no_folder(tmp_path: Path) -> None:
    words = ["dadarts", "fit", "/home/ada/my flowers", "--test_path=/mnt/held/test", "--minutes", "3"]
    folder = logged(tmp_path / "fit", command.line(words))
    whole, shown = begun.of_fit(folder), begun.of_fit_anywhere(folder)
    assert whole is not None
    assert shlex.split(whole.text) == words
    assert shown == command.Begin("dadarts fit 'my flowers' --test_path=test --minutes 3", is_call=False)


def test_a_fit_begun_in_python_is_told_in_python(tmp_path: Path) -> None:
    config = FitConfig(dataset="/home/ada/flowers", name="mine", minutes=3, threads=1, test_path="/mnt/held/test")
    folder = tmp_path / "mine"
    folder.mkdir()
    CONFIG.at(folder).write_text(json.dumps({"settings": config.to_json()}))
    whole, shown = begun.of_fit(folder), begun.of_fit_anywhere(folder)
    assert whole == command.Begin(in_python(config), is_call=True)
    assert whole is not None
    (loop,) = ast.parse(whole.text).body
    assert isinstance(loop, ast.For)
    assert isinstance(loop.iter, ast.Call)
    (call,) = loop.iter.args
    assert isinstance(call, ast.Call)
    assert (ast.unparse(loop.iter.func), ast.unparse(call.func)) == ("dadarts.fit", "dadarts.FitConfig")
    assert FitConfig(**{word.arg or "": ast.literal_eval(word.value) for word in call.keywords}) == config
    assert shown is not None
    assert "dataset='flowers'" in shown.text
    assert "test_path='test'" in shown.text
    assert not any(word in shown.text for word in ("home", "mnt", "threads"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"settings": 1}', '{"settings": {"minutes": -1}}'])
def test_of_a_damaged_fit_nothing_is_said(text: str, tmp_path: Path) -> None:
    CONFIG.at(tmp_path).write_text(text)
    assert begun.of_fit(tmp_path) is None
    assert begun.of_fit_anywhere(tmp_path) is None


def test_pictures_that_were_given_in_python_have_a_name_in_a_call() -> None:
    call = in_python(FitConfig(dataset="48 pictures (given in Python)", name="it"))
    assert "dataset=pictures" in call
    assert call.endswith("print(event)  # pictures: 48 pictures (given in Python)")
    compile(call, "call", "exec")
