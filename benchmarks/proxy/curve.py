"""Rank correlation over cost, a line a run: ``python -m benchmarks.proxy.curve RANKING.csv OUT.svg``."""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

from matplotlib.figure import Figure

from dadarts.report.canvas import style, svg

_MARKERS = "osD^vP*X<>"


def families(path: Path) -> dict[str, list[list[tuple[float, float]]]]:
    """Supernet and batch -> run -> (seconds, Spearman) after each of its measured epochs."""
    found: dict[str, dict[tuple[str, ...], list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            weights = "" if row["method"] == "random-ws" else f"weights of {row['method']}, "
            family = f"{weights}{Path(row['data']).stem}, {row['channels']} channels, batch {row['batch']}"
            run = tuple(row[name] for name in ("pictures", "lr", "lr_min", "seed", "epochs"))
            found[family][run].append((float(row["seconds"]), float(row["spearman"])))
    return {family: list(runs.values()) for family, runs in found.items()}


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ranking", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    with style():
        figure = Figure(figsize=(9, 5), layout="constrained", facecolor="white")
        axes = figure.subplots()
        for number, (name, runs) in enumerate(families(given.ranking).items()):
            color, marker = f"C{number % 10}", _MARKERS[number % len(_MARKERS)]
            for points in runs:
                label = name if points is runs[0] else None
                axes.plot(*zip(*points, strict=True), color=color, marker=marker, linewidth=0.7, label=label)
        axes.axhline(0.5, color="grey", linestyle=":")
        axes.set_xscale("log")
        axes.set_xlabel("seconds of training, one thread")
        axes.set_ylabel("Spearman with NAS-Bench-201, 200 cells")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
        text = "Rank correlation of hard supernet accuracy with the table's accuracy, over seconds of training."
        given.out.write_bytes(svg(figure, "How well small supernets rank", text))


if __name__ == "__main__":
    main()
