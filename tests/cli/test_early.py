"""A signal while a command is still being imported is an exit code and at most one line, in every entrance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from dadarts.cli import early
from tests.commands import COMMON, ROOT, spawn

AT_AN_IMPORT = """
import os, signal, sys
# As a program in the foreground: tests that run in the background of a shell ignore ^C, and so do their processes.
signal.signal(signal.SIGINT, signal.default_int_handler)
number, left, *sys.argv = sys.argv[1:]
number, left = int(number), int(left)
with open(sys.argv[0]) as file:
    source = compile(file.read(), sys.argv[0], "exec")
def count(event, _):
    global left
    if event == "import":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)
sys.addaudithook(count)
exec(source, {"__name__": "__main__"})
"""
"""A program, with a signal at the so many-th import after it has begun."""


def console_script() -> str:
    """What the installed ``dadarts`` does."""
    module, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["dadarts"].split(":")
    return f"import sys; from {module} import {function}; sys.exit({function}())"


ENTRANCES: dict[str, Callable[[], str]] = {
    "search.py": lambda: (ROOT / "search.py").read_text(),
    "augment.py": lambda: (ROOT / "augment.py").read_text(),
    "dadarts": console_script,
    "python -m dadarts": lambda: (ROOT / "src/dadarts/__main__.py").read_text(),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_a_signal_at_any_import_is_at_most_a_line(entrance: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(ENTRANCES[entrance]())
    words = [str(program), "search", "-name", "it", *COMMON]
    # The first imports of the installed script are not its package's.
    begin = 6 if entrance == "dadarts" else 0
    moments = [*zip((begin + 1, begin + 3, 40, 200), (signal.SIGINT, signal.SIGTERM) * 2, strict=True)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", AT_AN_IMPORT, str(int(number)), str(at), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        for at, number in moments
    ]
    said = []
    for (_, number), process in zip(moments, running, strict=True):
        out, err = process.communicate(timeout=120)
        # A process that a signal ends is 128 + number to a shell.
        assert process.returncode in (128 + number, -number)
        assert out == ""
        said.append(err)
    line = f"{entrance.removeprefix('python -m ')}: stopped before a run was begun\n"
    assert said[2:] == [line, line]
    assert set(said[:2]) <= {"", line}
    assert list(tmp_path.iterdir()) == [program]


def test_only_the_first_of_several_processes_prints() -> None:
    code = (
        "import os, signal\nfrom dadarts.cli import early\nearly.answer_signals('x')\n"
        "os.kill(os.getpid(), signal.SIGTERM)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "RANK": "1", "WORLD_SIZE": "2"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (143, "")


@pytest.mark.parametrize(
    ("rank", "count", "does_print"),
    [("0", "3", True), ("1", "3", False), ("2", "3", False), ("3", "3", True), ("1", "1", True), ("1", None, True),
     ("x", "3", True), ("1", "x", True), (None, "3", True), (None, None, True), ("9" * 5000, "3", True)],
)  # fmt: skip
def test_a_process_without_a_launcher_prints(
    rank: str | None, count: str | None, does_print: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RANK", rank), ("WORLD_SIZE", count)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert early.prints() is does_print


@pytest.mark.parametrize(
    "answers",
    ["early.answer_signals('x')", "from dadarts.cli import signals\nheld = signals.stop_signals()\nheld.__enter__()"],
)
def test_a_command_that_was_told_to_ignore_a_signal_ignores_it(answers: str) -> None:
    code = "import os, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nfrom dadarts.cli import early\n"
    code += f"{answers}\nos.kill(os.getpid(), signal.SIGINT)\nprint('on')"
    assert spawn(sys.executable, "-c", code).out == "on\n"


def test_python_m_dadarts_is_dadarts() -> None:
    lines = spawn(sys.executable, "-m", "dadarts", "--help").out.splitlines()
    assert lines[0] == "usage: dadarts COMMAND ..."
    refused = spawn(sys.executable, "-m", "dadarts", "serch")
    assert (refused.code, refused.out) == (2, "")
    assert "Did you mean 'search'?" in refused.err
