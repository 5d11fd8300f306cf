"""What a person sees of a run that is stopped, and goes on."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from dadarts.cli.signals import Signals, StoppedEarlyError
from tests.commands import QUICKEST, call, modern, stop_after, succeed


def test_the_first_signal_is_answered_at_once_and_the_second_stops(capfd: pytest.CaptureFixture[str]) -> None:
    signals = Signals()
    assert signals.begin() == 0
    signals.handle(signal.SIGINT, None)
    assert "stopping and saving after this step; another signal stops at once" in capfd.readouterr().err
    assert signals.begin() == signal.SIGINT
    with pytest.raises(StoppedEarlyError, match="the last checkpoint is kept"):
        signals.handle(signal.SIGINT, None)


def test_a_run_that_goes_on_says_from_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word.replace("-", "--", 1) if word.startswith("-") else word for word in ("-name", "it", *QUICKEST)]
    with stop_after(1, signal.SIGINT, monkeypatch):
        assert call(modern, "search", *words).code == 130
    err = succeed(modern, "search", "--name", "it", "--resume").err
    assert re.findall(r"; it goes on with (.*)", err) == ["what is measured after epoch 1/2"]
