"""Rank correlation over cost: ``python -m benchmarks.proxy.curve RANKING.csv OUT.svg``."""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

from matplotlib.figure import Figure

from dadarts.report.canvas import style, svg

_MARKERS = "osD^vP*X<>"


def curves(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Supernet -> (seconds, Spearman) after each of its measured epochs."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pictures, rate = f"{int(row['pictures']):,}", f"{row['lr']} to {row['lr_min']}"
            size = (
                f"{row['channels']} channels, 2 x {pictures}, batch {row['batch']}, lr {rate}, {row['epochs']} epochs"
            )
            weights = "" if row["method"] == "random-ws" else f"weights of {row['method']}, "
            name = f"{weights}{size}, seed {row['seed']}"
            found[name].append((float(row["seconds"]), float(row["spearman"])))
    return found


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ranking", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    with style():
        figure = Figure(figsize=(11, 5), layout="constrained", facecolor="white")
        axes = figure.subplots()
        for number, (name, points) in enumerate(curves(given.ranking).items()):
            axes.plot(*zip(*points, strict=True), marker=_MARKERS[number % len(_MARKERS)], linewidth=1, label=name)
        axes.axhline(0.5, color="grey", linestyle=":")
        axes.set_xscale("log")
        axes.set_xlabel("seconds of training, one thread")
        axes.set_ylabel("Spearman with NAS-Bench-201, 200 cells")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=7)
        text = "Rank correlation of hard supernet accuracy with the table's accuracy, over seconds of training."
        given.out.write_bytes(svg(figure, "How well small supernets rank", text))


if __name__ == "__main__":
    main()
