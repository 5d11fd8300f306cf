"""Curves of a search and of a training, in small panels that share the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TypeAlias

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dadarts.errors import InputError
from dadarts.pacing import counted
from dadarts.report.canvas import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, checked, save, style, wrapped

History: TypeAlias = Sequence[Mapping[str, float | int | None]]
"""One row an epoch; a column that a row lacks or gives as None was not measured in that epoch."""

PANEL_WIDTH, PANEL_HEIGHT, TITLE_LINE = 4.4, 2.3, 0.24
FEW = 40
"""Up to so many epochs every one is marked, so that a lone measurement can be seen."""


@dataclass(frozen=True)
class Series:
    """One line: the names its column may have, what the legend says, and how it is drawn."""

    columns: tuple[str, ...]
    label: str
    colour: str
    dash: str = "-"
    right: bool = False


@dataclass(frozen=True)
class Panel:
    """Lines over one another, the names of the left and the right axis, and which of them is written in percent."""

    left: str
    series: tuple[Series, ...]
    right: str = ""
    percent: str = ""


ACCURACY = Panel(
    "top-1",
    (
        Series(("train_top1",), "train", BLUE, "--"),
        Series(("valid_top1",), "valid", ORANGE),
        Series(("relaxed_top1",), "relaxed", GREEN, "-."),
        Series(("discrete_top1",), "discrete", PURPLE, ":"),
    ),
    percent="left",
)
GAP = Panel("top-1 lost by rounding", (Series(("discretization_gap",), "discretization gap", INK),), percent="left")
ALPHAS = Panel(
    "entropy",
    (
        Series(("alpha_entropy",), "entropy of alpha", BLUE),
        Series(("temperature",), "temperature", ORANGE, "--", right=True),
    ),
    right="temperature",
)
CHOICES = Panel(
    "choices",
    (
        Series(("changed_choices",), "changed choices", INK),
        Series(("skip_share",), "skip", GREEN, "--", right=True),
        Series(("parameter_free_share",), "parameter-free", GREEN, ":", right=True),
    ),
    right="share of edges",
    percent="right",
)
LOSS = Panel("loss", (Series(("train_loss",), "train", BLUE, "--"), Series(("valid_loss",), "valid", ORANGE)))
TOP1 = Panel("top-1", ACCURACY.series[:2], percent="left")
RATE = Panel("learning rate", (Series(("weight_lr", "learning_rate", "lr"), "learning rate", GREY),))


def draw_curves(history: History, path: Path, title: str = "") -> None:
    """Draw a search: accuracy, discretization gap, entropy and temperature, and what the choices do.

    Columns: ``train_top1``, ``valid_top1``, ``relaxed_top1``, ``discrete_top1``, ``discretization_gap`` (else
    relaxed less discrete), ``alpha_entropy``, ``temperature``, ``changed_choices``, ``skip_share``,
    ``parameter_free_share``; ``epoch``, which counts from 0 (the picture counts from 1). Accuracies and
    shares are fractions in [0, 1].
    Values that are None or not finite are left out.

    Raises:
        InputError: the history has no rows, or the suffix is neither .svg nor .png.
        RunError: the file cannot be written; nothing is left behind.
    """
    _draw([_with_gap(row) for row in history], (ACCURACY, GAP, ALPHAS, CHOICES), 2, path, title or "Search")


def draw_training(history: History, path: Path, title: str = "") -> None:
    """Draw the training of a discrete network: loss, accuracy, learning rate.

    Columns: ``train_loss``, ``valid_loss``, ``train_top1``, ``valid_top1`` (fractions), ``weight_lr`` (or
    ``learning_rate``); ``epoch``, which counts from 0 (the picture counts from 1). Values that are
    None or not finite are left out.

    Raises:
        InputError: the history has no rows, or the suffix is neither .svg nor .png.
        RunError: the file cannot be written; nothing is left behind.
    """
    _draw(history, (LOSS, TOP1, RATE), 3, path, title or "Training")


def _with_gap(row: Mapping[str, float | int | None]) -> Mapping[str, float | int | None]:
    relaxed, discrete = row.get("relaxed_top1"), row.get("discrete_top1")
    if relaxed is None or discrete is None or any(name in row for name in GAP.series[0].columns):
        return row
    return {**row, "discretization_gap": relaxed - discrete}


def points(history: History, columns: Sequence[str]) -> tuple[list[float], list[float]]:
    """Epochs and values of the first of these columns that was measured at all; both empty where none was."""
    for name in columns:
        xs, ys = [], []
        for number, row in enumerate(history, start=1):
            value = row.get(name)
            if value is not None and isfinite(value):
                xs.append(_epoch(row, number))
                ys.append(float(value))
        if ys:
            return xs, ys
    return [], []


def _epoch(row: Mapping[str, float | int | None], number: int) -> float:
    # A history counts from 0, as programs do; whoever looks at a picture counts from 1, as progress lines do.
    epoch = row.get("epoch")
    return float(number if epoch is None else epoch + 1)


def _draw(history: History, panels: Sequence[Panel], across: int, path: Path, title: str) -> None:
    checked(path)
    if not history:
        raise InputError("the history has no rows, so there is nothing to draw; it needs one row an epoch")
    with style():
        save(curves_figure(history, panels, across, title), path, title, _describe(history, panels))


def curves_figure(history: History, panels: Sequence[Panel], across: int, title: str) -> Figure:
    """The figure of `draw_curves` and `draw_training`; to be made and saved inside `canvas.style()`."""
    down = -(-len(panels) // across)
    wide = PANEL_WIDTH * across
    lines = wrapped(title, wide, 12)
    figure = Figure(
        figsize=(wide, PANEL_HEIGHT * down + TITLE_LINE * len(lines)), layout="constrained", facecolor="white"
    )
    if lines:
        figure.suptitle("\n".join(lines), size=12, weight="bold", parse_math=False)
    grid = figure.subplots(down, across, squeeze=False, sharex=True)
    for axes, panel in zip(grid.flat, panels, strict=True):
        _draw_panel(axes, panel, history)
    epochs = [_epoch(row, number) for number, row in enumerate(history, start=1)]
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
        axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    return figure


def _draw_panel(axes: Axes, panel: Panel, history: History) -> None:
    measured = [(series, *points(history, series.columns)) for series in panel.series]
    measured = [line for line in measured if line[1]]
    axes.set_ylabel(panel.left)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    axes.spines["right"].set_visible(False)
    if not measured:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", va="center", color=GREY)
        axes.set_yticks([])
        return
    axes.grid(color="#E4E4E4", linewidth=0.6)
    if panel.percent == "left":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    right = None
    if any(series.right for series, _, _ in measured):
        right = axes.twinx()
        right.set_ylabel(panel.right)
        _colour_as_their_curves(axes, right, [series for series, _, _ in measured])
        if panel.percent == "right":
            right.yaxis.set_major_formatter(PercentFormatter(1.0))
    handles: list[Line2D] = []
    for series, xs, ys in measured:
        target = right if series.right and right is not None else axes
        handles += target.plot(xs, ys, series.dash, color=series.colour, label=series.label, linewidth=1.5)
        if len(history) <= FEW or len(ys) == 1:
            # Open squares on the right axis: a dot of the left one stays visible inside.
            handles[-1].set(marker="s" if series.right else "o", markersize=5 if series.right else 2.6)
            handles[-1].set_markerfacecolor("none" if series.right else series.colour)
    # Above the panel a legend never hides a curve.
    small = {"fontsize": 8, "columnspacing": 1.2, "handlelength": 1.9, "handletextpad": 0.5, "borderaxespad": 0.1}
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, **small)


def _colour_as_their_curves(left: Axes, right: Axes, drawn: Sequence[Series]) -> None:
    """Where there are two axes, say by their colours which curve belongs to which."""
    for axes, is_right in ((left, False), (right, True)):
        colours = {series.colour for series in drawn if series.right == is_right}
        if len(colours) == 1:
            axes.yaxis.label.set_color(*colours)
            axes.tick_params(axis="y", colors=min(colours))


def _describe(history: History, panels: Sequence[Panel]) -> str:
    """The last value of every line in words."""
    ends = []
    for panel in panels:
        for series in panel.series:
            xs, ys = points(history, series.columns)
            if ys:
                ends.append(f"{panel.left}, {series.label}: {ys[-1]:.4g} at epoch {xs[-1]:.4g}")
    return f"Curves over {counted(len(history), 'epoch')}. {'; '.join(ends) or 'Nothing was recorded'}."
