"""Standard streams that are closed, full or broken, or cannot show a letter; run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dadarts.cli import streams
from tests.commands import TINIEST, call, modern, search, succeed, without_pictures

_COMMAND = f"{sys.executable} -m dadarts"
_STARTED = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with a search that has ended, whose name has a letter that is not in ASCII."""
    folder = tmp_path_factory.mktemp("ended")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        without_pictures(monkeypatch)
        succeed(search, "-name", "größe", *TINIEST)
    return folder


def shell(line: str, folder: Path, **environment: str) -> tuple[int, str]:
    """The exit code of a shell's line, and what it wrote to a standard error that is none of the line's own."""
    done = subprocess.run(
        ["sh", "-c", line], cwd=folder, capture_output=True, check=False, env={**os.environ, **environment}, timeout=120
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "closed"),
    [
        ("search --name größe --resume", "<&- >&- 2>&-"),
        ("search --name größe --resume", "2>/dev/full"),
        # These have no torch to load.
        ("runs", "2>&-"),
        ("runs", ">&-"),
    ],
)
def test_a_command_runs_without_its_streams(runs: Path, words: str, closed: str) -> None:
    code, said = shell(f"{_COMMAND} {words} {closed}", runs)
    assert (code, "Traceback" in said) == (0, False)


def test_a_refusal_without_a_standard_error_has_its_exit_code(runs: Path) -> None:
    assert shell(f"{_COMMAND} runs --runs_dir nothing 2>&-", runs)[0] == 2
    assert shell(f"{_COMMAND} runs --runs_dir nothing 2>/dev/full", runs)[0] == 2


def test_a_full_standard_output_at_the_end_says_that_the_run_has_ended(runs: Path) -> None:
    code, said = shell(f"{_COMMAND} search --name größe --resume >/dev/full", runs)
    assert code == 1
    assert said.splitlines()[-1] == (
        "dadarts: the search has ended, and its result is in runs/search/größe; standard output cannot be written: "
        "No space left on device"
    )


@pytest.mark.parametrize("words", ["runs", "oracle nas-bench-201 --help"])
def test_a_full_standard_output_of_a_list_or_a_help_is_said(runs: Path, words: str) -> None:
    code, said = shell(f"{_COMMAND} {words} >/dev/full", runs)
    assert (code, said) == (1, "dadarts: standard output cannot be written: No space left on device\n")


@pytest.mark.parametrize(
    ("environment", "name"),
    [({"PYTHONIOENCODING": "ascii"}, "gr\\xf6\\xdfe"), ({"LC_ALL": "C", "PYTHONUTF8": "0"}, "finished")],
)
def test_a_name_that_the_terminal_cannot_show_is_escaped(runs: Path, environment: dict[str, str], name: str) -> None:
    code, said = shell(f"{_COMMAND} runs --runs_dir runs 1>&2", runs, **environment)
    assert code == 0
    assert name in said


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"WORLD_SIZE": "two", "RANK": "0"}, "WORLD_SIZE 'two' in the environment is no number"),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is in the environment without RANK"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "WORLD_SIZE is in the environment without MASTER_ADDR"),
        ({**_STARTED, "MASTER_PORT": "abc"}, "MASTER_PORT 'abc' in the environment is no number from 1 to 65535"),
        ({**_STARTED, "MASTER_PORT": "65536"}, "MASTER_PORT '65536' in the environment is no number"),
        ({**_STARTED, "MASTER_PORT": ""}, "WORLD_SIZE is in the environment without MASTER_PORT"),
        ({**_STARTED, "RANK": "x"}, "RANK 'x' in the environment is no number"),
        ({**_STARTED, "RANK": "2"}, "RANK '2' in the environment is no number"),
        ({**_STARTED, "RANK": "9" * 5000}, "in the environment is no number"),
        ({**_STARTED, "RANK": ""}, "WORLD_SIZE is in the environment without RANK"),
        ({**_STARTED, "MASTER_ADDR": ""}, "WORLD_SIZE is in the environment without MASTER_ADDR"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE '0' in the environment is no number"),
    ],
)
def test_an_environment_of_no_launcher_is_refused(
    environment: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    outcome = call(search, "-name", "it", *TINIEST)
    assert outcome.code == 2
    assert said in outcome.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "--space=--", "x"], "--space needs a value"),
        (["train", "--name", "it", "--genotype=--"], "--genotype needs a value"),
        (["search", "--name", "it", "--dataset", "digits", "--runs_dir", "\udcff"], "is no text in UTF-8"),
        (["compare", "--methods", "darts", "--runs_dir", "a\udcff"], "is no text in UTF-8"),
        (["runs", "--runs_dir", "a\udcff"], "is no text in UTF-8"),
    ],
)
def test_words_that_are_no_values_are_refused(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = call(modern, *words)
    assert (outcome.code, said in outcome.err, len(outcome.err.splitlines())) == (2, True, 1), outcome.err
    assert not list(tmp_path.iterdir())


def test_streams_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.stdout, sys.stderr
    with streams.usable():
        print("x", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == before
