"""Statistics of few and expensive measurements: one number a seed, method beside method."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values: TypeAlias = Sequence[float] | NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 9_999
_SEED = 0
"""Every resampling starts from the same seed: the same results give the same report."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a mean; `kind` says by which bootstrap."""

    low: float
    high: float
    kind: str = "BCa"


@dataclass(frozen=True)
class Summary:
    """One measure of one method over its seeds.

    Args:
        count: how many values there are.
        worst: the smallest value, or the largest where less is better.
        interval: 95 % bootstrap interval of the mean; None for fewer than 2 values.
    """

    count: int
    mean: float
    median: float
    worst: float
    interval: Interval | None


@dataclass(frozen=True)
class Pair:
    """Two methods on the same seeds.

    Args:
        seeds: how many seeds both have.
        difference: mean of first - second.
        wins: seeds on which the first is better; `ties` on which they are equal.
        p: two-sided paired permutation test of the mean difference.
        p_holm: `p` after Holm's correction over all pairs that are tested together.
        improvement: P(first is better) over all pairs of runs, equals counted half (arXiv 2108.13264, appendix A.3).
    """

    first: str
    second: str
    seeds: int
    difference: float
    wins: int
    ties: int
    p: float
    p_holm: float
    improvement: float


def bootstrap_interval(values: Values) -> Interval | None:
    """95 % interval of the mean: bias-corrected and accelerated (Efron 1987), 9,999 resamples.

    Values that are all equal give the interval of that one point. Where acceleration is not defined the percentile
    interval is given, and says so. None for fewer than two values: they carry no information about spread.
    """
    array = np.asarray(values, float)
    if len(array) < 2:
        return None
    if np.ptp(array) == 0:
        return Interval(float(array[0]), float(array[0]))
    for kind in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            found = stats.bootstrap(
                (array,),
                np.mean,
                confidence_level=LEVEL,
                n_resamples=RESAMPLES,
                method=kind,
                rng=np.random.default_rng(_SEED),
            ).confidence_interval
        if isfinite(found.low) and isfinite(found.high):
            return Interval(float(found.low), float(found.high), kind)
    return None


def summarise(values: Values, more_is_better: bool = True) -> Summary:
    """Mean, median, worst and interval of at least one value."""
    array = np.asarray(values, float)
    worst = array.min() if more_is_better else array.max()
    return Summary(len(array), float(array.mean()), float(np.median(array)), float(worst), bootstrap_interval(array))


def paired_permutation(first: Values, second: Values) -> float:
    """p of the two-sided paired permutation test of the mean difference; exact up to 13 pairs.

    Under the null hypothesis the two of a pair could be exchanged, so the signs of the differences are flipped: in all
    ways where those are at most 9,999, else in 9,999 random ones. n pairs cannot give a p below 2 / 2^n.
    """
    differences = np.asarray(first, float) - np.asarray(second, float)
    # One pair's two flips are equally extreme, and SciPy refuses a sample of one.
    if not differences.any() or len(differences) == 1:
        return 1.0
    found = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        alternative="two-sided",
        rng=np.random.default_rng(_SEED),
    )
    return float(min(1.0, found.pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979): the family-wise error stays below alpha where p <= alpha is rejected.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def probability_of_improvement(first: Values, second: Values) -> float:
    """P(X > Y) + P(X = Y) / 2 over all pairs of runs: Mann and Whitney's U by its largest value."""
    u = stats.mannwhitneyu(first, second, alternative="two-sided", method="asymptotic").statistic
    return float(u) / (len(first) * len(second))


def compare_pairs(scores: Mapping[str, Mapping[int, float]], more_is_better: bool = True) -> list[Pair]:
    """Every two methods on the seeds that both have, corrected together.

    Args:
        scores: method -> seed -> value.
        more_is_better: whether wins and improvement count larger values.
    """
    sign = 1.0 if more_is_better else -1.0
    methods = list(scores)
    pairs = []
    for place, first in enumerate(methods):
        for second in methods[place + 1 :]:
            seeds = sorted(set(scores[first]) & set(scores[second]))
            if not seeds:
                continue
            a, b = (np.array([scores[name][seed] for seed in seeds]) for name in (first, second))
            difference = float((a - b).mean())
            wins, ties = int((sign * (a - b) > 0).sum()), int((a == b).sum())
            improvement = probability_of_improvement(sign * a, sign * b)
            p = paired_permutation(a, b)
            pairs.append(Pair(first, second, len(seeds), difference, wins, ties, p, p, improvement))
    corrected = holm([pair.p for pair in pairs])
    return [replace(pair, p_holm=p) for pair, p in zip(pairs, corrected, strict=True)]


def mean_course(courses: Sequence[Values]) -> list[tuple[float, Interval | None]]:
    """Mean and interval at every epoch; a course that has ended stays at its last value."""
    longest = max(len(course) for course in courses)
    filled = np.array([[*course, *[course[-1]] * (longest - len(course))] for course in courses], float)
    return [(float(column.mean()), bootstrap_interval(column)) for column in filled.T]


def pareto_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The names on the Pareto front of (cost, quality), less cost and more quality being better; by rising cost."""
    return sorted(
        (
            name
            for name, (cost, quality) in points.items()
            if not any(
                other_cost <= cost and other_quality >= quality and (other_cost, other_quality) != (cost, quality)
                for other_cost, other_quality in points.values()
            )
        ),
        key=lambda name: points[name],
    )
