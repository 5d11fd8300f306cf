"""The picture of one cell of a genotype."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.operations import ALL_OPS, NONE
from dadarts.report import plan as planning
from dadarts.report.canvas import BLUE, GREEN, GREY, INK, ORANGE, checked, save, style, wrapped
from dadarts.report.plan import LABEL_PAD, LABEL_SIZE, MARGIN, NAME_SIZE, RADIUS, Plan

TITLE_SIZE, TITLE_LINE = 11.0, 0.22
INPUT_FILL, NODE_FILL, OUTPUT_FILL = "#DDE9F3", "#F4F4F4", "#F6E7D8"
FAINT = 0.55


def draw_cell(genotype: Genotype, kind: str, path: Path, title: str = "") -> None:
    """Draw one cell of a genotype: inputs left, output right, an arrow an operation.

    Nodes carry the number of the state that they make, as the genotype's text does (with two inputs, node 2 is the
    first). States outside the concat have no arrow to the output; a node without edges is dashed.

    Args:
        genotype: the architecture.
        kind: which of its cells, such as ``normal``.
        path: a name ending in .svg or .png; an existing file is replaced.
        title: a line above the picture; empty for none.

    Raises:
        InputError: the genotype has no such cell, or the suffix is neither .svg nor .png.
        RunError: the file cannot be written; nothing is left behind.
    """
    checked(path)
    with style():
        figure = cell_figure(genotype, kind, title)
        save(figure, path, title or f"{kind} cell", describe(genotype, kind))


def describe(genotype: Genotype, kind: str) -> str:
    """A cell in words, for those who cannot see the picture.

    >>> describe(Genotype.parse("|skip_connect~0|"), "normal")
    'The normal cell. input to 1 by skip. output from 1.'
    """
    cell, names = planning.cell_of(genotype, kind), planning.state_names(genotype, kind)
    first = len(names) - 1 - len(cell.nodes)
    edges = [
        f"{names[state]} to {names[first + number]} by {ALL_OPS[op].label}"
        for number, node in enumerate(cell.nodes)
        for op, state in node
    ]
    kept = ", ".join(names[state] for state in cell.concat)
    return f"The {kind} cell. {'; '.join(edges)}. {names[-1]} from {kept}."


def colour(operation: str | None) -> str:
    """One colour a family: convolutions, pools, skip, and what carries no signal."""
    if operation is None or operation in (NONE, "noise"):
        return GREY
    if operation == "skip_connect":
        return GREEN
    return ORANGE if "pool" in operation else BLUE


def cell_figure(genotype: Genotype, kind: str, title: str = "") -> Figure:
    """The figure of `draw_cell`; to be made and saved inside `canvas.style()`.

    Raises:
        InputError: the genotype has no such cell.
    """
    plan = planning.plan(genotype, kind)
    wide, tall = plan.size
    lines = wrapped(title, wide - 2 * MARGIN, TITLE_SIZE)
    total = tall + (TITLE_LINE * len(lines) + 0.06 if lines else 0)
    figure = Figure(figsize=(wide, total), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, wide), ylim=(0, total))
    axes.set_axis_off()
    for number in range(len(plan.made.links)):
        _draw_link(axes, plan, number, kind)
    for slot in range(plan.made.states + 1):
        _draw_state(axes, plan, slot, kind)
    for number, line in enumerate(lines):
        y = total - 0.12 - TITLE_LINE * number
        axes.text(wide / 2, y, line, ha="center", va="top", size=TITLE_SIZE, weight="bold", parse_math=False)
    return figure


def _draw_link(axes: Axes, plan: Plan, number: int, kind: str) -> None:
    operation = plan.made.links[number].operation
    shade, closed = colour(operation), operation == NONE
    arrow = FancyArrowPatch(
        path=plan.route(number),
        arrowstyle="-|>,head_length=4,head_width=2.2",
        mutation_scale=1,
        color=shade,
        linewidth=1.0 if operation is None or closed else 1.5,
        # A dashed line with a solid head: the dashes would eat the head's outline.
        linestyle=(0, (3, 2.5)) if closed else "-",
        alpha=FAINT if closed else 1.0,
        capstyle="butt",
        joinstyle="miter",
        clip_on=False,
        zorder=1 if operation is None or closed else 2,
        gid=f"{kind}-edge-{number}" if operation is not None else f"{kind}-output-{number}",
    )
    # add_artist: add_patch would measure every curve for limits that are set already.
    axes.add_artist(arrow)
    slot = plan.made.labels[number]
    if operation is not None and slot is not None:
        box = {"boxstyle": f"round,pad={LABEL_PAD},rounding_size=0.3", "facecolor": "white", "edgecolor": shade}
        axes.text(
            *plan.at[slot],
            ALL_OPS[operation].label,
            size=LABEL_SIZE,
            color=shade,
            ha="center",
            va="center_baseline",
            bbox={**box, "linewidth": 0.8, "linestyle": "--" if closed else "-"},
            zorder=4,
            gid=f"{kind}-label-{number}",
        )


def _draw_state(axes: Axes, plan: Plan, slot: int, kind: str) -> None:
    x, y = plan.at[slot]
    empty = not plan.is_box(slot) and not plan.made.before[slot]
    shade = GREY if empty else INK
    if plan.is_box(slot):
        half, tall = plan.half_width(slot), 0.95 * plan.made.height[slot]
        fill = INPUT_FILL if slot < plan.inputs else OUTPUT_FILL
        patch: FancyBboxPatch | Circle = FancyBboxPatch(
            (x - half, y - tall / 2), 2 * half, tall, boxstyle="round,pad=0,rounding_size=0.07", facecolor=fill
        )
    else:
        patch = Circle((x, y), RADIUS, facecolor="white" if empty else NODE_FILL)
    patch.set(edgecolor=shade, linewidth=1.2, zorder=3, clip_on=False, gid=f"{kind}-state-{slot}")
    patch.set_linestyle("--" if empty else "-")
    axes.add_artist(patch)
    name = planning.mathtext(plan.names[slot])
    axes.text(x, y, name, size=NAME_SIZE, color=shade, ha="center", va="center_baseline", zorder=4)
