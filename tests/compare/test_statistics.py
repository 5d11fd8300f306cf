"""The statistics of a comparison against SciPy called otherwise, enumeration, and numbers computed by hand."""

from __future__ import annotations

from itertools import combinations, product
from math import comb, sqrt

import numpy as np
import pytest
from scipy import stats

from benchmarks.proxy import coverage
from dadarts import oracle
from dadarts.compare.pairs import (
    UNDECIDED,
    compare_pairs,
    equivalence,
    holm,
    paired_permutation,
    power,
    probability_of_improvement,
    rank_sum,
    signed_rank,
)
from dadarts.compare.statistics import mean_course, mean_interval, median_interval, pareto_front, summarise
from dadarts.oracle.controls import random_draw

ACCURACIES = [89.1, 90.3, 88.7, 91.2, 90.0, 70.4, 89.9, 90.8]


def test_a_summary_is_mean_median_and_worst() -> None:
    high, low = summarise(ACCURACIES), summarise(ACCURACIES, more_is_better=False)
    assert (high.count, high.worst, low.worst) == (8, 70.4, 91.2)
    assert high.mean == pytest.approx(sum(ACCURACIES) / 8)
    assert high.median == pytest.approx((89.9 + 90.0) / 2)


def test_the_interval_of_a_mean_is_the_studentized_bootstrap_by_its_definition() -> None:
    values = np.array(ACCURACIES)
    resampled = np.random.default_rng(1).choice(values, (200_000, len(values)))
    t = (resampled.mean(axis=1) - values.mean()) / (resampled.std(axis=1, ddof=1) / sqrt(8))
    error = values.std(ddof=1) / sqrt(8)
    ends = [values.mean() - np.quantile(t, level) * error for level in (0.975, 0.025)]
    interval = mean_interval(ACCURACIES)
    assert interval is not None
    assert interval.kind == "studentized bootstrap"
    assert (interval.low, interval.high) == pytest.approx(ends, rel=0.01)
    # One collapsed seed pulls it down, unlike the symmetric interval of a mean and its deviation.
    assert values.mean() - interval.low > 1.5 * (interval.high - values.mean())
    bounded = mean_interval(ACCURACIES, (80, 90))
    assert bounded is not None
    assert (bounded.low, bounded.high) == (80, min(90, interval.high))


def test_an_interval_needs_two_values_and_of_equal_ones_it_is_a_point() -> None:
    assert mean_interval([90.0]) is median_interval([90.0]) is None
    for count in (3, 12):
        point = mean_interval([90.1] * count)
        assert point is not None
        assert (point.low, point.high) == pytest.approx((90.1, 90.1))
    two = mean_interval([80.0, 90.0])
    assert two is not None
    # Mean 85, deviation of the mean 5, and 12.706 of it.
    assert (two.low, two.high) == pytest.approx((85 - 63.53, 85 + 63.53), abs=0.01)
    assert two.kind == "Student's t"


def test_an_interval_of_few_seeds_covers_the_mean_of_skewed_accuracies() -> None:
    law = oracle.nas_bench_201().accuracies("cifar10")
    good = law[law > 80]
    samples = np.random.default_rng(2).choice(good, (200, 10))
    covered = 0
    for sample in samples:
        interval = mean_interval(sample)
        assert interval is not None
        covered += interval.low <= good.mean() <= interval.high
    assert 0.92 < covered / len(samples) < 0.985


