"""The figures of a comparison, each as one `<svg>` element to stand in a page."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dadarts.compare.analysis import SECONDS, Block, Measure
from dadarts.compare.statistics import pareto_front
from dadarts.report.canvas import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, style, svg
from dadarts.report.page.embedding import embedded

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, INK, "#8A6D00", "#3F8FC4", "#B0306A")
_DASHES = ("-", "--", ":", "-.")
_MARKERS = "osD^vP"


def _pen(number: int) -> tuple[str, str, str]:
    rounds = number // len(_COLOURS)
    return _COLOURS[number % len(_COLOURS)], _DASHES[rounds % len(_DASHES)], _MARKERS[number % len(_MARKERS)]


def _drawn(size: tuple[float, float], title: str, description: str, draw: Callable[[Axes], None]) -> str:
    with style():
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        axes = figure.subplots()
        axes.spines["right"].set_visible(False)
        axes.set_title(title, size=10, weight="bold", loc="left", parse_math=False)
        draw(axes)
        return embedded(svg(figure, title, description))


def _legend(axes: Axes) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)


def regret_curves(block: Block) -> str:
    """Mean regret after every epoch, with its 95 % interval; empty where there is no ground truth."""
    courses = {method: block.regret_course(method) for method in block.methods}
    courses = {method: course for method, course in courses.items() if course}
    if not courses:
        return ""

    def draw(axes: Axes) -> None:
        for number, (method, course) in enumerate(courses.items()):
            colour, dash, marker = _pen(number)
            # What is only decided after training has no course: its one genotype is there after the last epoch.
            first = 1 if len(course) > 1 else block.of(method)[0].job.search.epochs
            epochs = range(first, first + len(course))
            axes.plot(
                epochs,
                [mean for mean, _ in course],
                dash,
                color=colour,
                label=method,
                linewidth=1.5,
                marker=marker if len(course) <= 30 else None,
                markersize=3,
            )
            lows = [mean if interval is None else interval.low for mean, interval in course]
            highs = [mean if interval is None else interval.high for mean, interval in course]
            axes.fill_between(epochs, lows, highs, color=colour, alpha=0.15, linewidth=0)
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"regret on {block.judged_on} (points)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=0)
        _legend(axes)

    ends = "; ".join(f"{method}: {course[-1][0]:.2f}" for method, course in courses.items())
    return _drawn((7, 3), f"Regret over epochs, {block.title}", f"Mean regret at the last epoch: {ends}.", draw)


def cost_quality(block: Block, measure: Measure) -> str:
    """Seconds of search against the score: seeds, means, and their Pareto front."""
    points = {}
    for method in block.methods:
        cost, quality = block.summary(method, SECONDS), block.summary(method, measure)
        if cost is not None and quality is not None:
            points[method] = cost.mean, quality.mean
    if not points:
        return ""
    best = pareto_front(points)

    def draw(axes: Axes) -> None:
        for number, (method, point) in enumerate(points.items()):
            colour, _, marker = _pen(number)
            costs, qualities = block.values(method, SECONDS), block.values(method, measure)
            both = [(costs[seed], qualities[seed]) for seed in costs if seed in qualities]
            axes.plot(*zip(*both, strict=True), marker, color=colour, markersize=3, alpha=0.4, linestyle="none")
            axes.plot(*point, marker, color=colour, markersize=8, label=method, linestyle="none")
        axes.plot(*zip(*(points[name] for name in best), strict=True), color=GREY, linewidth=1, zorder=0)
        if all(cost > 0 for cost, _ in points.values()):
            axes.set_xscale("log")
        axes.set_xlabel("search (s), mean large")
        axes.set_ylabel(measure.label)
        _legend(axes)

    words = f"On the Pareto front, by rising cost: {', '.join(best)}."
    return _drawn((7, 3.4), f"Cost and quality, {block.title}", words, draw)


def operation_heat_map(block: Block) -> str:
    """Which part of the edges each method gives to each operation, over all its seeds."""
    shares = {method: block.choices(method) for method in block.methods}
    shares = {method: share for method, share in shares.items() if share}
    if not shares:
        return ""
    columns = block.operations

    def draw(axes: Axes) -> None:
        grid = [[share[name] for name in columns] for share in shares.values()]
        axes.pcolormesh(grid, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
        for y, row in enumerate(grid):
            for x, value in enumerate(row):
                colour = "white" if value > 0.55 else INK
                axes.text(x + 0.5, y + 0.5, f"{value:.0%}", ha="center", va="center", color=colour, fontsize=8)
        axes.set_xticks([x + 0.5 for x in range(len(columns))], columns, rotation=30, ha="right")
        axes.set_yticks([y + 0.5 for y in range(len(shares))], list(shares))
        axes.tick_params(length=0)
        axes.invert_yaxis()

    favourites = "; ".join(f"{method}: {max(share, key=lambda name: share[name])}" for method, share in shares.items())
    size = (max(5.0, 1.8 + 0.75 * len(columns)), 1.3 + 0.3 * len(shares))
    return _drawn(size, f"Operations chosen, {block.title}", f"Most often {favourites}.", draw)
