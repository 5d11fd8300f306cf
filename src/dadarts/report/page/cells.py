"""The picture of a cell as an element of a page: `report.plan`'s geometry in the page's colours."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Set
from math import hypot

import numpy as np
from markupsafe import Markup
from matplotlib.path import Path

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.operations import ALL_OPS, NONE
from dadarts.report import plan as planning
from dadarts.report.canvas import BLUE, GREEN, GREY, ORANGE
from dadarts.report.cell import colour, describe
from dadarts.report.page.drawing import Drawing, number
from dadarts.report.plan import LABEL_PAD, LABEL_SIZE, NAME_SIZE, RADIUS, Plan, Point

POINTS = 72.0
"""In an inch: the unit of the picture."""
HEAD = 5.5
"""Length of an arrow's head, in points."""
_NAMES = {BLUE: "blue", GREEN: "green", ORANGE: "orange", GREY: "grey"}

Edge = tuple[int, str, int]
"""An edge of a cell: node, operation, and the state that it reads."""


def edges(genotype: Genotype, kind: str) -> list[Edge]:
    """The edges of a cell in the order of its picture's arrows."""
    return [(node, *edge) for node, held in enumerate(genotype.cells[kind].nodes) for edge in held]


def cell_picture(genotype: Genotype, kind: str, fresh: Set[Edge] = frozenset()) -> Markup:
    """One cell of a genotype, as `report.draw_cell` draws it.

    Args:
        fresh: edges that stand out.

    Raises:
        InputError: the genotype has no such cell.
    """
    plan = planning.plan(genotype, kind)
    wide, tall = plan.size
    drawing = Drawing(POINTS * wide, POINTS * tall, describe(genotype, kind), "cell")
    new = [edge in fresh for edge in edges(genotype, kind)]
    for link in range(len(plan.made.links)):
        _draw_link(drawing, plan, link, link < len(new) and new[link])
    for slot in range(plan.made.states + 1):
        _draw_state(drawing, plan, slot)
    return drawing.markup()


def _at(plan: Plan, point: Point) -> Point:
    return POINTS * point[0], POINTS * (plan.size[1] - point[1])


def _draw_link(drawing: Drawing, plan: Plan, link: int, is_new: bool) -> None:
    operation = plan.made.links[link].operation
    route = plan.route(link)
    way = [_at(plan, (float(x), float(y))) for x, y in np.asarray(route.vertices)]
    ink = "output" if operation is None else _NAMES[colour(operation)]
    words = ["edge", ink, *(["closed"] if operation == NONE else []), *(["new"] if is_new else [])]
    group = drawing.add("g", class_=" ".join(words))
    tip, before = way[-1], way[-2]
    length = hypot(tip[0] - before[0], tip[1] - before[1]) or 1.0
    dx, dy = (tip[0] - before[0]) / length, (tip[1] - before[1]) / length
    way[-1] = base = tip[0] - HEAD * dx, tip[1] - HEAD * dy
    drawing.add("path", group, d=_curve(way, np.asarray(route.codes).tolist()))
    corners = [tip, *((base[0] - s * HEAD / 2 * dy, base[1] + s * HEAD / 2 * dx) for s in (1, -1))]
    drawing.add("polygon", group, points=" ".join(f"{number(x)},{number(y)}" for x, y in corners))
    slot = plan.made.labels[link]
    if operation is not None and slot is not None:
        _draw_label(drawing, group, _at(plan, plan.at[slot]), ALL_OPS[operation].label)


def _curve(way: list[Point], codes: list[int]) -> str:
    """The way as SVG's path data: matplotlib's codes for the same curves."""
    letters = {int(Path.MOVETO): "M", int(Path.LINETO): "L", int(Path.CURVE4): "C"}
    parts, inside = [], 0
    for (x, y), code in zip(way, codes, strict=True):
        # A curve has three points, and is named once.
        inside = (inside + 1) % 3 if code == Path.CURVE4 else 0
        letter = "" if code == Path.CURVE4 and inside != 1 else letters[code]
        parts.append(f"{letter}{number(x)} {number(y)}")
    return " ".join(parts)


def _draw_label(drawing: Drawing, group: ET.Element, at: Point, label: str) -> None:
    wide = POINTS * planning.text_width(label, LABEL_SIZE) + 2 * LABEL_PAD * LABEL_SIZE
    tall = LABEL_SIZE * (1 + 2 * LABEL_PAD)
    drawing.add("rect", group, x=at[0] - wide / 2, y=at[1] - tall / 2, width=wide, height=tall, rx=3.0)
    drawing.text(at[0], at[1] + 0.36 * LABEL_SIZE, label, group)


def _draw_state(drawing: Drawing, plan: Plan, slot: int) -> None:
    x, y = _at(plan, plan.at[slot])
    empty = not plan.is_box(slot) and not plan.made.before[slot]
    place = "input" if slot < plan.inputs else "output" if plan.is_box(slot) else "node"
    group = drawing.add("g", class_=f"state {place}{' empty' if empty else ''}")
    if plan.is_box(slot):
        half, tall = POINTS * plan.half_width(slot), POINTS * 0.95 * plan.made.height[slot]
        drawing.add("rect", group, x=x - half, y=y - tall / 2, width=2 * half, height=tall, rx=5.0)
    else:
        drawing.add("circle", group, cx=x, cy=y, r=POINTS * RADIUS)
    name = plan.names[slot]
    base, _, below = name.partition("_")
    text = drawing.text(x, y + 0.36 * NAME_SIZE, base, group)
    if below:
        drawing.add("tspan", text, below.strip("{}"), dy=2.5, class_="below")
