"""The search of a fit: how large it is, what comes of it, and that it never takes more than its share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.spaces import Size
from dadarts.config import SearchConfig
from dadarts.config.fitting import FitConfig
from dadarts.data import DataRequest, load
from dadarts.fitting import candidates, parts, plan, record, searching
from dadarts.fitting.course import Course
from dadarts.fitting.loop import fit
from dadarts.fitting.record import Record
from dadarts.methods import bill, catalogue
from dadarts.methods.selection import Race
from dadarts.methods.terms import Terms
from dadarts.runs.events import Event, FitDone, Note, SelectionStep
from dadarts.runs.folder import RunFolder
from dadarts.searching.loop import search
from tests import commands
from tests.fitting.clocks import Ticking
from tests.fitting.test_fit import small

__all__ = ["small"]

SETTINGS: dict[str, Any] = {"dataset_portion": 0.1, "threads": 1, "workers": 0, "device": "cpu"}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search of seconds: forks of one step, judged by some pictures."""
    monkeypatch.setattr(searching, "CHANNELS", (2,))
    monkeypatch.setattr(searching, "WARM_UP", (4,))
    quick = Race(steps=1, looks=0, put_off=0.0, pictures=16, order_pictures=16)
    for module in (searching, catalogue):
        monkeypatch.setattr(module, "LOOKAHEAD", quick)
    monkeypatch.setattr(searching, "MOST_EPOCHS", 2)
    monkeypatch.setattr(candidates, "BENCH_SIZES", (Size(2, 1),))
    monkeypatch.setattr(plan, "SEARCH", 0.6)
    monkeypatch.setattr(plan, "SHORTEST", 0.01)
    # However busy the machine is.
    monkeypatch.setattr("dadarts.fitting.training.LEAVES", 0.0)


@pytest.mark.usefixtures("small", "tiny")
def test_a_search_that_is_stopped_goes_on_and_what_it_finds_races_with_a_random_draw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    real = search

    def watched(config: SearchConfig, **given: Any) -> Iterator[Event]:
        loaded = given["loaded"](None)
        seen.append({picture.numpy().tobytes() for picture in loaded.train.take(torch.arange(len(loaded.train)))})
        return real(config, **given)

    monkeypatch.setattr(searching, "search", watched)
    config = FitConfig(dataset="digits", minutes=0.03, searching="always", **SETTINGS)
    folder = RunFolder(Path("runs/fit/digits/search/search"))
    with closing(fit(config, clock=Ticking(0.002))) as events:  # type: ignore[type-var]
        next(event for event in events if isinstance(event, SelectionStep))
    before, begun = record.read(Path("runs/fit/digits")).search, folder.saved_config().settings
    assert before is not None
    assert not before.is_over
    *events_after, done = fit(config, clock=Ticking(0.002), resume=True)
    kept = record.read(Path("runs/fit/digits"))
    assert folder.saved_config().settings == begun
    assert not any(" is searched for at most " in str(event) for event in events_after)
    families = [entrant.family for entrant in kept.entrants or ()]
    assert families == ["resnet", "separable", "found", "random"]
    found = (kept.entrants or ())[families.index("found")]
    assert kept.search is not None
    assert kept.search.genotype == found.genotype
    assert before.seconds < kept.search.seconds < plan.SEARCH * 1.8
    assert folder.result() == found.genotype
    assert isinstance(done, FitDone)
    assert done.verdict is not None
    assert f"what was found, with {found.parameters:,} parameters, has " in done.verdict
    assert "a random draw" in done.verdict
    assert done.verdict.endswith(f"; the search took 0:{round(kept.search.seconds):02} of 0:02")
    assert done.search_minutes == kept.search.seconds / 60
    assert json.loads(Path("runs/fit/digits/fit.json").read_text())["verdict"] == done.verdict
    # The pictures that judge the race, and those of the test, are not among what was searched on.
    racing = parts.racing(parts.portion(load(DataRequest("digits", workers=0)), 0.1, config.seed), config.seed)
    own = {picture.numpy().tobytes() for picture in racing.train.take(torch.arange(len(racing.train)))}
    assert all(pictures == own for pictures in seen)


