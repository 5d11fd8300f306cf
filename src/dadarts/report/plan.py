"""The geometry of a drawn cell: points and curves in inches, before anything is painted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import cos, pi, sin

from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from dadarts.architecture.genotype import CellGenotype, Genotype
from dadarts.architecture.operations import ALL_OPS
from dadarts.errors import unknown
from dadarts.report.layout import Columns, Sizes, column_centres, columns, heights, ordered

SIZES = Sizes()
CORRIDOR, MARGIN = 0.46, 0.16
LABEL_SIZE, NAME_SIZE = 9.0, 10.0
LABEL_PAD = 0.25
"""Air between a label and its box, in font sizes."""
RADIUS = 0.17
FAN = 0.25 * pi
"""How far from the horizontal the outermost arrow meets a node."""

Point = tuple[float, float]


def cell_of(genotype: Genotype, kind: str) -> CellGenotype:
    """The cell of that kind.

    Raises:
        InputError: the genotype has no such cell.
    """
    if kind not in genotype.cells:
        raise unknown("kind of cell", kind, genotype.cells)
    return genotype.cells[kind]


def state_names(genotype: Genotype, kind: str) -> list[str]:
    """Inputs, nodes and output as the picture names them."""
    first = ["c_{k-2}", "c_{k-1}"] if genotype.syntax == "darts" else ["input"]
    nodes = [str(len(first) + number) for number in range(len(cell_of(genotype, kind).nodes))]
    return [*first, *nodes, "c_{k}" if genotype.syntax == "darts" else "output"]


@cache
def text_width(text: str, size: float) -> float:
    """Inches that `text` takes at `size` points."""
    shape = TextPath((0, 0), text, size=size, prop=FontProperties(family="DejaVu Sans"))
    return float(shape.get_extents().width) / 72


@dataclass(frozen=True)
class Plan:
    """A laid-out cell.

    Args:
        made: its slots.
        names: state -> what is written in it.
        inputs: how many of the states are inputs.
        at: slot -> centre, from the lower left corner of the picture.
        reach: column -> half its width.
        size: width and height of the picture.
    """

    made: Columns
    names: list[str]
    inputs: int
    at: dict[int, Point]
    reach: list[float]
    size: Point

    def is_box(self, slot: int) -> bool:
        """Whether a state is drawn as a box (inputs, output) rather than as a circle."""
        return slot < self.inputs or slot == self.made.states

    def half_width(self, slot: int) -> float:
        return self.reach[self.made.layer[slot]]

    def route(self, link: int) -> Path:
        """The curve of a link: horizontal across columns, an S in every corridor."""
        chain = self.made.chains[link]
        (point, (dx, dy)), (end, (ex, ey)) = self._anchor(chain, 1), self._anchor(chain, -1)
        points, codes = [point], [Path.MOVETO]
        for left, slot in pairwise(chain):
            last = slot == chain[-1]
            x, y = self.at[slot]
            target = end if last else (x - self.half_width(slot), y)
            pull = 0.5 * (target[0] - point[0])
            # Directions point away from the state, so the curve arrives against (ex, ey).
            out = (point[0] + pull * dx, point[1] + pull * dy) if left == chain[0] else (point[0] + pull, point[1])
            back = (target[0] + pull * ex, target[1] + pull * ey) if last else (target[0] - pull, target[1])
            points += [out, back, target]
            codes += [Path.CURVE4] * 3
            if not last:
                point = (x + self.half_width(slot), y)
                points.append(point)
                codes.append(Path.LINETO)
        return Path(points, codes)

    def _anchor(self, chain: list[int], side: int) -> tuple[Point, Point]:
        """Where a chain leaves its source (side 1) or meets its target (-1), and the direction out of that state."""
        slot, other = (chain[0], chain[1]) if side > 0 else (chain[-1], chain[-2])
        near = self.made.after[slot] if side > 0 else self.made.before[slot]
        near = sorted(near, key=lambda beside: self.at[beside][1])
        x, y = self.at[slot]
        share = 2 * (near.index(other) + 0.5) / len(near) - 1
        if self.is_box(slot):
            return (x + side * self.half_width(slot), y + 0.36 * share * self.made.height[slot]), (side, 0.0)
        direction = (side * cos(FAN * share), sin(FAN * share))
        return (x + RADIUS * direction[0], y + RADIUS * direction[1]), direction


def plan(genotype: Genotype, kind: str) -> Plan:
    """Lay out one cell of a genotype.

    Raises:
        InputError: the genotype has no such cell.
    """
    names, cell = state_names(genotype, kind), cell_of(genotype, kind)
    inputs = len(names) - 1 - len(cell.nodes)
    made = columns(cell, inputs, SIZES)
    order = ordered(made)
    down = heights(made, order, SIZES)
    widths = _widths(made, names, inputs)
    x = column_centres(made, widths, CORRIDOR)
    tall = max(down[slot] + made.height[slot] / 2 for slot in down) + 2 * MARGIN
    return Plan(
        made,
        names,
        inputs,
        {slot: (MARGIN + x[made.layer[slot]], tall - MARGIN - down[slot]) for slot in down},
        [width / 2 for width in widths],
        (x[-1] + widths[-1] / 2 + 2 * MARGIN, tall),
    )


def _widths(made: Columns, names: list[str], inputs: int) -> list[float]:
    """column -> width: of the widest label, of a node, or of the names in inputs and output."""
    widths = [0.0 if layer % 2 else 2 * RADIUS for layer in range(made.count)]
    for link, slot in zip(made.links, made.labels, strict=True):
        if link.operation is not None and slot is not None:
            box = text_width(ALL_OPS[link.operation].label, LABEL_SIZE) + 2 * LABEL_PAD * LABEL_SIZE / 72
            widths[made.layer[slot]] = max(widths[made.layer[slot]], box)
    for slot in (*range(inputs), made.states):
        box = text_width(mathtext(names[slot]), NAME_SIZE) + 0.22
        widths[made.layer[slot]] = max(widths[made.layer[slot]], box)
    return widths


def mathtext(name: str) -> str:
    """``c_{k-1}`` is set with a subscript; words and numbers are not touched."""
    return f"${name}$" if "_" in name else name
