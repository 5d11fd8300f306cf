"""What a clock says that is set back while a run is computed decides nothing."""

from __future__ import annotations

import itertools
import json
import signal
import time
from pathlib import Path

import pytest

from tests.commands import (
    TINIEST,
    call,
    column,
    modern,
    result_of_search,
    search,
    stop_after,
    succeed,
    without_pictures,
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every look at the clock finds it an hour earlier than the last one."""
    moments = (2e9 - 3600 * count for count in itertools.count())
    write = time.strftime
    monkeypatch.setattr(time, "time", lambda: next(moments))
    monkeypatch.setattr(time, "strftime", lambda form, at=None: write(form, at or time.gmtime(next(moments))))


def test_a_search_goes_on_and_ends_as_ever_while_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    succeed(search, "-name", "whole", *TINIEST)
    words = ["-name", "it", *TINIEST, "-checkpoint_minutes", "0"]
    with monkeypatch.context() as patch:
        set_back(patch)
        with stop_after(6, signal.SIGINT, patch):
            assert call(search, *words).code == 130
        said = succeed(search, *words, "-resume").err
    assert "ETA -" not in said
    assert result_of_search(Path("runs/search/it")) == result_of_search(Path("runs/search/whole"))
    assert all(0 <= seconds < 600 for seconds in column(Path("runs/search/it"), "seconds"))
    listed = {run["name"]: run for run in json.loads(succeed(modern, "runs", "--json").out)}
    assert listed["it"]["state"] == "finished"
    assert 0 <= listed["it"]["seconds"] < 600
