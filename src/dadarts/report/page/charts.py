"""Curves and points as elements of a page, small enough to stand side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log10

from markupsafe import Markup
from matplotlib.ticker import LogLocator, MaxNLocator

from dadarts.report.page.drawing import Drawing, number
from dadarts.report.undominated import undominated

WIDTH, HEIGHT = 360.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 28.0, 24.0
_FEW = 40
"""Up to so many points every one is marked, and says what it is."""
_LETTER = 6.0
"""Width of a letter of a legend, in the units of the picture."""
_SPREAD = 12.0
"""Times the smallest cost from which on costs are drawn on a logarithmic axis."""
SPACE = "\N{NO-BREAK SPACE}"
"""Between a number and its unit."""
_LINE = 13.0
"""Height of a line of text."""


@dataclass(frozen=True)
class Curve:
    """One curve; the dash is SVG's ``stroke-dasharray``."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float]
    colour: str
    dash: str = ""


@dataclass(frozen=True)
class Point:
    """One point, with the ends of its interval where there is one."""

    label: str
    x: float
    y: float
    interval: tuple[float, float] | None
    stands_out: bool


def percent(value: float) -> str:
    """A share in percent, with a digit behind the point but where it is all or nothing.

    >>> percent(0.5), percent(0.9712), percent(1.0)
    ('50.0\xa0%', '97.1\xa0%', '100\xa0%')
    """
    return f"{100 * value:.0f}{SPACE}%" if value in (0, 1) else f"{100 * value:.1f}{SPACE}%"


