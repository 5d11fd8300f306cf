"""The statistics of a comparison against SciPy called otherwise, enumeration, and numbers computed by hand."""

from __future__ import annotations

from itertools import product
from math import erf, sqrt

import numpy as np
import pytest
from scipy import stats

from dadarts.compare.statistics import (
    bootstrap_interval,
    compare_pairs,
    holm,
    mean_course,
    paired_permutation,
    pareto_front,
    probability_of_improvement,
    summarise,
)

ACCURACIES = [89.1, 90.3, 88.7, 91.2, 90.0, 70.4, 89.9, 90.8]


def test_a_summary_is_mean_median_and_worst() -> None:
    high, low = summarise(ACCURACIES), summarise(ACCURACIES, more_is_better=False)
    assert (high.count, high.worst, low.worst) == (8, 70.4, 91.2)
    assert high.mean == pytest.approx(sum(ACCURACIES) / 8)
    assert high.median == pytest.approx((89.9 + 90.0) / 2)


def test_the_interval_is_bca_by_its_definition() -> None:
    values = np.array(ACCURACIES)
    resampled = np.random.default_rng(1).choice(values, (200_000, len(values))).mean(axis=1)
    # Efron 1987: bias from the share of resamples below the mean, acceleration from the jackknife.
    z0 = stats.norm.ppf((np.mean(resampled < values.mean()) + np.mean(resampled <= values.mean())) / 2)
    jackknife = np.array([np.delete(values, left_out).mean() for left_out in range(len(values))])
    skew = jackknife.mean() - jackknife
    a = (skew**3).sum() / (6 * ((skew**2).sum()) ** 1.5)
    ends = []
    for z in (-1.959964, 1.959964):
        moved = z0 + (z0 + z) / (1 - a * (z0 + z))
        ends.append(np.quantile(resampled, 0.5 * (1 + erf(moved / sqrt(2)))))
    interval = bootstrap_interval(ACCURACIES)
    assert interval is not None
    assert interval.kind == "BCa"
    assert (interval.low, interval.high) == pytest.approx(ends, abs=0.3)
    # One collapsed seed pulls it down, unlike the symmetric interval of a mean and its deviation.
    assert values.mean() - interval.low > 1.5 * (interval.high - values.mean())


def test_an_interval_needs_two_values_and_of_equal_ones_it_is_a_point() -> None:
    assert bootstrap_interval([90.0]) is None
    point = bootstrap_interval([90.0, 90.0, 90.0])
    assert point is not None
    assert (point.low, point.high) == (90.0, 90.0)
    two = bootstrap_interval([80.0, 90.0])
    assert two is not None
    assert 80 <= two.low < two.high <= 90


def test_the_paired_test_enumerates_every_exchange() -> None:
    first, second = np.array(ACCURACIES), np.array([88.0, 89.5, 88.9, 90.1, 89.0, 80.0, 88.1, 89.2])
    differences = first - second
    means = [np.mean(differences * signs) for signs in product((1, -1), repeat=len(differences))]
    larger = sum(abs(mean) >= abs(differences.mean()) - 1e-12 for mean in means)
    assert paired_permutation(first, second) == pytest.approx(larger / len(means))
    assert paired_permutation(second, first) == pytest.approx(larger / len(means))


def test_the_paired_test_knows_its_smallest_p_and_equal_methods() -> None:
    assert paired_permutation([2, 3, 4, 5, 6], [1, 2, 3, 4, 5]) == pytest.approx(2 / 2**5)
    assert paired_permutation([1, 2, 3], [1, 2, 3]) == 1.0
    assert paired_permutation([3], [1]) == 1.0
    many = np.random.default_rng(0).normal(size=30)
    assert paired_permutation(many + 1, many) == pytest.approx(1 / 10_000 * 2)


def test_holm_multiplies_step_by_step_and_never_falls() -> None:
    # By hand: 4 * 0.005, 3 * 0.01, max(2 * 0.04, 0.03), max(1 * 0.03, ...) in rising order of p.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_the_probability_of_improvement_counts_all_pairs_of_runs() -> None:
    first, second = [3.0, 1.0, 2.0], [2.0, 0.0]
    counted = sum((x > y) + 0.5 * (x == y) for x in first for y in second) / 6
    assert probability_of_improvement(first, second) == pytest.approx(counted)
    assert probability_of_improvement(first, first) == 0.5


def test_pairs_are_made_of_the_seeds_that_both_methods_have() -> None:
    scores = {"a": {0: 90.0, 1: 91.0, 2: 92.0}, "b": {1: 90.0, 2: 92.0, 3: 10.0}, "c": {7: 1.0}}
    (pair,) = compare_pairs(scores)
    assert (pair.first, pair.second, pair.seeds, pair.wins, pair.ties) == ("a", "b", 2, 1, 1)
    assert pair.difference == pytest.approx(0.5)
    assert pair.p == pair.p_holm == paired_permutation([91, 92], [90, 92])
    (less,) = compare_pairs(scores, more_is_better=False)
    assert (less.wins, less.ties) == (0, 1)
    assert less.improvement == pytest.approx(1 - pair.improvement)


def test_three_methods_are_corrected_together() -> None:
    scores = {
        name: {seed: base + seed + bump for seed in range(8)}
        for name, base, bump in (("a", 0, 0), ("b", 0, 1), ("c", 0, 3))
    }
    pairs = compare_pairs(scores)
    assert [pair.p_holm for pair in pairs] == pytest.approx(holm([pair.p for pair in pairs]))
    assert all(pair.p == pytest.approx(2 / 2**8) and pair.p_holm == pytest.approx(6 / 2**8) for pair in pairs)


def test_a_course_that_ends_early_stays_where_it_ended() -> None:
    course = mean_course([[8.0, 4.0, 2.0], [6.0]])
    assert [mean for mean, _ in course] == [7.0, 5.0, 4.0]
    assert all(interval is not None and interval.low <= mean <= interval.high for mean, interval in course)


def test_the_front_keeps_what_nothing_beats_in_both() -> None:
    points = {"slow": (9.0, 90.0), "fast": (1.0, 80.0), "beaten": (9.0, 85.0), "bad": (2.0, 79.0), "twin": (1.0, 80.0)}
    assert pareto_front(points) == ["fast", "twin", "slow"]