@pytest.mark.parametrize(("count", "place"), [(2, 0), (5, 0), (6, 0), (9, 1), (10, 1), (12, 2), (30, 9)])
def test_a_median_lies_between_the_order_statistics_of_the_sign_test(count: int, place: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    found = median_interval(values)
    assert found is not None
    ordered = sorted(values)
    assert (found.low, found.high) == (ordered[place], ordered[-1 - place])
    # Conover, Practical Nonparametric Statistics: P(binomial(n, 1/2) <= place) on either side.
    outside = 2 * sum(comb(count, k) for k in range(place + 1)) / 2**count
    one_more = outside + 2 * comb(count, place + 1) / 2**count
    assert (outside <= 0.05 < one_more) or count < 6


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


def test_the_rank_tests_are_exact_for_few_values() -> None:
    first, second = [3.0, 5.0, 8.0, 9.0], [1.0, 2.0, 4.5, 10.0]
    differences = np.subtract(first, second)
    ranks = stats.rankdata(np.abs(differences))
    flips = product((0, 1), repeat=4)
    sums = [float(ranks @ signs) for signs in flips]
    seen = ranks[differences > 0].sum()
    tail = min(np.mean([one >= seen for one in sums]), np.mean([one <= seen for one in sums]))
    assert signed_rank(first, second) == pytest.approx(min(1, 2 * tail))
    orders = [*combinations(range(8), 4)]
    everything = np.argsort(np.argsort([*first, *second]))
    of_first = [sum(order) for order in orders]
    own = everything[:4].sum()
    tail = min(np.mean([one >= own for one in of_first]), np.mean([one <= own for one in of_first]))
    assert rank_sum(first, second) == pytest.approx(min(1, 2 * tail))
    assert signed_rank(first, first) == rank_sum([1, 1], [1, 1]) == 1.0


def test_equivalence_is_two_t_tests_and_needs_a_narrow_interval() -> None:
    differences = np.array([0.05, -0.1, 0.12, 0.0, -0.03, 0.08])
    half = stats.t.ppf(0.95, 5) * differences.std(ddof=1) / sqrt(6)
    # At 5 % it is shown where the 90 % interval lies within the margin.
    reach = max(abs(differences.mean() - half), abs(differences.mean() + half))
    wide, narrow = (equivalence(differences, np.zeros(6), reach * part) for part in (1.001, 0.999))
    assert wide < 0.05 < narrow
    assert equivalence([1, 1], [1, 1], 0.2) == 0.0
    assert equivalence([2, 2], [1, 1], 0.2) == equivalence([1], [1], 0.2) == 1.0


def test_a_pair_is_better_worse_equal_within_the_margin_or_undecided() -> None:
    rng = np.random.default_rng(4)
    base = rng.normal(90, 1, 12)
    scores = {
        "base": dict(enumerate(base)),
        "twin": dict(enumerate(base + rng.normal(0, 0.05, 12))),
        "worse": dict(enumerate(base - 1 + rng.normal(0, 0.1, 12))),
        "noisy": dict(enumerate(base + rng.normal(0, 3, 12))),
    }
    found = {(pair.first, pair.second): pair.verdict for pair in compare_pairs(scores, margin=0.2)}
    assert found["base", "twin"] == "equal within 0.2"
    assert found["base", "worse"] == "better"
    assert found["base", "noisy"] == UNDECIDED
    for pair in compare_pairs(scores):
        assert pair.p_equal is None
        assert pair.verdict == ("better" if pair.second == "worse" and pair.first != "noisy" else UNDECIDED)
    (planned,) = compare_pairs(scores, more_is_better=False, family=[("base", "worse")])
    assert (planned.verdict, planned.p_holm) == ("worse", planned.p)
    assert planned.low is not None
    assert planned.high is not None
    assert planned.low < planned.difference < planned.high


def test_a_difference_of_percents_ends_at_a_hundred() -> None:
    noisy = [90 + 0.1 * seed for seed in range(9)]
    values = {"a": dict(enumerate([99.0] * 10)), "b": dict(enumerate([*noisy, 5.0]))}
    (free,) = compare_pairs(values)
    (bounded,) = compare_pairs(values, bounds=(0, 100))
    assert free.high is not None
    assert free.high > 100 == bounded.high
    assert free.low == bounded.low


def test_power_is_that_of_the_t_test_where_differences_are_normal() -> None:
    def of_t(effect: float, seeds: int) -> float:
        limit, shift = stats.t.ppf(0.975, seeds - 1), effect * sqrt(seeds)
        return float(stats.nct.sf(limit, seeds - 1, shift) + stats.nct.cdf(-limit, seeds - 1, shift))

    assert power(1.0, 1.0, 10) == pytest.approx(of_t(1.0, 10), abs=0.05)
    assert power(0.0, 1.0, 8) == pytest.approx(0.05, abs=0.03)
    # Five seeds cannot give a p below 2/2^5.
    assert power(100.0, 1.0, 5) == 0.0
    assert power(0.7, 1.0, 10, family=5) < power(0.7, 1.0, 10)


def test_the_benchmark_of_coverage_knows_what_covers_and_what_does_not() -> None:
    law = random_draw(oracle.nas_bench_201(), "cifar10")
    found = coverage.covered(law, 10, samples=300, resamples=200)
    assert list(found) == list(coverage.CANDIDATES)
    shares = {name: share for name, (share, _) in found.items()}
    # One draw in forty is a cell that learns nothing: most samples of ten know nothing of it.
    assert shares["percentile"] < shares["BCa"] < shares["studentized"] < 0.9 < shares["Hodges-Lehmann"]
    assert shares["order statistics"] > 0.95
    assert all(width > 3 for _, width in found.values())
    x = np.random.default_rng(0).normal(size=(1, 12))
    (low,), (high,) = coverage.hodges_lehmann(x)
    # What Wilcoxon's test does not reject lies within, what it rejects does not.
    inside, outside = (stats.wilcoxon(x[0] - centre).pvalue for centre in (low + 1e-9, low - 1e-9))
    assert inside > 0.05 >= outside
    assert stats.wilcoxon(x[0] - high + 1e-9).pvalue > 0.05 >= stats.wilcoxon(x[0] - high - 1e-9).pvalue
