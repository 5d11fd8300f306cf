"""What the results of a comparison say: summaries by method, pairs by seed, and courses over epochs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import inf

from dadarts.compare.pairs import Pair, compare_pairs
from dadarts.compare.planned import NOTHING_PLANNED, Plan
from dadarts.compare.results import Result, Row, truth_of
from dadarts.compare.statistics import Interval, Summary, mean_course, summarise
from dadarts.oracle import Table
from dadarts.rundir import history
from dadarts.searching.judging import COLLAPSED

COLLAPSED_SHARE, COLLAPSED_ACCURACY = COLLAPSED, 60.0
"""Over half of the edges without parameters (arXiv 1909.09656), or on NAS-Bench-201 below 60 % accuracy on CIFAR-10."""


@dataclass(frozen=True)
class Measure:
    """A column of the results as the report shows it.

    Args:
        scale: what values are multiplied with (100 for percent, 1e-6 for MB).
        digits: how many stand behind the point.
        bounds: what it can be at all.
    """

    column: str
    label: str
    more_is_better: bool = False
    scale: float = 1.0
    digits: int = 2
    bounds: tuple[float, float] = (-inf, inf)

    def value(self, result: Result) -> float | None:
        value = result.row.get(self.column)
        return None if value is None else self.scale * float(value)


_PERCENT = (0.0, 100.0)
TESTED = Measure("test_top1", "test accuracy after training (%)", True, 100, bounds=_PERCENT)
_SUPERNETS = "validation accuracy of the discretized supernet (%)"
UNTRAINED = Measure(history.DISCRETE_TOP1.name, _SUPERNETS, True, 100, bounds=_PERCENT)
GAP = Measure(history.DISCRETIZATION_GAP.name, "discretization gap (points)", False, 100)
SECONDS = Measure("seconds", "search (s)", digits=1)
OPERATION_PICTURES = Measure(history.OPERATION_PICTURES.name, "operation-pictures (millions)", scale=1e-6, digits=2)
BEHAVIOUR = (
    GAP,
    Measure(history.ALPHA_ENTROPY.name, "entropy of W (nats)", digits=3),
    Measure("changes", "changed choices", digits=1),
    Measure("kept_from_draw", "final choices of the first draw (%)", False, 100, 0),
    Measure("kept_from_first_epoch", "final choices after epoch 1 (%)", False, 100, 0),
    Measure(history.PARAMETER_FREE_SHARE.name, "parameter-free edges (%)", False, 100, 0),
    SECONDS,
    OPERATION_PICTURES,
    Measure("peak_memory_bytes", "peak memory (MB)", False, 1e-6, 0),
)


@dataclass(frozen=True)
class Block:
    """The jobs of one space and one data set, which alone may be compared."""

    space: str
    dataset: str
    results: tuple[Result, ...]

    @property
    def title(self) -> str:
        return f"{self.space} on {self.dataset}"

    @cached_property
    def methods(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(result.job.method for result in self.results))

    def of(self, method: str) -> list[Result]:
        """The results of a method."""
        return [result for result in self.results if result.job.method == method]

    def found(self, method: str) -> list[Result]:
        """Those of a method that have found a genotype."""
        return [result for result in self.of(method) if result.genotypes]

    @cached_property
    def table(self) -> Table | None:
        """The benchmark that judges this block."""
        return truth_of(self.results[0].job)

    @property
    def judged_on(self) -> str:
        """The benchmark's data set: the block's own where it has been measured, else CIFAR-10."""
        measured = self.table.datasets if self.table else ()
        return self.dataset if self.dataset in measured else "cifar10"

    @property
    def regret(self) -> Measure | None:
        return Measure(f"truth_{self.judged_on}_regret", f"regret on {self.judged_on} (points)") if self.table else None

    @property
    def scores(self) -> tuple[Measure, ...]:
        """What methods are ranked by, first the best: ground truth, trained networks, else the supernet's accuracy."""
        scores = []
        if self.table is not None:
            label = f"{self.table.name}'s {self.judged_on} accuracy (%)"
            scores.append(Measure(_truth(self.judged_on), label, True, bounds=_PERCENT))
        if any(result.job.training is not None for result in self.results):
            scores.append(TESTED)
        return tuple(scores) or (UNTRAINED,)

    @property
    def transfers(self) -> tuple[Measure, ...]:
        """The benchmark's other data sets."""
        if self.table is None:
            return ()
        return tuple(
            Measure(_truth(dataset), f"{self.table.name}'s {dataset} accuracy (%)", True, bounds=_PERCENT)
            for dataset in self.table.datasets
            if dataset != self.judged_on
        )

    @property
    def truths(self) -> dict[str, str]:
        """Column of ground truth -> its data set."""
        return {_truth(dataset): dataset for dataset in self.table.datasets} if self.table else {}

    def values(self, method: str, measure: Measure) -> dict[int, float]:
        """seed -> value, where there is one."""
        values = {result.job.search.seed: measure.value(result) for result in self.of(method)}
        return {seed: value for seed, value in values.items() if value is not None}

    def summary(self, method: str, measure: Measure) -> Summary | None:
        """None where no seed has a value."""
        values = list(self.values(method, measure).values())
        return summarise(values, measure.more_is_better, measure.bounds) if values else None

    def collapsed(self, method: str) -> tuple[int, int | None, int]:
        """How many genotypes are over half parameter-free, how many below 60 % on CIFAR-10, and of how many."""
        found = self.found(method)
        free = sum(result.row[history.PARAMETER_FREE_SHARE.name] > COLLAPSED_SHARE for result in found)
        if self.space != "nas-bench-201" or self.table is None:
            return free, None, len(found)
        # On other data sets good networks are below it, too.
        low = sum(result.row[_truth("cifar10")] < COLLAPSED_ACCURACY for result in found)
        return free, low, len(found)

    def doubted(self, method: str) -> str:
        """How many searches ended undecided or locked to their first draw, of how many; ``-`` without verdicts."""
        words = [result.row["verdict"] for result in self.found(method)]
        return f"{sum(word in ('undecided', 'locked') for word in words)}/{len(words)}" if any(words) else "-"

    def pairs(self, measure: Measure, plan: Plan = NOTHING_PLANNED) -> list[Pair]:
        """The planned pairs by seed."""
        values = {method: self.values(method, measure) for method in self.methods}
        return compare_pairs(values, measure.more_is_better, plan.margin, plan.family, measure.bounds)

    def regret_course(self, method: str) -> list[tuple[float, Interval | None]]:
        """Mean regret, and its interval, of what a method would have returned after every epoch."""
        found = self.found(method)
        if self.table is None or not found:
            return []
        table, dataset = self.table, self.judged_on
        return mean_course([[table.query(g).scores[dataset].regret for g in one.genotypes] for one in found])

    def choices(self, method: str) -> dict[str, float]:
        """Operation -> share of all edges of a method's genotypes."""
        chosen = [name for result in self.found(method) for name in result.genotypes[-1].operations()]
        return {name: chosen.count(name) / len(chosen) for name in self.operations} if chosen else {}

    @cached_property
    def operations(self) -> tuple[str, ...]:
        """Every operation that some genotype of the block has, in the space's order."""
        chosen = {
            name
            for method in self.methods
            for result in self.found(method)
            for name in result.genotypes[-1].operations()
        }
        return tuple(name for name in self.results[0].job.search.space.ops if name in chosen)


