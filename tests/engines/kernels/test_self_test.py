"""The kernels' program without Python stays one that compiles; `make tests-arm` and its like run it."""

from __future__ import annotations

import subprocess

import pytest

from tests.engines.kernels.__main__ import PROCESSORS, command_of


def test_the_program_that_checks_other_processors_compiles_without_warnings() -> None:
    processor = PROCESSORS["sse2"]
    if processor.missing():
        pytest.skip("no g++")
    done = subprocess.run(
        command_of(processor.compiler, "-fopenmp", "-fsyntax-only"), capture_output=True, text=True, check=False
    )
    assert not done.stderr
    assert done.returncode == 0
