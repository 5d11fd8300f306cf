"""`dadarts fit` and its peers: tasks of real pictures, plain networks and their training, rows, and the table."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from math import sqrt
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch

from benchmarks.fit import contest, contest_table, delivered, ours, plain, rows, tasks
from benchmarks.fit.contestants import CONTESTANTS
from benchmarks.fit.delivered import Shown, misses
from benchmarks.fit.entry import Given, Result
from benchmarks.fit.plain_training import Pictures, rate, shifted, trained
from benchmarks.fit.rows import Row
from dadarts.config.fitting import FitConfig
from dadarts.fitting import loop, speed
from dadarts.fitting.candidates import FAMILIES
from dadarts.runs.events import FitDone
from tests.commands import without_pictures

ROW = Row("cifar-200", 3.0, None, 0, "resnet-20", 0.6, 2000, 180.0, 272_000, 40.0, "resnet-20, float32")
OURS = replace(ROW, contestant="fit", score=0.63, seconds=171.0)


def _ticks(step: float) -> Callable[[], float]:
    numbers = count()
    return lambda: step * next(numbers)


@pytest.mark.parametrize("tuning", [False, True])
def test_a_task_is_a_file_of_both_parts_that_share_no_picture(tmp_path: Path, tuning: bool) -> None:
    with np.load(tasks.written("digits", tmp_path, tmp_path, tuning)) as file:
        parts = [{row.tobytes() for row in file[f"x_{part}"]} for part in ("train", "test")]
        assert file["x_train"].shape[1:] == (8, 8, 1)
        assert set(file["y_test"]) == set(range(10))
    assert not parts[0] & parts[1]


def test_pictures_for_tuning_are_none_of_the_test_part(tmp_path: Path) -> None:
    with np.load(tasks.written("digits", tmp_path, tmp_path)) as file:
        test = {row.tobytes() for row in file["x_test"]}
    with np.load(tasks.written("digits", tmp_path, tmp_path, tuning=True)) as file:
        assert not test & {row.tobytes() for part in ("train", "test") for row in file[f"x_{part}"]}


def test_a_resnet_20_has_the_parameters_of_its_paper() -> None:
    # 0.27 M (arXiv 1512.03385, table 6), and projections in place of its padded shortcuts.
    assert plain.parameters(plain.built("resnet-20", 3, 10, None)) == 272_474


@pytest.mark.parametrize("name", plain.NETWORKS)
def test_a_peer_keeps_to_a_limit_and_no_wider_one_does(name: str) -> None:
    network = plain.built(name, 3, 10, 60_000)
    assert 40_000 < plain.parameters(network) <= 60_000
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    with pytest.raises(ValueError, match="more than 10 parameters"):
        plain.built(name, 3, 10, 10)


def test_a_rate_rises_in_a_line_and_falls_to_nothing() -> None:
    assert rate(0.1, 0.4) == pytest.approx(0.2)
    assert rate(0.2, 0.4) == pytest.approx(0.4)
    assert rate(0.6, 0.4) == pytest.approx(0.2)
    assert rate(1.0, 0.4) == 0


def test_shifted_pictures_are_windows_of_padded_ones() -> None:
    images = torch.arange(1, 1 + 2 * 9, dtype=torch.uint8).view(2, 1, 3, 3)
    source = torch.Generator().manual_seed(0)
    padded = torch.nn.functional.pad(images, (1,) * 4)
    for mirror in (False, True):
        for picture, found in zip(padded, shifted(images, 1, mirror, source), strict=True):
            windows = [picture[:, y : y + 3, x : x + 3] for y in range(3) for x in range(3)]
            windows += [window.flip(2) for window in windows] if mirror else []
            assert any(torch.equal(window, found) for window in windows)


def test_a_plain_training_learns_and_ends_with_its_time() -> None:
    x = np.zeros((64, 8, 8, 1), np.uint8)
    y = np.arange(64) % 2
    x[y == 1] = 200
    pictures = Pictures.of(x, y)
    torch.manual_seed(0)
    done = trained(
        plain.resnet(1, 2, 2), pictures, pictures.images, 12.0, _ticks(0.2), mirror=False, weights=None, seed=0
    )
    assert (done.answers == pictures.labels).all()
    # A step of 32 pictures is two ticks at least, and a tick in four reads the clock once more.
    assert 5 < done.epochs < 30


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    both = [ROW, replace(OURS, limit=60_000)]
    rows.write(tmp_path / "rows.csv", both)
    assert rows.read(tmp_path / "rows.csv") == both
    assert rows.read(tmp_path / "none.csv") == []


def test_the_better_peer_is_the_one_with_the_higher_mean_over_the_seeds_of_both() -> None:
    worse = replace(ROW, contestant="mobilenet", score=0.5)
    found = contest_table.difference([ROW, worse, OURS, replace(OURS, seed=1, score=0.1)])
    assert found is not None
    assert found.points == pytest.approx(3.0)
    # 1.96 standard deviations of a difference of two shares of 2,000 pictures.
    assert found.half == pytest.approx(100 * 1.96 * sqrt((0.63 * 0.37 + 0.6 * 0.4) / 2000), rel=1e-3)
    assert contest_table.difference([ROW, worse]) is None


def test_a_table_counts_what_is_won_and_lost_and_says_how_long_a_fit_took() -> None:
    lost = [replace(row, task="cats-dogs", score=score) for row, score in ((ROW, 0.8), (OURS, 0.7))]
    slower = [replace(row, contestant="mobilenet", score=row.score - 0.1) for row in (ROW, *lost[:1])]
    page = contest_table.page([ROW, OURS, *lost, *slower, replace(ROW, limit=60_000)])
    assert "## 3 minutes, at most 60,000 parameters" in page
    assert "| CIFAR-10, 10 x 200 | 60.0 (272k, 40) | 50.0 (272k, 40) | 63.0 (272k, 40) | +3.0 ± 3.0 |" in page
    assert "1 won and 1 lost by over 1 point, 0 between" in page
    assert "`fit` took from -5.0 to -5.0 % of its time." in page


def test_a_table_says_where_one_peer_alone_has_run() -> None:
    page = contest_table.page([ROW, OURS])
    assert "+3.0 ± 3.0 (resnet-20 alone) |" in page
    assert "In 1 of them one peer alone has run so far" in page


def test_a_contestant_runs_once_and_its_row_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Given] = []

    def contestant(given: Given) -> Result:
        asked.append(given)
        return Result(0.5, 100, 2.0, "a network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(contest, "CONTESTANTS", {**CONTESTANTS, "fit": contestant})
    words = ["contest", ".", "--tasks", "digits", "--minutes", "3", "--seeds", "2", "--contestants", "fit"]
    monkeypatch.setattr("sys.argv", [*words, "--max_parameters", "60000", "--out", "rows.csv"])
    contest.main()
    contest.main()
    assert [(given.seed, given.max_parameters, given.minutes) for given in asked] == [(0, 60_000, 3), (1, 60_000, 3)]
    assert [row.key for row in rows.read(Path("rows.csv"))] == [
        ("digits", 3.0, 60_000, seed, "fit") for seed in range(2)
    ]
    assert "digits, 8x8" in Path("rows.md").read_text()


@pytest.mark.parametrize("contestant", ["fit", "search-train"])
def test_what_dadarts_enters_keeps_to_its_pictures_limit_and_time(
    contestant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    monkeypatch.setattr(ours, "_PROBED", 0.02)
    monkeypatch.setattr(speed, "SECONDS", 0.02)
    monkeypatch.setattr(loop, "FAMILIES", FAMILIES[:1])
    draw = np.random.default_rng(0)
    arrays = {f"x_{part}": draw.integers(0, 256, (160, 8, 8, 1), np.uint8) for part in ("train", "test")}
    labels = {f"y_{part}": np.arange(160) % 2 for part in ("train", "test")}
    np.savez("pictures.npz", allow_pickle=False, classes=np.array(["one", "other"]), **arrays, **labels)
    given = Given(Path("pictures.npz"), "balanced_accuracy", "none", 0.04, 0, 20_000)
    began = time.process_time()
    found = CONTESTANTS[contestant](given)
    assert 0 <= found.score <= 1
    assert 0 < found.parameters <= 20_000
    assert found.epochs >= 1
    # Of so short a time what comes before and behind the steps is the most.
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    ("contestant", "searching"), [("fit", "auto"), ("fit-searching", "always"), ("fit-without-search", "never")]
)
def test_a_fit_is_entered_with_a_search_and_without(
    contestant: str, searching: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AskedError(Exception):
        pass

    def asked(config: FitConfig, **_: object) -> NoReturn:
        raise AskedError(config.searching)

    monkeypatch.setattr(loop, "fit", asked)
    with pytest.raises(AskedError, match=f"^{searching}$"):
        CONTESTANTS[contestant](Given(Path("pictures.npz"), "accuracy", "none", 3.0, 0, None))


def test_times_left_are_wrong_by_a_part_of_what_was_left_in_truth() -> None:
    shown = [Shown(5, 1000), Shown(20, 40), Shown(60, 40), Shown(80, 30), Shown(95, 50)]
    assert misses(shown, 100) == pytest.approx([0.5, 0.0, 0.5])


def test_what_a_fit_leaves_is_told_by_its_card(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    card = "# it\n\n## Files\n\n| file | bytes |\n\nprose\n\n## Data\n\nno\n\n## Cost\n\n5 ms\n\n## Training\n\nno\n"
    (tmp_path / "model" / "card.md").write_text(card)
    done = FitDone(tmp_path, tmp_path, "a ResNet", {"test_top1": 0.625}, None)
    text = delivered.page("digits", FitConfig(dataset="digits", minutes=2, threads=1), done, [Shown(50, 100)], 126.0)
    assert "a ResNet: test accuracy 62.5%\n- 126.0 s of 120: +5.0%\n- 1 times left" in text
    assert "wrong by 31.6% of what was left" in text
    assert text.endswith("| file | bytes |\n\n5 ms\n")
