"""Curves of a search and of a training, in small panels that share the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dadarts.errors import InputError
from dadarts.pacing import counted
from dadarts.report.canvas import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, checked, save, style, wrapped
from dadarts.rundir.history import (
    DISCRETE_TOP1,
    DISCRETIZATION_GAP,
    EPOCH,
    RELAXED_TOP1,
    SEARCH_PANELS,
    TRAINING_PANELS,
    Colour,
    Panel,
    Row,
    Series,
)

History: TypeAlias = Sequence[Row]
"""One row an epoch; a column that a row lacks or gives as None was not measured in that epoch."""

PANEL_WIDTH, PANEL_HEIGHT, TITLE_LINE = 4.4, 2.3, 0.24
FEW = 40
"""Up to so many epochs every one is marked, so that a lone measurement can be seen."""
_INKS: Mapping[Colour, str] = MappingProxyType(
    {"blue": BLUE, "orange": ORANGE, "green": GREEN, "grey": GREY, "purple": PURPLE, "ink": INK}
)


def draw_curves(history: History, path: Path, title: str = "") -> None:
    """Draw a search: accuracy, discretization gap, entropy and temperature, and what the choices do.

    Columns are those of `history.SEARCH_PANELS` (the gap is else relaxed less discrete) and the epoch, which counts
    from 0 (the picture counts from 1). Accuracies and shares are fractions in [0, 1]. Values that are None or not
    finite are left out.

    Raises:
        InputError: the history has no rows, or the suffix is neither .svg nor .png.
        RunError: the file cannot be written; nothing is left behind.
    """
    _draw([_with_gap(row) for row in history], SEARCH_PANELS, 2, path, title or "Search")


def draw_training(history: History, path: Path, title: str = "") -> None:
    """Draw the training of a discrete network: loss, accuracy, learning rate.

    Columns are those of `history.TRAINING_PANELS` and the epoch, which counts from 0 (the picture counts from 1).
    Accuracies are fractions in [0, 1]. Values that are None or not finite are left out.

    Raises:
        InputError: the history has no rows, or the suffix is neither .svg nor .png.
        RunError: the file cannot be written; nothing is left behind.
    """
    _draw(history, TRAINING_PANELS, 3, path, title or "Training")


def _with_gap(row: Row) -> Row:
    relaxed, discrete = RELAXED_TOP1.of(row), DISCRETE_TOP1.of(row)
    if relaxed is None or discrete is None or DISCRETIZATION_GAP.name in row:
        return row
    return {**row, DISCRETIZATION_GAP.name: relaxed - discrete}


def points(history: History, names: Sequence[str]) -> tuple[list[float], list[float]]:
    """Epochs and values of the first column of these names that was measured at all; both empty where none was."""
    for name in names:
        xs, ys = [], []
        for number, row in enumerate(history, start=1):
            value = row.get(name)
            if value is not None and isfinite(value):
                xs.append(_epoch(row, number))
                ys.append(float(value))
        if ys:
            return xs, ys
    return [], []


def _epoch(row: Row, number: int) -> float:
    # A history counts from 0, as programs do; whoever looks at a picture counts from 1, as progress lines do.
    epoch = EPOCH.of(row)
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
    measured = [(series, *points(history, series.names)) for series in panel.series]
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
        handles += target.plot(xs, ys, series.dash, color=_INKS[series.colour], label=series.label, linewidth=1.5)
        if len(history) <= FEW or len(ys) == 1:
            # Open squares on the right axis: a dot of the left one stays visible inside.
            handles[-1].set(marker="s" if series.right else "o", markersize=5 if series.right else 2.6)
            handles[-1].set_markerfacecolor("none" if series.right else _INKS[series.colour])
    # Above the panel a legend never hides a curve.
    small = {"fontsize": 8, "columnspacing": 1.2, "handlelength": 1.9, "handletextpad": 0.5, "borderaxespad": 0.1}
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, **small)


def _colour_as_their_curves(left: Axes, right: Axes, drawn: Sequence[Series]) -> None:
    """Where there are two axes, say by their colours which curve belongs to which."""
    for axes, is_right in ((left, False), (right, True)):
        colours = {_INKS[series.colour] for series in drawn if series.right == is_right}
        if len(colours) == 1:
            axes.yaxis.label.set_color(*colours)
            axes.tick_params(axis="y", colors=min(colours))


def _describe(history: History, panels: Sequence[Panel]) -> str:
    """The last value of every line in words."""
    ends = []
    for panel in panels:
        for series in panel.series:
            xs, ys = points(history, series.names)
            if ys:
                ends.append(f"{panel.left}, {series.label}: {ys[-1]:.4g} at epoch {xs[-1]:.4g}")
    return f"Curves over {counted(len(history), 'epoch')}. {'; '.join(ends) or 'Nothing was recorded'}."
