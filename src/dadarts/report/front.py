"""A picture of what costs buy: one point a network, and the front as steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dadarts.errors import InputError
from dadarts.pacing import counted
from dadarts.report.canvas import BLUE, GREY, INK, checked, save, style, wrapped

_WIDTH, _HEIGHT = 6.4, 4.0
_SHORT = 4
"""Letters of a name that stays over its point; a longer one would leave the picture."""


@dataclass(frozen=True)
class Weighed:
    """A network: its name in the picture, its cost, and its worth in [0, 1]."""

    name: str
    cost: float
    worth: float


def draw_front(
    points: Sequence[Weighed], cost: str, worth: str, path: Path, title: str, beaten: Sequence[Weighed] = ()
) -> None:
    """Draw worth against cost, in the order of costs.

    Args:
        points: the front.
        cost, worth: what the axes are called.
        beaten: what is not on it, drawn in grey.

    Raises:
        InputError: there are no points, or the suffix is neither .svg nor .png.
        RunError: the file cannot be written; nothing is left behind.
    """
    checked(path)
    if not points:
        raise InputError("there is no network to draw")
    ordered = sorted(points, key=lambda point: (point.cost, point.worth))
    with style():
        figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained", facecolor="white")
        axes = figure.subplots()
        xs, ys = [point.cost for point in ordered], [point.worth for point in ordered]
        # Between two points the cheaper one is what a limit leaves.
        axes.step(xs, ys, where="post", color=BLUE, linewidth=1.5)
        axes.plot(xs, ys, "o", color=BLUE, markersize=4)
        axes.plot([point.cost for point in beaten], [point.worth for point in beaten], "o", color=GREY, markersize=4)
        middle = (min(xs) + max(xs)) / 2
        for point in (*ordered, *beaten):
            axes.annotate(
                point.name,
                (point.cost, point.worth),
                (0, 5),
                textcoords="offset points",
                size=7,
                ha="center" if len(point.name) <= _SHORT else "left" if point.cost <= middle else "right",
                color=INK,
                parse_math=False,
            )
        axes.set_xlabel(cost)
        axes.set_ylabel(worth)
        axes.margins(0.06, 0.1)
        axes.xaxis.set_major_formatter("{x:,.6g}")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.spines["right"].set_visible(False)
        axes.grid(color="#E4E4E4", linewidth=0.6)
        figure.suptitle("\n".join(wrapped(title, _WIDTH, 12)), size=12, weight="bold", parse_math=False)
        said = f"{worth} against {cost} of {counted(len(points), 'network')}. {_said(ordered)}."
        save(figure, path, title, f"{said} Beaten: {_said(beaten)}." if beaten else said)


def _said(points: Sequence[Weighed]) -> str:
    return "; ".join(f"{point.name}: {point.worth:.1%} at {point.cost:,.6g}" for point in points)
