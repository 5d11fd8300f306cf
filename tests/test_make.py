"""What `make setup` does and says, with an interpreter that only writes down what it is asked for."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands import ROOT

PYTHON = """#!/bin/sh
if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi
echo "$*" >> asked
"""


@pytest.mark.parametrize("is_terminal", [False, True])
def test_the_set_up_says_what_it_waits_for_and_pip_shows_its_progress_on_a_terminal(
    is_terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    Path("python").write_text(PYTHON)
    Path("python").chmod(0o755)
    reader, terminal = pty.openpty()
    stderr = terminal if is_terminal else subprocess.DEVNULL
    done = subprocess.run(
        ["make", "setup", f"PYTHON={tmp_path}/python"], stdout=subprocess.PIPE, stderr=stderr, text=True, check=True
    )
    os.close(terminal)
    os.close(reader)
    assert [line[:4] for line in done.stdout.splitlines() if line[:1].isdigit()] == ["1/3 ", "2/3 ", "3/3 "]
    asked = Path("asked").read_text().splitlines()
    assert [line.split()[-1] for line in asked] == [".venv", "torch", ".[dev]", "dadarts.engines.native"]
    assert ["--quiet" in line for line in asked[1:3]] == [not is_terminal] * 2
    assert all("-c constraints.txt" in line for line in asked[1:3])
