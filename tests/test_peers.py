"""The comparison with nni, as far as it goes without nni."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers.__main__ import ROOT, main, started
from benchmarks.peers.table import Round, summary
from benchmarks.peers.task import Step, Task

PYTHON = Path(sys.executable)
NNI_WEIGHTS = 1_930_522
"""Of nni 3.0's supernet with 16 channels and 8 cells, without batch norm's and alphas."""
FACTS = {"weights": NNI_WEIGHTS, "alphas": 224}


def test_own_search_has_the_weights_of_nni_and_steps_when_told_to() -> None:
    with started("dadarts", PYTHON, Task(batch=10, steps=2)) as ours:
        assert {name: ours.facts[name] for name in FACTS} == FACTS
        assert all(min(step.seconds, step.cpu_seconds) > 0 for step in (ours.step(), ours.step()))
    assert ours.process.poll() == 0


def test_contestant_that_fails_says_why() -> None:
    with (
        pytest.raises(SystemExit, match=r"(?s)nni ended too early:.*No module named 'nni'"),
        started("nni", PYTHON, Task(batch=10, steps=2)),
    ):
        pass


def _steps(*seconds: float) -> list[Step]:
    return [Step(each, each / 2) for each in seconds]


def test_ratio_is_that_of_whole_epochs() -> None:
    slow, slower = (Round(_steps(first, 2 * first), _steps(1.0, 2.0), FACTS, FACTS) for first in (4.0, 6.0))
    found = summary([slow, slower, slow], Task(batch=3))
    assert (found["ratio"], found["low"], found["high"]) == (4.0, 4.0, 6.0)
    assert (found["cpu_ratio"], found["cpu_low"], found["cpu_high"]) == (4.0, 4.0, 6.0)
    assert found["seconds_per_step"] == {"nni": 7.0, "dadarts": 1.5}
    assert found["cpu_seconds_per_step"] == {"nni": 3.5, "dadarts": 0.75}
    assert found["images_per_second"]["dadarts"] == 4.0


def test_what_runs_in_the_environment_of_a_peer_needs_nothing_of_dadarts() -> None:
    code = "import sys, benchmarks.peers.task; sys.exit('dadarts' in sys.modules)"
    assert subprocess.run([PYTHON, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_environment_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks.peers", "--python", "nowhere/python"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "make bench-peers builds" in capsys.readouterr().err
