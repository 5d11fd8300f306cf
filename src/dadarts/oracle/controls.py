"""What can be said of a benchmark without any search: the laws of draws that look at nothing, or at sizes alone.

A control is a law over the networks of a space, exact since all of them have been measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan

import numpy as np
from numpy.typing import NDArray

from dadarts.oracle.table import Table

Array = NDArray[np.float64]
DRAWS = 99_999
"""How many samples the Monte-Carlo test draws."""
SIZES: tuple[int | None, ...] = (10, 100, None)
"""Of how many draws the largest is taken; None is of all networks."""
TOP = 500
"""Among so many of the best networks ranking is hard, and counts."""
LEVELS = (0.05, 0.5, 0.95)
"""Which quantiles of a law are told."""
_PARAMETER_FREE = frozenset({"none", "skip_connect", "identity"})
"""What a draw without them cannot choose."""
_SEED = 0


@dataclass(frozen=True, eq=False)
class Law:
    """A distribution of accuracies: what a network drawn in some way reaches.

    Args:
        accuracies: (N,) in percent, of the networks that can be drawn.
        weights: (N,) their probabilities.
    """

    accuracies: Array
    weights: Array

    @classmethod
    def uniform(cls, accuracies: Array) -> Law:
        """Every network as likely as any other."""
        return cls(accuracies, np.full(len(accuracies), 1 / len(accuracies)))

    @property
    def mean(self) -> float:
        return float((self.accuracies * self.weights).sum())

    @property
    def sd(self) -> float:
        return float(np.sqrt(((self.accuracies - self.mean) ** 2 * self.weights).sum()))

    def quantile(self, level: float) -> float:
        """The smallest accuracy that at most so many are above, `level` in [0, 1]."""
        order = np.argsort(self.accuracies)
        place = int(np.searchsorted(self.weights[order].cumsum(), level * (1 - 1e-12)))
        return float(self.accuracies[order][min(place, len(order) - 1)])

    def better_than(self, accuracy: float) -> float:
        """The probability that a draw is better."""
        return float(self.weights[self.accuracies > accuracy].sum())

    def p_of_mean(self, mean: float, count: int) -> float:
        """p of the two-sided one-sample test that a mean is that of `count` draws, by Monte Carlo.

        Twice the smaller tail of the means of 99,999 samples, both tails counting the mean itself (Davison and Hinkley
        1997, equation 4.11); nothing is paired, since seeds of a search and of a draw have nothing in common.
        """
        means, slack = _means(self, count), 1e-9
        tails = (int((means >= mean - slack).sum()), int((means <= mean + slack).sum()))
        return min(1.0, 2 * (1 + min(tails)) / (DRAWS + 1))


@lru_cache(maxsize=4)
def _means(law: Law, count: int) -> Array:
    """The means of 99,999 samples of `count` draws; kept, since all methods of a table are held to them."""
    rng = np.random.default_rng(_SEED)
    # By the inverse of the distribution function, on a sorted copy: the same draws whatever the order of networks.
    order = np.argsort(law.accuracies, kind="stable")
    ascending, ends, sums = law.accuracies[order], law.weights[order].cumsum(), np.zeros(DRAWS)
    for _ in range(count):
        sums += ascending[np.searchsorted(ends, rng.random(DRAWS) * ends[-1], side="right")]
    return sums / count


@dataclass(frozen=True)
class Control:
    """A law with a name, and how many networks it can draw."""

    name: str
    law: Law

    @property
    def networks(self) -> int:
        return int((self.law.weights > 0).sum())


def random_draw(table: Table, dataset: str) -> Law:
    """The law of one uniform draw."""
    return Law.uniform(table.accuracies(dataset))


def with_parameters(table: Table, dataset: str) -> Law:
    """The law of a uniform draw of networks that have an operation other than none, skip and identity everywhere."""
    kept = [number for number, name in enumerate(table.operations) if name not in _PARAMETER_FREE]
    return Law.uniform(table.accuracies(dataset)[np.isin(table.choices, kept).all(axis=1)])


def largest_of(table: Table, dataset: str, draws: int | None) -> Law:
    """The law of the network of most parameters of some uniform draws, None: of all networks; of equals a random one.

    With F the distribution function of the number of parameters, P(the largest has v) = F(v)^n - F(v-)^n.
    """
    _, size_of, counts = np.unique(table.parameters, return_inverse=True, return_counts=True)
    F = np.cumsum(counts) / len(table)
    F = F if draws is not None else np.where(np.arange(len(F)) == len(F) - 1, 1.0, 0.0)
    chance = np.diff(F ** (draws or 1), prepend=0.0)
    return Law(table.accuracies(dataset), (chance / counts)[size_of])


def constants(table: Table, dataset: str) -> Iterator[Control]:
    """Every network of one operation everywhere."""
    accuracies = table.accuracies(dataset)
    for number, name in enumerate(table.operations):
        (place,) = np.flatnonzero((table.choices == number).all(axis=1))
        yield Control(f"{name} everywhere", Law.uniform(accuracies[[place]]))


def controls(table: Table, dataset: str) -> list[Control]:
    """All controls, the best operation everywhere first.

    Raises:
        InputError: the benchmark has no such data set.
    """
    without = " and ".join(name for name in table.operations if name in _PARAMETER_FREE)
    return [
        Control("random draw", random_draw(table, dataset)),
        Control(f"random draw without {without}", with_parameters(table, dataset)),
        *(
            Control(
                f"most parameters of {'all' if draws is None else f'{draws} draws'}", largest_of(table, dataset, draws)
            )
            for draws in SIZES
        ),
        *sorted(constants(table, dataset), key=lambda control: -control.law.mean),
    ]


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation with its standard error by the bootstrap over networks."""

    value: float
    error: float