def _course(tmp_path: Path, step: float) -> Course:
    config = FitConfig(dataset="digits", minutes=10, searching="always", **SETTINGS)
    data = parts.portion(load(DataRequest("digits", workers=0)), 0.1, config.seed)
    folder = RunFolder(tmp_path / "fit")
    folder.path.mkdir()
    return Course(config, folder, data, parts.racing(data, 1), Record("accuracy", 16), Ticking(step), 0.0)


@pytest.mark.usefixtures("small")
def test_a_search_that_would_take_more_than_its_share_is_stopped_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "sized", lambda *_: searching.Sized(2, 50, 1.0))
    course = _course(tmp_path, 11.0)
    share = course.shares.search
    assert share == 120.0
    events = list(searching.searched(course))
    known = course.record.search
    assert known is not None
    assert known.genotype is None
    assert known.is_over
    # It is noticed after the step at hand.
    assert share < known.seconds <= share + 3 * 11.0
    assert isinstance(events[-1], Note)
    assert "the race goes on without a search: it would not have ended in its 2:00" in events[-1].text
    assert list(searching.searched(course)) == []


@pytest.mark.usefixtures("small")
def test_a_share_that_no_search_fits_into_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "sized", lambda *_: 1234.0)
    course = _course(tmp_path, 0.01)
    _, note = searching.searched(course)
    assert isinstance(note, Note)
    assert "the smallest one would take 20:34, and its share is 2:00" in note.text
    # What it has not taken the race and the last training have.
    known, shares = course.record.search, course.shares
    assert known is not None
    assert shares.search == known.seconds < 1
    assert shares.race + shares.final == pytest.approx(600 - known.seconds)


@given(
    seconds=st.floats(1, 1e5),
    rate=st.floats(10, 1e5),
    train=st.integers(16, 50_000),
    batch=st.sampled_from([16, 32, 64]),
)
def test_a_search_fits_into_its_share_or_the_share_is_shorter_than_the_smallest(
    seconds: float, rate: float, train: int, batch: int
) -> None:
    measured: list[int] = []

    def speed(channels: int) -> float:
        measured.append(channels)
        return rate / channels

    found = searching.sized(seconds, (train, train), batch, speed)
    assert len(measured) == len(set(measured))
    if isinstance(found, float):
        # Even the narrowest, for the fewest epochs, would take longer.
        assert found > seconds
        assert set(measured) == set(searching.CHANNELS)
    else:
        assert found.seconds <= searching.FILLED * seconds
        assert 1 <= found.epochs <= searching.MOST_EPOCHS
        assert found.epochs * train * found.channels / rate <= found.seconds


def test_races_cost_what_the_method_says_they_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where time is in proportion to operations, and no edge waits, this is the law in operation-pictures.
    monkeypatch.setattr(bill, "_AROUND", 0.0)
    monkeypatch.setattr(bill, "_WAITING", 0.0)
    data = parts.portion(load(DataRequest("digits", workers=0)), 0.1, 1)
    size = searching.Sized(2, 1, 1.0)
    base = FitConfig(dataset="digits", threads=1, workers=0, device="cpu", runs_dir=tmp_path)
    config = searching.settings(base, tmp_path, size, 16)
    # What a fit sizes, one process computes.
    assert config.fork_jobs == 1
    terms = Terms(steps=1, rungs=2, looks=0)
    quick = Race(**asdict(terms) | {"put_off": 0.0, "level": 0.999})
    config = config.model_copy(update={"method": replace(config.method, selection=quick)})
    commands.without_pictures(monkeypatch)
    list(search(config, loaded=lambda _: data))
    rows = commands.history(tmp_path / "search" / "search")
    counted = float(rows[-1]["operation_pictures_selection"])
    law = searching.raced_pictures(terms, 16, len(data.train) - len(data.train) // 2)
    assert counted / (3 * 24) == pytest.approx(law, rel=0.05)


def test_the_random_draw_is_of_the_space_and_of_the_seed() -> None:
    drawn = {candidates.drawn(seed).genotype for seed in range(5)}
    assert len(drawn) == 5
    assert candidates.drawn(3) == candidates.drawn(3)
    assert all(Genotype.parse(text).space.name == candidates.SPACE for text in drawn)
