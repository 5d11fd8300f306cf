"""How often 95 % intervals of few seeds cover what they claim to: ``python -m benchmarks.proxy.coverage``.

Samples are drawn from laws of cells' accuracies that are known exactly, from the table of NAS-Bench-201: how often does
the interval of n of them hold the law's mean (of Hodges and Lehmann's, its pseudo-median; of order statistics, its
median)? An interval's price is its width, here the median one. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dadarts.oracle import controls, nas_bench_201
from dadarts.oracle.controls import Law

Array = NDArray[np.float64]
Ends = tuple[Array, Array]
LEVEL = 0.95
COUNTS = (5, 10, 30)
_TAIL = (1 - LEVEL) / 2


def searched(accuracies: Array, draws: int, noise: float) -> Law:
    """What the best of some draws is, judged with normal noise: the law of a search that knows a little."""
    rng = np.random.default_rng(1)
    drawn = rng.choice(accuracies, (40_000, draws))
    best = (drawn + rng.normal(scale=noise, size=drawn.shape)).argmax(axis=1)
    return Law.uniform(drawn[np.arange(len(drawn)), best])


def laws() -> Mapping[str, Law]:
    """The laws that samples are drawn from, the mildest first."""
    table = nas_bench_201()
    everything = table.accuracies("cifar10")
    (collapsed,) = (one.law.mean for one in controls.constants(table, "cifar10") if one.name.startswith("skip"))
    good = everything[everything > 88]
    mixed = Law(np.append(good, collapsed), np.append(np.full(len(good), 0.9 / len(good)), 0.1))
    return {
        "a normal law": Law.uniform(stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)),
        "best of 100 draws, noise of 2 points": searched(everything, 100, 2.0),
        "best of 100 draws, noise of 10 points": searched(everything, 100, 10.0),
        "random draw without none and skip": controls.with_parameters(table, "cifar10"),
        "cells above 88 %, one in ten collapsed": mixed,
        "random draw": controls.random_draw(table, "cifar10"),
    }


def pseudo_median(law: Law) -> float:
    """The median of the mean of two draws."""
    rng = np.random.default_rng(2)
    pairs = rng.choice(law.accuracies, (400_000, 2), p=law.weights)
    return float(np.median(pairs.mean(axis=1)))


def student(x: Array) -> Ends:
    """Mean -+ t s / sqrt(n)."""
    n = x.shape[1]
    half = stats.t.ppf(1 - _TAIL, n - 1) * x.std(axis=1, ddof=1) / np.sqrt(n)
    return x.mean(axis=1) - half, x.mean(axis=1) + half


def bootstraps(x: Array, resamples: int, rng: np.random.Generator) -> Mapping[str, Ends]:
    """Percentile, BCa (Efron 1987) and studentized (Hall 1988), of the same resamples."""
    found: dict[str, list[tuple[float, float]]] = {"percentile": [], "BCa": [], "studentized": []}
    for row in x:
        again = row[rng.integers(len(row), size=(resamples, len(row)))]
        means, mean = again.mean(axis=1), row.mean()
        found["percentile"].append(tuple(np.quantile(means, [_TAIL, 1 - _TAIL])))
        found["BCa"].append(tuple(np.quantile(means, _bca_levels(row, means))))
        spreads, error = again.std(axis=1, ddof=1), row.std(ddof=1) / np.sqrt(len(row))
        usable = spreads > 1e-9
        t = (means[usable] - mean) / (spreads[usable] / np.sqrt(len(row)))
        low, high = np.quantile(t, [_TAIL, 1 - _TAIL]) if usable.any() else (0.0, 0.0)
        found["studentized"].append((mean - high * error, mean - low * error))
    return {name: (np.array(ends)[:, 0], np.array(ends)[:, 1]) for name, ends in found.items()}


def _bca_levels(row: Array, means: Array) -> Array:
    below = np.clip(((means < row.mean()).mean() + (means <= row.mean()).mean()) / 2, 1e-6, 1 - 1e-6)
    left_out = (row.sum() - row) / (len(row) - 1)
    skew = left_out.mean() - left_out
    spread = float((skew**2).sum())
    a = float((skew**3).sum()) / (6 * spread**1.5) if spread else 0.0
    z0, z = stats.norm.ppf(below), stats.norm.ppf([_TAIL, 1 - _TAIL])
    levels: Array = stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))
    return levels


def hodges_lehmann(x: Array) -> Ends:
    """Means of pairs between which Wilcoxon's signed-rank test does not reject; the widest there is for n < 6."""
    n = x.shape[1]
    first, second = np.triu_indices(n)
    walsh = np.sort((x[:, first] + x[:, second]) / 2, axis=1)
    k = int(_least_rank(n))
    return walsh[:, k], walsh[:, walsh.shape[1] - 1 - k]


def _least_rank(n: int) -> int:
    """The largest k with P(W <= k) at most 2.5 %, by the exact law of the signed-rank sum; 0 where there is none."""
    law = np.ones(1)
    for rank in range(1, n + 1):
        law = (np.append(law, np.zeros(rank)) + np.append(np.zeros(rank), law)) / 2
    return max(0, int(np.searchsorted(np.cumsum(law), _TAIL, side="right")) - 1)


def order_statistics(x: Array) -> Ends:
    """The values between which the sign test does not reject a median; the widest there is for n < 6."""
    n = x.shape[1]
    k = max(0, int(np.searchsorted(stats.binom.cdf(np.arange(n), n, 0.5), _TAIL, side="right")) - 1)
    ordered = np.sort(x, axis=1)
    return ordered[:, k], ordered[:, n - 1 - k]


CANDIDATES: Mapping[str, Callable[[Law], float]] = {
    "percentile": lambda law: law.mean,
    "BCa": lambda law: law.mean,
    "studentized": lambda law: law.mean,
    "Student's t": lambda law: law.mean,
    "Hodges-Lehmann": pseudo_median,
    "order statistics": lambda law: law.quantile(0.5),
}
"""Interval -> what it is one of."""


def covered(law: Law, count: int, samples: int, resamples: int) -> Mapping[str, tuple[float, float]]:
    """Interval -> (how often it covers, its median width), over so many samples of a law."""
    rng = np.random.default_rng(count)
    x = rng.choice(law.accuracies, (samples, count), p=law.weights)
    ends = {
        **bootstraps(x, resamples, rng),
        "Student's t": student(x),
        "Hodges-Lehmann": hodges_lehmann(x),
        "order statistics": order_statistics(x),
    }
    found = {}
    for name, claimed in CANDIDATES.items():
        low, high = ends[name]
        target = claimed(law)
        found[name] = (
            float(((low <= target + 1e-9) & (target - 1e-9 <= high)).mean()),
            float(np.median(high - low)),
        )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=999)
    given = parser.parse_args()
    print("| law | n | " + " | ".join(CANDIDATES) + " |")
    print("|---|---|" + "---|" * len(CANDIDATES))
    for name, law in laws().items():
        for count in COUNTS:
            found = covered(law, count, given.samples, given.resamples)
            cells = (f"{100 * share:.1f} ({width:.2f})" for share, width in found.values())
            print(f"| {name} | {count} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