def _truth(dataset: str) -> str:
    return f"truth_{dataset}_accuracy"


def blocks_of(results: Sequence[Result]) -> list[Block]:
    """The results by space and data."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault(result.job.group, []).append(result)
    return [Block(*group, tuple(members)) for group, members in groups.items()]


def pair_rows(blocks: Sequence[Block], plan: Plan = NOTHING_PLANNED) -> Iterator[Row]:
    """Every planned pair as a row, for programs."""
    for block in blocks:
        for measure in block.scores:
            for pair in block.pairs(measure, plan):
                yield {"space": block.space, "dataset": block.dataset, "measure": measure.label, **asdict(pair)}


def long_rows(blocks: Sequence[Block]) -> Iterator[Row]:
    """Every summary, and how many genotypes collapsed (in percent, as a mean), as a row, for programs."""
    for block in blocks:
        regret = [block.regret] if block.regret else []
        for method in block.methods:
            for measure in (*block.scores, *block.transfers, *regret, *BEHAVIOUR):
                summary = block.summary(method, measure)
                if summary is None:
                    continue
                interval = summary.interval
                yield {
                    "space": block.space,
                    "dataset": block.dataset,
                    "method": method,
                    "measure": measure.label,
                    "count": summary.count,
                    "mean": summary.mean,
                    "median": summary.median,
                    "low95": interval.low if interval else None,
                    "high95": interval.high if interval else None,
                    "median_low95": summary.median_interval.low if summary.median_interval else None,
                    "median_high95": summary.median_interval.high if summary.median_interval else None,
                    "worst": summary.worst,
                }
            yield from _collapse_rows(block, method)


def _collapse_rows(block: Block, method: str) -> Iterator[Row]:
    free, below, found = block.collapsed(method)
    shares = {"over half parameter-free (%)": free, f"below {COLLAPSED_ACCURACY:g} % accuracy (%)": below}
    for label, collapsed in shares.items():
        if found and collapsed is not None:
            yield {
                "space": block.space,
                "dataset": block.dataset,
                "method": method,
                "measure": label,
                "count": found,
                "mean": 100 * collapsed / found,
            }
