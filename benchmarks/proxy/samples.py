"""Methods that were run on different seeds, tested as one family of independent samples.

``python -m benchmarks.proxy.samples LOOKAHEAD.csv:dadarts-lookahead LATER.csv:fixed-alpha LATER.csv:dadarts-plus``
prints a Markdown table of the first against each of the others: Welch's interval of the difference of means, the
two-sided permutation test of it, Holm's correction over these pairs alone. Files are results.csv of `dadarts compare`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.proxy.planned import markdown, scores_of
from dadarts.compare.pairs import ALPHA, UNDECIDED, holm, probability_of_improvement, rank_sum
from dadarts.compare.statistics import RESAMPLES

COLUMNS = (
    *("first", "second", "seeds", "difference of means", "95% interval"),
    *("P(improvement)", "p", "p (Holm)", "rank sum p", "verdict"),
)


def permutation(first: Sequence[float], second: Sequence[float]) -> float:
    """p of the two-sided permutation test of the difference of means: 9,999 random ways to deal out all values."""
    found = stats.permutation_test(
        (first, second),
        lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        permutation_type="independent",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(min(1.0, found.pvalue))


def table(samples: Sequence[tuple[str, Sequence[float]]]) -> str:
    """A row for the first sample against each of the others; each sample is a method's name and its scores."""
    (name, values), *others = samples
    ps = [permutation(values, other) for _, other in others]
    rows = []
    for (rival, other), p, p_holm in zip(others, ps, holm(ps), strict=True):
        difference = float(np.mean(values) - np.mean(other))
        interval = stats.ttest_ind(values, other, equal_var=False).confidence_interval()
        verdict = UNDECIDED if p_holm > ALPHA else "better" if difference > 0 else "worse"
        rows.append(
            [
                name,
                rival,
                f"{len(values)}, {len(other)}",
                f"{difference:+.2f}",
                f"[{interval.low:+.2f}, {interval.high:+.2f}]",
                f"{probability_of_improvement(values, other):.2f}",
                f"{p:.3f}",
                f"{p_holm:.3f}",
                f"{rank_sum(values, other):.3f}",
                verdict,
            ]
        )
    return markdown(COLUMNS, rows)


def sample(given: str, column: str) -> tuple[str, list[float]]:
    """A method and its scores, of FILE:METHOD.

    Raises:
        SystemExit: the file holds no scores of the method.
    """
    file, _, method = given.partition(":")
    scores = scores_of(Path(file), column)
    if method not in scores:
        raise SystemExit(f"{file} has no scores of {method!r}; it has {', '.join(sorted(scores))}")
    return method, [*scores[method].values()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", metavar="FILE:METHOD")
    parser.add_argument("others", nargs="+", metavar="FILE:METHOD")
    parser.add_argument("--column", default="truth_cifar10_accuracy")
    given = parser.parse_args()
    print(table([sample(one, given.column) for one in (given.first, *given.others)]))


if __name__ == "__main__":
    main()
