"""Progress of a run that Python code follows: in a notebook, on a terminal, and where nobody looks."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dadarts
from dadarts.cli import notebook
from dadarts.cli.notebook import Bar
from dadarts.cli.watching import last_of
from dadarts.runs.events import AssessmentStep, EpochDone, Event, Note, PartBegun, RunStarted, StepDone, TrainDone
from tests.report.test_inline import HOSTILE, check

DONE = TrainDone(Path("runs/augment/it"), {"test_top1": 0.5}, ())


def events(epochs: int = 2, steps: int = 3, name: str = "it") -> Iterator[Event]:
    yield RunStarted(Path("runs") / name, f"read {name}; -flip none", f"training on {name}")
    for epoch in range(epochs):
        for step in range(1, steps + 1):
            yield StepDone(epoch, epochs, step, steps, 0.5, 0.25, 100.0)
        yield EpochDone(epoch, epochs, {"epoch": epoch})
    yield Note(f"-lr is what {name} says")
    yield AssessmentStep(1, 1)
    yield DONE


class Shown:
    """A notebook's place below a cell."""

    def __init__(self, first: Any) -> None:
        self.pages = [first._repr_html_()]

    def update(self, shown: Any) -> None:
        self.pages.append(shown._repr_html_())


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> list[Shown]:
    """A notebook that runs, and what it shows below its cells."""
    found: list[Shown] = []

    def display(first: Any, display_id: bool) -> Shown:
        assert display_id
        found.append(Shown(first))
        return found[-1]

    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    monkeypatch.setattr(notebook, "_BETWEEN", 0.0)
    return found


def parts(shown: Shown) -> list[float]:
    return [float(check(page).all("progress")[0].attributes["value"]) for page in shown.pages]


def test_in_a_notebook_a_bar_fills_up_below_the_cell(cells: list[Shown], capsys: pytest.CaptureFixture[str]) -> None:
    assert dadarts.progress(events()) is DONE
    (shown,) = cells
    found = parts(shown)
    assert found == sorted(found)
    assert found[0] == 0
    assert found[-1] == 1
    assert {round(each / 6, 4) for each in range(7)} == set(found)
    assert "test accuracy 50.00%" in shown.pages[-1]
    assert "lr is what it says" in shown.pages[-1]
    assert "read it; flip none" in shown.pages[-1]
    assert capsys.readouterr() == ("", "")


def test_the_bar_of_a_fit_is_of_its_minutes_and_never_goes_back(
    cells: list[Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(10_000))
    monkeypatch.setattr(notebook, "Bar", lambda: Bar(lambda: float(next(seconds))))

    def fit() -> Iterator[Event]:
        *trained, done = events(epochs=10, steps=5)
        for what, left in (("race", 1000.0), ("last training", 400.0)):
            yield PartBegun(what, left)
            yield from trained[1:]
        yield done

    assert dadarts.progress(fit()) is DONE
    found = parts(cells[0])
    assert found == sorted(found)
    assert len(set(found)) > 50
    before = [page for page in cells[0].pages if "last training" not in page]
    last = float(check(before[-1]).all("progress")[0].attributes["value"])
    assert 0 < last < 0.4, "the first of two trainings ends, and not the fit"


def test_a_bar_is_not_redrawn_with_every_step(cells: list[Shown], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "_BETWEEN", 1e9)
    dadarts.progress(events())
    assert parts(cells[0]) == [0, 1], "the first and the last"


def test_no_name_becomes_markup_in_a_bar(cells: list[Shown]) -> None:
    for name in (HOSTILE, "plain"):
        dadarts.progress(events(name=name))
    hostile, plain = (check(shown.pages[-1]).structure for shown in cells)
    assert hostile == plain


@pytest.mark.parametrize("shell", [None, types.SimpleNamespace(kernel=None)])
def test_elsewhere_lines_are_written_to_stderr(
    shell: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert dadarts.progress(events()) is DONE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[:2] == ["read it; flip none", "training on it"]
    assert err.splitlines()[-1] == str(DONE)


@pytest.mark.parametrize("follow", [dadarts.progress, last_of])
def test_an_interrupted_run_is_closed_so_that_it_is_kept(follow: Any) -> None:
    closed = []

    def interrupted() -> Iterator[Event]:
        try:
            yield next(events())
            yield Note("now")
            raise KeyboardInterrupt
        finally:
            closed.append(True)

    def broken(inner: Iterator[Event]) -> Iterator[Event]:
        yield from inner

    with pytest.raises(KeyboardInterrupt):
        follow(broken(interrupted()))
    assert closed == [True]
    begun = interrupted()

    class Raising:
        """An iterable that fails while the run behind it is at a step."""

        def __iter__(self) -> Iterator[Event]:
            yield next(begun)
            raise KeyboardInterrupt

        def close(self) -> None:
            begun.close()  # type: ignore[attr-defined]

    with pytest.raises(KeyboardInterrupt):
        follow(Raising())
    assert closed == [True, True]
