"""Statistics of few and expensive measurements: one number a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dadarts.report.undominated import undominated

Values: TypeAlias = Sequence[float] | NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 9_999
FEWEST = 5
"""Of fewer values hardly two resamples differ."""
STUDENTIZED, STUDENT, ORDER = "studentized bootstrap", "Student's t", "order statistics"
_TAIL = (1 - LEVEL) / 2
_SEED = 0
"""Every resampling starts from the same seed: the same results give the same report."""


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval, and by what it is one."""

    low: float
    high: float
    kind: str = STUDENTIZED


@dataclass(frozen=True)
class Summary:
    """One measure of one method over its seeds.

    Args:
        count: how many values there are.
        worst: the smallest value, or the largest where less is better.
        interval: of the mean; None for fewer than 2 values.
        median_interval: of the median; None for fewer than 2 values.
    """

    count: int
    mean: float
    median: float
    worst: float
    interval: Interval | None
    median_interval: Interval | None


def mean_interval(values: Values, bounds: tuple[float, float] = (-inf, inf)) -> Interval | None:
    """95 % interval of the mean: studentized bootstrap (Hall 1988), 9,999 resamples.

    With t* the quantiles of ``(mean* - mean) / (s* / sqrt(n))`` over resamples: ``mean - t* s / sqrt(n)``. Of all that
    `benchmarks.proxy.coverage` tries it covers best where a law is skewed; docs/compare.md has what it covers. Fewer
    than five values have Student's t; values that are all equal the interval of that one point; one value None.

    Args:
        bounds: what a mean can be at all; an interval that reaches beyond ends there.
    """
    array = np.asarray(values, float)
    n = len(array)
    if n < 2:
        return None
    mean, error = float(array.mean()), float(array.std(ddof=1)) / np.sqrt(n)
    if np.ptp(array) == 0:
        return Interval(mean, mean)
    if n < FEWEST:
        kind, (low_t, high_t) = STUDENT, stats.t.ppf([_TAIL, 1 - _TAIL], n - 1)
    else:
        kind, (low_t, high_t) = STUDENTIZED, np.quantile(_resampled_t(array), [_TAIL, 1 - _TAIL])
    low, high = (min(max(mean - t * error, bounds[0]), bounds[1]) for t in (high_t, low_t))
    return Interval(float(low), float(high), kind)


def _resampled_t(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """t of every resample whose values are not all the same one."""
    n = len(array)
    again = array[np.random.default_rng(_SEED).integers(n, size=(RESAMPLES, n))]
    spread = again.std(axis=1, ddof=1)
    # What is left of rounding where all are equal is no spread.
    usable = spread > 1e-9 * np.abs(array).max()
    t: NDArray[np.float64] = (again.mean(axis=1) - array.mean())[usable] / (spread[usable] / np.sqrt(n))
    return t


def median_interval(values: Values) -> Interval | None:
    """Interval of the median between two order statistics: at least 95 % whatever the law, by the binomial one.

    Of two to five values it is all of their range, which covers ``1 - 2^(1 - n)``; one value None.
    """
    ordered = np.sort(np.asarray(values, float))
    n = len(ordered)
    if n < 2:
        return None
    allowed = int(np.searchsorted(stats.binom.cdf(np.arange(n), n, 0.5), _TAIL, side="right"))
    place = max(0, allowed - 1)
    return Interval(float(ordered[place]), float(ordered[n - 1 - place]), ORDER)


def summarise(values: Values, more_is_better: bool = True, bounds: tuple[float, float] = (-inf, inf)) -> Summary:
    """Mean, median, worst and intervals of at least one value."""
    array = np.asarray(values, float)
    worst = float(array.min() if more_is_better else array.max())
    intervals = mean_interval(array, bounds), median_interval(array)
    return Summary(len(array), float(array.mean()), float(np.median(array)), worst, *intervals)


def mean_course(courses: Sequence[Values]) -> list[tuple[float, Interval | None]]:
    """Mean and interval at every epoch; a course that has ended stays at its last value."""
    longest = max(len(course) for course in courses)
    filled = np.array([[*course, *[course[-1]] * (longest - len(course))] for course in courses], float)
    return [(float(column.mean()), mean_interval(column)) for column in filled.T]


def pareto_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The names on the Pareto front of (cost, quality), less cost and more quality being better; by rising cost."""
    found = [*points.values()]
    places = undominated([cost for cost, _ in found], [quality for _, quality in found])
    front = {found[place] for place in places}
    # Of equal points all are on it.
    return sorted((name for name, point in points.items() if point in front), key=lambda name: points[name])
