"""Pictures of histories and of mixing weights."""

from __future__ import annotations

import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from PIL import Image

from dadarts.errors import InputError, RunError
from dadarts.report import draw_curves, draw_training
from dadarts.report.canvas import style
from dadarts.report.curves import History, curves_figure, points
from dadarts.rundir.history import ACCURACY, ALPHAS, CHOICES, GAP

SVG = "{http://www.w3.org/2000/svg}"
SEARCH: list[dict[str, float | int | None]] = [
    {
        "epoch": epoch - 1,
        "train_top1": 0.9 - 0.6 / epoch,
        "valid_top1": 0.85 - 0.6 / epoch,
        "relaxed_top1": 0.84 - 0.5 / epoch if epoch % 3 == 0 else None,
        "discrete_top1": 0.8 - 0.5 / epoch if epoch % 3 == 0 else None,
        "alpha_entropy": 2 / epoch,
        "temperature": 4.0 * epoch,
        "changed_choices": 20 - epoch,
        "skip_share": epoch / 20,
        "parameter_free_share": epoch / 15,
    }
    for epoch in range(1, 11)
]
TRAINING: list[dict[str, float | int | None]] = [
    {"epoch": epoch - 1, "train_loss": 2 / epoch, "train_top1": 0.9 - 0.6 / epoch, "weight_lr": 0.025 / epoch}
    for epoch in range(1, 31)
]
Draw = Callable[[History, Path], None]


def read(path: Path) -> tuple[ET.Element, list[str]]:
    root = ET.fromstring(path.read_text())  # noqa: S314 - our own file
    return root, ["".join(e.itertext()).strip() for e in root.iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("search") / "curves.svg"
    draw_curves(SEARCH, path, "a run")
    return path


def test_curves_name_every_line_and_tell_its_last_value(search: Path) -> None:
    root, texts = read(search)
    for word in ("train", "valid", "relaxed", "discrete", "discretization gap", "temperature", "changed choices"):
        assert word in texts
    described = root.findtext(f"{SVG}desc") or ""
    assert "top-1 lost by rounding, discretization gap: 0.04 at epoch 9" in described
    assert "temperature: 40 at epoch 10" in described
    assert "not recorded" not in texts
    assert "80%" in "".join(texts).replace(".0%", "%")


def test_training_draws_validation_only_where_it_was_measured(tmp_path: Path) -> None:
    draw_training(TRAINING, tmp_path / "a.svg")
    assert "valid" not in read(tmp_path / "a.svg")[1]
    draw_training([{**row, "valid_top1": 0.5} for row in TRAINING], tmp_path / "a.svg")
    assert "valid" in read(tmp_path / "a.svg")[1]


def test_epochs_count_from_one_in_a_picture_of_a_history_that_counts_from_nought(tmp_path: Path) -> None:
    history: History = [{"epoch": epoch, "train_top1": 0.5, "train_loss": 1.0, "weight_lr": 0.1} for epoch in range(3)]
    with style():
        figure = curves_figure(history, (ACCURACY, GAP, ALPHAS, CHOICES), 2, "")
    assert [np.asarray(line.get_xdata()).tolist() for line in figure.axes[0].get_lines()] == [[1, 2, 3]]
    assert figure.axes[-1].get_xlim() == (0.5, 3.5)
    for draw in (draw_curves, draw_training):
        draw(history, tmp_path / "a.svg")
        assert "0.5 at epoch 3" in (read(tmp_path / "a.svg")[0].findtext(f"{SVG}desc") or "")


def test_where_there_are_two_axes_each_has_the_colour_of_its_curves() -> None:
    with style():
        figure = curves_figure(SEARCH, (ALPHAS, CHOICES), 1, "")
    twins = [axes for axes in figure.axes if axes.get_ylabel() in ("temperature", "share of edges")]
    assert len(twins) == 2
    for axes in figure.axes:
        (colour,) = {line.get_color() for line in axes.get_lines()}
        assert axes.yaxis.label.get_color() == colour
        assert {label.get_color() for label in axes.get_yticklabels()} == {colour}


def test_points_leave_out_what_was_not_measured() -> None:
    rows: History = [{"x": 1.0}, {"x": None}, {}, {"x": math.nan}, {"x": math.inf}, {"x": 6, "epoch": 9}]
    assert points(rows, ["x"]) == ([1.0, 10.0], [1.0, 6.0])
    assert points(rows, ["y", "x"]) == points(rows, ["x"])
    assert points(rows, ["y"]) == ([], [])


@pytest.mark.parametrize("draw", [draw_curves, draw_training])
@pytest.mark.parametrize("history", [[{"epoch": 0, "train_top1": 0.1}], [{"train_top1": None, "train_loss": math.nan}]])
def test_one_row_is_a_picture_whatever_it_lacks(draw: Draw, history: History, tmp_path: Path) -> None:
    draw(history, tmp_path / "a.svg")
    assert "not recorded" in read(tmp_path / "a.svg")[1]


def test_nothing_of_the_curves_leaves_the_picture_or_hides_behind_a_legend() -> None:
    with style():
        figure = curves_figure(SEARCH, (ACCURACY, GAP, ALPHAS, CHOICES), 2, "a title")
        renderer = RendererAgg(*figure.bbox.size, figure.dpi)  # type: ignore[no-untyped-call]
        figure.draw(renderer)
        panels = [axes.get_window_extent(renderer) for axes in figure.axes]
        for axes in figure.axes:
            tight = axes.get_tightbbox(renderer)
            assert tight is not None
            assert tight.x0 >= 0
            assert tight.x1 <= figure.bbox.x1
            if (legend := axes.get_legend()) is not None:
                inner = legend.get_window_extent(renderer).padded(-3)
                assert not any(inner.overlaps(panel) for panel in panels)


def test_curves_drawn_twice_are_the_same_bytes(search: Path, tmp_path: Path) -> None:
    draw_curves(SEARCH, tmp_path / "again.svg", "a run")
    assert search.read_bytes() == (tmp_path / "again.svg").read_bytes()


def test_training_as_png_opens_with_a_sensible_size(tmp_path: Path) -> None:
    draw_training(TRAINING, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        picture.load()
        assert 1200 < picture.width < 2500
        assert 300 < picture.height < 800


@pytest.mark.parametrize("draw", [draw_curves, draw_training])
def test_no_rows_wrong_suffix_and_a_name_that_is_taken_leave_nothing(draw: Draw, tmp_path: Path) -> None:
    (taken := tmp_path / "taken.svg").mkdir()
    with pytest.raises(InputError, match="no rows"):
        draw([], tmp_path / "a.svg")
    with pytest.raises(InputError, match=r"\.svg or \.png"):
        draw([{"epoch": 1}], tmp_path / "a.pdf")
    with pytest.raises(RunError, match="cannot write"):
        draw([{}], taken)
    assert list(tmp_path.iterdir()) == [taken]


def test_matplotlib_is_loaded_by_the_first_picture_and_pyplot_never(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, dadarts.report as report; assert 'matplotlib' not in sys.modules;"
        f" report.draw_training([{{'epoch': 1}}], pathlib.Path({str(tmp_path / 'a.svg')!r}));"
        " assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "a.svg").is_file()