def _round_percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def plain_number(value: float) -> str:
    """A number in four digits, large ones with their thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def short(value: float) -> str:
    """A large number as people say it.

    >>> short(950), short(17_410), short(999_600), short(5.2e8)
    ('950', '17.4\xa0k', '1\xa0M', '520\xa0M')
    """
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        shown = f"{value / size:.3g}"
        # As it is rounded: 999,600 is no 1,000 k.
        if float(shown) >= 1:
            return f"{shown}{SPACE}{unit}"
    return f"{value:.3g}"


@dataclass
class _Axis:
    """From values to places along one side of the picture."""

    low: float
    high: float
    begin: float
    end: float
    is_log: bool = False
    ticks: list[float] = field(default_factory=list)

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.is_log:
            value, low, high = log10(value), log10(low), log10(high)
        return self.begin + (self.end - self.begin) * (value - low) / (high - low)


def _linear(values: Sequence[float], begin: float, end: float, whole: bool = False, bins: int = 4) -> _Axis:
    low, high = min(values), max(values)
    if low == high:
        margin = 0.5 if whole else abs(low) / 10 or 1.0
        low, high = low - margin, high + margin
    ticks = [*MaxNLocator(nbins=bins, integer=whole, steps=[1, 2, 5, 10], min_n_ticks=1).tick_values(low, high)]
    if not whole:
        low, high = min(low, ticks[0]), max(high, ticks[-1])
    return _Axis(low, high, begin, end, ticks=[tick for tick in ticks if low <= tick <= high])


def _logarithmic(values: Sequence[float], begin: float, end: float) -> _Axis:
    low, high = min(values) / 1.5, max(values) * 1.5
    locator = LogLocator(subs=(1.0,) if high / low > 100 else (1.0, 2.0, 5.0), numticks=8)
    ticks = [tick for tick in locator.tick_values(low, high) if low <= tick <= high]
    return _Axis(low, high, begin, end, is_log=True, ticks=ticks)


def curves(title: str, lines: Sequence[Curve], in_percent: bool = False) -> Markup:
    """Curves over epochs; the title is read out, together with where each ends."""
    says = percent if in_percent else plain_number
    ends = "; ".join(f"{line.label} {says(line.ys[-1])} at epoch {line.xs[-1]:g}" for line in lines)
    drawing = Drawing(WIDTH, HEIGHT, f"{title} over epochs. {ends}.", "chart")
    epochs = [x for line in lines for x in line.xs]
    across = _linear(epochs, LEFT, WIDTH - RIGHT, whole=True, bins=7)
    up = _linear([y for line in lines for y in line.ys], HEIGHT - BOTTOM, TOP)
    _frame(drawing, across, up, lambda value: f"{value:g}", _round_percent if in_percent else says, "epoch")
    # What the slider over epochs moves.
    drawing.root.set("data-axis", " ".join(map(number, (across.low, across.high, across.begin, across.end))))
    drawing.add("line", class_="now", x1=-9.0, x2=-9.0, y1=TOP, y2=HEIGHT - BOTTOM)
    for line in lines:
        _draw_curve(drawing, line, across, up, says)
    _legend(drawing, lines)
    return drawing.markup()


def _frame(
    drawing: Drawing,
    across: _Axis,
    up: _Axis,
    x_says: Callable[[float], str],
    y_says: Callable[[float], str],
    label: str,
) -> None:
    bottom = up.begin
    for tick in up.ticks:
        drawing.add("line", class_="grid", x1=across.begin, x2=across.end, y1=up(tick), y2=up(tick))
        drawing.text(across.begin - 5, up(tick) + 3.5, y_says(tick), class_="tick", text_anchor="end")
    drawing.add("line", class_="axis", x1=across.begin, x2=across.end, y1=bottom, y2=bottom)
    taken = drawing.width - _LETTER * len(label)
    for tick in across.ticks:
        x = across(tick)
        if x + _LETTER * len(x_says(tick)) / 2 < taken - _LETTER:
            drawing.text(x, bottom + 14, x_says(tick), class_="tick", text_anchor="middle")
    drawing.text(drawing.width, bottom + 14, label, class_="tick name", text_anchor="end")


def _draw_curve(drawing: Drawing, line: Curve, across: _Axis, up: _Axis, says: Callable[[float], str]) -> None:
    places = [(across(x), up(y)) for x, y in zip(line.xs, line.ys, strict=True)]
    group = drawing.add("g", class_=f"curve {line.colour}")
    way = " ".join(f"{number(x)},{number(y)}" for x, y in places)
    dash = {"stroke_dasharray": line.dash} if line.dash else {}
    drawing.add("polyline", group, points=way, **dash)
    if len(places) <= _FEW:
        for (x, y), epoch, value in zip(places, line.xs, line.ys, strict=True):
            dot = drawing.add("circle", group, cx=x, cy=y, r=2.2)
            drawing.add("title", dot, f"{line.label}, epoch {epoch:g}: {says(value)}")


def _legend(drawing: Drawing, lines: Sequence[Curve]) -> None:
    if len(lines) == 1 and not lines[0].label:
        return
    x, y = LEFT, 11.0
    for line in lines:
        wide = 22 + _LETTER * len(line.label) + 12
        group = drawing.add("g", class_=f"curve key {line.colour}")
        dash = {"stroke_dasharray": line.dash} if line.dash else {}
        drawing.add("line", group, x1=x, x2=x + 18, y1=y - 4, y2=y - 4, **dash)
        drawing.text(x + 22, y, line.label, group)
        x += wide


def points(title: str, cost: str, found: Sequence[Point]) -> Markup:
    """Accuracies in [0, 1] against what they cost, each with its name; a cost of 0 is drawn as far left as there is."""
    said = "; ".join(f"{point.label}: {percent(point.y)} at {short(point.x)}" for point in found)
    front = [found[place] for place in undominated([point.x for point in found], [point.y for point in found])]
    best = ", ".join(point.label for point in front)
    drawing = Drawing(
        WIDTH, HEIGHT + 20, f"{title}. {said}. On the front, which nothing beats at its cost: {best}.", "chart"
    )
    costs = [point.x for point in found]
    ends = [end for point in found for end in (point.y, *(point.interval or ()))]
    is_wide = min(costs) > 0 and max(costs) / min(costs) > _SPREAD
    margin = 0.12 * (max(costs) - min(costs)) or 0.5 * max(costs) or 1.0
    spread = [max(0.0, min(costs) - margin), max(costs) + margin]
    span = LEFT, WIDTH - RIGHT
    across = _logarithmic(costs, *span) if is_wide else _linear(spread, *span)
    up = _linear(ends, HEIGHT + 20 - BOTTOM, 12.0)
    _frame(drawing, across, up, short, _round_percent, cost)
    _draw_front(drawing, [(across(point.x), up(point.y)) for point in front])
    for point in found:
        _draw_point(drawing, point, across, up)
    _name_points(drawing, found, across, up)
    return drawing.markup()


def _draw_front(drawing: Drawing, places: Sequence[tuple[float, float]]) -> None:
    """Steps from point to point: what a limit between two costs leaves is the cheaper one."""
    if len(places) < 2:
        return
    corners = [(x, y) for (_, y), (x, _) in pairwise(places)]
    steps = [place for pair in zip(places, corners, strict=False) for place in pair]
    way = " ".join(f"{number(x)},{number(y)}" for x, y in (*steps, places[-1]))
    drawing.add("polyline", class_="front", points=way)


def _draw_point(drawing: Drawing, point: Point, across: _Axis, up: _Axis) -> None:
    x, y = across(point.x), up(point.y)
    group = drawing.add("g", class_=f"point{' chosen' if point.stands_out else ''}")
    if point.interval is not None:
        low, high = map(up, point.interval)
        drawing.add("line", group, x1=x, x2=x, y1=low, y2=high)
    dot = drawing.add("circle", group, cx=x, cy=y, r=5.0 if point.stands_out else 4.0)
    drawing.add("title", dot, f"{point.label}: {percent(point.y)}, {short(point.x)}")


def _name_points(drawing: Drawing, found: Sequence[Point], across: _Axis, up: _Axis) -> None:
    """Names beside the points, on the side with more room, none of them over another."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    for point in sorted(found, key=lambda point: -point.y):
        x, y = across(point.x), up(point.y) + 4
        is_left = x > (LEFT + WIDTH - RIGHT) / 2
        for other in sorted(taken[is_left]):
            y = other + _LINE if abs(y - other) < _LINE else y
        taken[is_left].append(y)
        room = x - LEFT - 12 if is_left else WIDTH - RIGHT - x - 12
        most = max(6, int(room / _LETTER))
        name = point.label if len(point.label) <= most else f"{point.label[: most - 1]}…"
        anchor = "end" if is_left else "start"
        drawing.text(x - 9 if is_left else x + 9, y, name, class_="label", text_anchor=anchor)
