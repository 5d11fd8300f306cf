"""The pairs that were written down before a comparison ran, tested as one family; and what the test can show.

``python -m benchmarks.proxy.planned RESULTS.csv dadarts-plus/darts dadarts-plus/random ... [--margin 0.2]`` prints a
Markdown table of paired tests by seed with Holm's correction over these pairs alone.

``python -m benchmarks.proxy.planned --effect 0.5 --sd 0.8 --seeds 10 [--family 4]`` prints, before anything is run, how
probably the test shows a true mean difference where differences by seed have that standard deviation.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from dadarts.compare.pairs import compare_pairs, power
from dadarts.compare.scored import pair_table


def scores_of(path: Path, column: str) -> dict[str, dict[int, float]]:
    """Method -> seed -> score in percent, of all jobs that are done."""
    scores: dict[str, dict[int, float]] = defaultdict(dict)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["state"] == "done" and row[column]:
                scores[row["method"]][int(row["seed"])] = float(row[column])
    return scores


def table(scores: dict[str, dict[int, float]], family: list[tuple[str, str]], margin: float | None = None) -> str:
    """A row a pair.

    Raises:
        SystemExit: a method is not among the scores.
    """
    for name in (name for pair in family for name in pair):
        if name not in scores:
            raise SystemExit(f"no scores of {name}; there are {', '.join(sorted(scores))}")
    head, *rows = pair_table(compare_pairs(scores, margin=margin, family=family, bounds=(0, 100)), 2)
    return markdown(head, rows)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells in which no | stands."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Print the table, or the power."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?")
    parser.add_argument("pairs", nargs="*", metavar="FIRST/SECOND")
    parser.add_argument("--column", default="truth_cifar10_accuracy")
    parser.add_argument("--margin", type=float, help="differences within it are none to speak of")
    parser.add_argument("--effect", type=float, help="a true mean difference")
    parser.add_argument("--sd", type=float, help="standard deviation of differences by seed")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--family", type=int, default=1, help="how many pairs are tested together")
    given = parser.parse_args()
    if given.effect is not None and given.sd is not None and given.seeds is not None:
        found = power(given.effect, given.sd, given.seeds, given.family)
        planned = f"{given.effect:+g} points, sd {given.sd:g}, {given.seeds} seeds, {given.family} pairs"
        print(f"power {found:.2f} for {planned}")
        return
    if given.results is None or not given.pairs:
        parser.error("give RESULTS.csv and pairs, or --effect, --sd and --seeds")
    family = [(first, second) for first, _, second in (pair.partition("/") for pair in given.pairs)]
    print(table(scores_of(given.results, given.column), family, given.margin))


if __name__ == "__main__":
    main()
