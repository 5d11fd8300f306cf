"""The mixing weights of a finished search as a map of edges and operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from dadarts.architecture.operations import ALL_OPS
from dadarts.errors import InputError
from dadarts.report.canvas import GREY, INK, ORANGE, checked, save, style, wrapped

Table: TypeAlias = Sequence[Sequence[Sequence[str | None]]]
"""node -> edge -> column -> operation, as `SearchSpace.table` gives it; None is padding."""
Arrays: TypeAlias = Mapping[str, Sequence[NDArray[np.floating]]]
Places: TypeAlias = Mapping[str, Sequence[NDArray[np.bool_]]]

CELL_WIDTH, ROW_HEIGHT, TITLE_LINE = 0.72, 0.25, 0.24


def draw_alphas(
    weights: Arrays, names: Mapping[str, Table], path: Path, chosen: Places | None = None, title: str = ""
) -> None:
    """Draw mixing weights W: a map a kind of cell, a row an edge, a column an operation; chosen places are framed.

    Args:
        weights: kind -> node -> (E, O).
        names: kind -> node -> edge -> column -> operation; None where there is none.
        path: a name ending in .svg or .png; an existing file is replaced.
        chosen: kind -> node -> bool (E, O), what the discretization keeps; None frames nothing.
        title: a line above the picture; empty for none.

    Raises:
        InputError: shapes and names do not fit each other, or the suffix is neither .svg nor .png.
        RunError: the file cannot be written; nothing is left behind.
    """
    checked(path)
    _check(weights, names, chosen)
    with style():
        figure = alphas_figure(weights, names, chosen, title)
        save(figure, path, title or "Mixing weights", _describe(weights, names, chosen))


def _check(weights: Arrays, names: Mapping[str, Table], chosen: Places | None) -> None:
    if not weights:
        raise InputError("there are no mixing weights to draw; expected kind -> node -> (E, O)")
    for kind, nodes in weights.items():
        shapes = [np.shape(node) for node in nodes]
        named = [(len(node), len(node[0])) for node in names.get(kind, ())]
        if shapes != named:
            raise InputError(f"the {kind} cell has weights of shapes {shapes}, but names of shapes {named}")
        if chosen is not None and [np.shape(node) for node in chosen.get(kind, ())] != shapes:
            raise InputError(f"the {kind} cell has weights of shapes {shapes}, but other shapes of chosen places")


def alphas_figure(weights: Arrays, names: Mapping[str, Table], chosen: Places | None, title: str) -> Figure:
    """The figure of `draw_alphas`; to be made and saved inside `canvas.style()`."""
    rows = max(sum(len(node) for node in nodes) for nodes in weights.values())
    across = sum(nodes[0].shape[1] * CELL_WIDTH + 0.9 for nodes in weights.values())
    lines = wrapped(title, across, 12)
    tall = ROW_HEIGHT * rows + 0.75 + TITLE_LINE * len(lines)
    figure = Figure(figsize=(across, tall), layout="constrained", facecolor="white")
    if lines:
        figure.suptitle("\n".join(lines), size=12, weight="bold", parse_math=False)
    top = max(float(np.nanmax(node, initial=0)) for nodes in weights.values() for node in nodes) or 1.0
    for axes, (kind, nodes) in zip(figure.subplots(1, len(weights), squeeze=False).flat, weights.items(), strict=True):
        _draw_kind(axes, kind, nodes, names[kind], top)
        if chosen is not None:
            _frame(axes, np.concatenate(chosen[kind]))
    return figure


def _draw_kind(axes: Axes, kind: str, nodes: Sequence[NDArray[np.floating]], table: Table, top: float) -> None:
    edges = [edge for node in table for edge in node]
    same = all(list(edge) == list(edges[0]) for edge in edges)
    present = np.array([[name is not None for name in edge] for edge in edges])
    values = np.where(present, np.concatenate([np.asarray(node, dtype=float) for node in nodes]), np.nan)
    axes.pcolormesh(np.ma.masked_invalid(values), cmap="Blues", vmin=0, vmax=top, edgecolors="white", linewidth=1)
    axes.invert_yaxis()
    axes.set_title(f"{kind} cell", size=10)
    axes.set_yticks(np.arange(len(edges)) + 0.5, _edge_names(nodes))
    axes.set_xticks(np.arange(len(edges[0])) + 0.5, [ALL_OPS[n].label if n and same else "" for n in edges[0]])
    axes.tick_params(length=0, top=False, labeltop=same, bottom=False, labelbottom=False, labelsize=8)
    axes.spines[:].set_visible(False)
    for (row, column), value in np.ndenumerate(values):
        name = edges[row][column]
        if name is not None:
            words = f"{value:.2f}" if same else f"{ALL_OPS[name].label} {value:.2f}"
            shade = "white" if value > 0.6 * top else INK
            axes.text(column + 0.5, row + 0.5, words, ha="center", va="center", size=7, color=shade)
    for end in np.cumsum([len(node) for node in nodes])[:-1]:
        axes.axhline(float(end), color=GREY, linewidth=0.8)


def _frame(axes: Axes, chosen: NDArray[np.bool_]) -> None:
    for row, column in np.argwhere(chosen).tolist():
        corner = (column + 0.04, row + 0.06)
        axes.add_patch(Rectangle(corner, 0.92, 0.88, fill=False, edgecolor=ORANGE, linewidth=2, zorder=3))


def _edge_names(nodes: Sequence[NDArray[np.floating]]) -> list[str]:
    """``1 → 3`` for the edge from state 1 to state 3; the first node reads all inputs, so it tells their number."""
    inputs = len(nodes[0])
    return [f"{state} → {inputs + number}" for number, node in enumerate(nodes) for state in range(len(node))]


def _describe(weights: Arrays, names: Mapping[str, Table], chosen: Places | None) -> str:
    """The chosen places in words, or the largest weight of every edge."""
    parts = []
    for kind, nodes in weights.items():
        edges = iter(_edge_names(nodes))
        for number, node in enumerate(nodes):
            for row, values in enumerate(np.asarray(node, dtype=float)):
                edge, ops = next(edges), names[kind][number][row]
                kept = chosen[kind][number][row] if chosen is not None else values == np.nanmax(values)
                parts += [
                    f"{kind} {edge} {ALL_OPS[name].label} {value:.2f}"
                    for name, value, keep in zip(ops, values, kept, strict=True)
                    if keep and name is not None
                ]
    return f"Mixing weights. {'Chosen' if chosen is not None else 'Largest'}: {'; '.join(parts)}."