def spearman(first: Sequence[float] | Array, second: Sequence[float] | Array, resamples: int = 200) -> Correlation:
    """Spearman's correlation of two measures of the same networks; NaN where one of them is constant."""
    # Sorted once: a sample with replacement takes every network some times, and leaves their order as it is.
    orders = [np.unique(np.asarray(measure, float), return_inverse=True)[1] for measure in (first, second)]
    rng, count = np.random.default_rng(_SEED), len(first)
    taken = (np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(resamples))
    again = [_spearman(orders, times.astype(float)) for times in taken]
    return Correlation(_spearman(orders, np.ones(count)), float(np.std(again, ddof=1)) if resamples > 1 else nan)


def _spearman(orders: Sequence[NDArray[np.intp]], times: Array) -> float:
    """The correlation where every network is there so many times."""
    # No products of BLAS, whose threads wait for one another longer than vectors so short take.
    a, b = (_ranks(order, times) for order in orders)
    a, b = (ranks - (times * ranks).sum() / times.sum() for ranks in (a, b))
    norm = float(np.sqrt((times * a * a).sum() * (times * b * b).sum()))
    return float((times * a * b).sum()) / norm if norm else nan


def _ranks(order: NDArray[np.intp], times: Array) -> Array:
    """Ranks from 1, equals sharing their mean, of networks that are there so many times."""
    counts = np.bincount(order, weights=times)
    ranks: Array = (np.cumsum(counts) - (counts - 1) / 2)[order]
    return ranks


HEADINGS = ("control", "networks", "mean", "sd", "5 %", "median", "95 %", "random better (%)")


def rows(table: Table, dataset: str) -> list[tuple[str, ...]]:
    """Every control in words, under `HEADINGS`; the last is how probably a random draw is better than its mean."""
    null = random_draw(table, dataset)
    found = []
    for control in controls(table, dataset):
        law = control.law
        numbers = (law.mean, law.sd, *(law.quantile(level) for level in LEVELS))
        cells = (f"{control.networks:,}", *(f"{number:.2f}" for number in numbers))
        found.append((control.name, *cells, f"{100 * null.better_than(law.mean):.1f}"))
    return found


def sizes_rank(table: Table, dataset: str, top: int | None = None) -> dict[str, Correlation]:
    """How parameters and multiply-adds rank all networks, or those that are truly the best `top`."""
    accuracies = table.accuracies(dataset)
    best = np.argsort(-accuracies, kind="stable")[:top]
    measures = {"parameters": table.parameters, "multiply-adds": table.multiply_adds}
    return {name: spearman(sizes[best].astype(float), accuracies[best]) for name, sizes in measures.items()}


def as_dict(table: Table) -> dict[str, list[dict[str, float | str]]]:
    """Data set -> every control, for programs."""
    return {
        dataset: [
            {
                "control": control.name,
                "networks": control.networks,
                "mean": control.law.mean,
                "sd": control.law.sd,
                **{f"quantile_{level:g}": control.law.quantile(level) for level in LEVELS},
                "random_better": random_draw(table, dataset).better_than(control.law.mean),
            }
            for control in controls(table, dataset)
        ]
        for dataset in table.datasets
    }


def text(table: Table) -> str:
    """Every control on every data set, and how sizes rank, for people."""
    lines = [f"{table.name}: what is reached without a search, by {table.measure}"]
    for dataset in table.datasets:
        cells = [HEADINGS, *rows(table, dataset)]
        wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += ["", dataset]
        lines += ["  ".join([row[0].ljust(wide[0]), *map(str.rjust, row[1:], wide[1:])]) for row in cells]
        for top in (None, TOP):
            whose = "all networks" if top is None else f"the true top {top}"
            ranks = sizes_rank(table, dataset, top).items()
            said = ", ".join(f"{name} {found.value:.2f} +- {found.error:.2f}" for name, found in ranks)
            lines.append(f"Spearman's correlation with accuracy among {whose}: {said}")
    return "\n".join(lines)
