"""Method beside method: tests of few pairs, corrected as a family, and what they are able to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dadarts.compare.statistics import LEVEL, RESAMPLES, Interval, Values, mean_interval

ALPHA = 1 - LEVEL
"""At which family-wise error a difference, or that there is none to speak of, is taken for shown."""
UNDECIDED = "undecided"
_MOST_EXACT = 13
"""Up to so many pairs all flips of signs are tried."""
_SEED = 0
_SIMULATED = 1000


@dataclass(frozen=True)
class Pair:
    """Two methods on the same seeds.

    Args:
        seeds: how many seeds both have.
        difference: mean of first - second; `low` and `high` end its 95 % interval, None for fewer than two seeds.
        median_difference: median of the same.
        wins: seeds on which the first is better; `ties` on which they are equal.
        improvement: P(first is better) over all pairs of runs, equals counted half (arXiv 2108.13264, appendix A.3).
        p: two-sided paired permutation test of the mean difference.
        p_holm: `p` after Holm's correction over all pairs that are tested together.
        p_signed_rank: Wilcoxon's signed-rank test of the differences.
        p_rank_sum: Mann and Whitney's test, which pairs no seeds.
        p_equal: two one-sided tests that the difference lies within the margin, after Holm's correction; None without a
            margin.
        verdict: better, worse, ``equal within MARGIN`` or undecided.
    """

    first: str
    second: str
    seeds: int
    difference: float
    low: float | None
    high: float | None
    median_difference: float
    wins: int
    ties: int
    improvement: float
    p: float
    p_holm: float
    p_signed_rank: float
    p_rank_sum: float
    p_equal: float | None = None
    verdict: str = UNDECIDED


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


def signed_rank(first: Values, second: Values) -> float:
    """p of Wilcoxon's signed-rank test, equal pairs left out; exact up to 50 pairs without ties, else normal."""
    differences = np.asarray(first, float) - np.asarray(second, float)
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)


def rank_sum(first: Values, second: Values) -> float:
    """p of Mann and Whitney's test; exact where no two of all values are equal, else normal with ties corrected."""
    both = np.concatenate([np.asarray(first, float), np.asarray(second, float)])
    if np.ptp(both) == 0:
        return 1.0
    how = "exact" if len(np.unique(both)) == len(both) else "asymptotic"
    return float(stats.mannwhitneyu(first, second, alternative="two-sided", method=how).pvalue)


def equivalence(first: Values, second: Values, margin: float) -> float:
    """p of two one-sided paired t-tests that the mean difference lies within -margin and margin (Schuirmann 1987)."""
    differences = np.asarray(first, float) - np.asarray(second, float)
    if len(differences) < 2:
        return 1.0
    if np.ptp(differences) == 0:
        return 0.0 if abs(differences[0]) < margin else 1.0
    sides = ((-margin, "greater"), (margin, "less"))
    return max(float(stats.ttest_1samp(differences, bound, alternative=side).pvalue) for bound, side in sides)


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


def compare_pairs(
    scores: Mapping[str, Mapping[int, float]],
    more_is_better: bool = True,
    margin: float | None = None,
    family: Sequence[tuple[str, str]] | None = None,
    bounds: tuple[float, float] = (-inf, inf),
) -> list[Pair]:
    """Pairs of methods on the seeds that both have, corrected together.

    Args:
        scores: method -> seed -> value.
        more_is_better: whether wins and improvement count larger values.
        margin: differences within it are none to speak of.
        family: the pairs that were planned; every two methods where there is none.
        bounds: what a value can be at all, and so what a difference can.
    """
    sign = 1.0 if more_is_better else -1.0
    named = [*combinations(scores, 2)] if family is None else family
    pairs, equal = [], []
    for first, second in named:
        seeds = sorted(set(scores[first]) & set(scores[second]))
        if seeds:
            a, b = (np.array([scores[name][seed] for seed in seeds]) for name in (first, second))
            interval = mean_interval(a - b, (bounds[0] - bounds[1], bounds[1] - bounds[0]))
            pairs.append(_pair((first, second), a, b, sign, interval))
            equal.append(1.0 if margin is None else equivalence(a, b, margin))
    corrected, shown = holm([pair.p for pair in pairs]), holm(equal)
    return [
        _judged(replace(pair, p_holm=p, p_equal=None if margin is None else same), sign, margin)
        for pair, p, same in zip(pairs, corrected, shown, strict=True)
    ]


def _pair(
    names: tuple[str, str], a: NDArray[np.float64], b: NDArray[np.float64], sign: float, interval: Interval | None
) -> Pair:
    p = paired_permutation(a, b)
    return Pair(
        *names,
        len(a),
        float((a - b).mean()),
        None if interval is None else interval.low,
        None if interval is None else interval.high,
        float(np.median(a - b)),
        wins=int((sign * (a - b) > 0).sum()),
        ties=int((a == b).sum()),
        improvement=probability_of_improvement(sign * a, sign * b),
        p=p,
        p_holm=p,
        p_signed_rank=signed_rank(a, b),
        p_rank_sum=rank_sum(a, b),
    )


def _judged(pair: Pair, sign: float, margin: float | None) -> Pair:
    if pair.p_holm <= ALPHA:
        return replace(pair, verdict="better" if sign * pair.difference > 0 else "worse")
    if pair.p_equal is not None and pair.p_equal <= ALPHA:
        return replace(pair, verdict=f"equal within {margin:g}")
    return pair


def power(effect: float, sd: float, seeds: int, family: int = 1) -> float:
    """The probability that the paired permutation test shows a true mean difference, by 1,000 simulations.

    Differences are normal; the level is that of Holm's first step, which the smallest p of a family has to pass.

    Args:
        effect: the true mean difference.
        sd: standard deviation of the differences by seed.
        seeds: how many there will be.
        family: how many pairs are tested together.
    """
    rng, level = np.random.default_rng(_SEED), ALPHA / family
    flips = _flips(seeds, rng)
    shown = 0
    for differences in rng.normal(effect, sd, (_SIMULATED, seeds)):
        means = np.abs(flips @ differences)
        larger = int((means >= abs(differences.sum()) * (1 - 1e-12)).sum())
        # Random flips count what was seen as one of them; all flips hold it.
        p = larger / len(flips) if seeds <= _MOST_EXACT else (larger + 1) / (len(flips) + 1)
        shown += p <= level
    return shown / _SIMULATED


def _flips(seeds: int, rng: np.random.Generator) -> NDArray[np.float64]:
    if seeds <= _MOST_EXACT:
        return np.array([*product((1.0, -1.0), repeat=seeds)])
    return rng.choice((1.0, -1.0), (RESAMPLES, seeds))
