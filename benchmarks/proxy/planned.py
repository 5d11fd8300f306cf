"""The pairs that were written down before a comparison ran, tested as one family.

``python -m benchmarks.proxy.planned RESULTS.csv dadarts-plus/darts dadarts-plus/random ...`` prints a Markdown table of
paired permutation tests by seed with Holm's correction over these pairs alone.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from dadarts.compare.statistics import bootstrap_interval, holm, paired_permutation, probability_of_improvement


def scores_of(path: Path, column: str) -> dict[str, dict[int, float]]:
    """Method -> seed -> score in percent, of all jobs that are done."""
    scores: dict[str, dict[int, float]] = defaultdict(dict)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["state"] == "done" and row[column]:
                scores[row["method"]][int(row["seed"])] = float(row[column])
    return scores


def table(scores: dict[str, dict[int, float]], pairs: list[tuple[str, str]]) -> str:
    """A row a pair.

    Raises:
        SystemExit: a method is not among the scores.
    """
    tests = []
    for first, second in pairs:
        for name in (first, second):
            if name not in scores:
                raise SystemExit(f"no scores of {name}; there are {', '.join(sorted(scores))}")
        seeds = sorted(scores[first].keys() & scores[second].keys())
        a, b = ([scores[name][seed] for seed in seeds] for name in (first, second))
        tests.append((first, second, np.subtract(a, b), probability_of_improvement(a, b), paired_permutation(a, b)))
    lines = [
        "| first | second | seeds | mean difference | 95% interval | P(improvement) | p | p (Holm) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (first, second, difference, chance, p), adjusted in zip(tests, holm([test[-1] for test in tests]), strict=True):
        interval = bootstrap_interval(difference.tolist())
        between = "-" if interval is None else f"[{interval.low:+.2f}, {interval.high:+.2f}]"
        cells = [first, second, len(difference), f"{difference.mean():+.2f}", between, f"{chance:.2f}", f"{p:.3f}"]
        lines.append("| " + " | ".join([*map(str, cells), f"{adjusted:.3f}"]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("pairs", nargs="+", metavar="FIRST/SECOND")
    parser.add_argument("--column", default="truth_cifar10_accuracy")
    given = parser.parse_args()
    pairs = [(first, second) for first, _, second in (pair.partition("/") for pair in given.pairs)]
    print(table(scores_of(given.results, given.column), pairs))


if __name__ == "__main__":
    main()
