"""Which candidates a race has, and how large each is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from math import inf
from pathlib import Path

from dadarts.architecture.costs import Costs, count_costs
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import Size
from dadarts.config.fitting import FitConfig
from dadarts.config.training import ClassWeights
from dadarts.data import DataSet
from dadarts.engines.profile.written import Table
from dadarts.fitting import limits, sizing, trial
from dadarts.fitting.candidates import BENCH_SIZES, Family
from dadarts.fitting.entering import metric
from dadarts.fitting.record import Entrant
from dadarts.fitting.speed import EPOCHS, Clock, images_per_second
from dadarts.runs.events import Event
from dadarts.training.loop import train

_PROBE = "probe"


@dataclass(frozen=True)
class Applicant:
    """A family for these pictures. What all its sizes cost, which takes a second, is counted when it is asked for.

    Args:
        clock: what seconds are of.
        table: another device's latencies; None where those of this machine are measured.
    """

    family: Family
    data: DataSet
    config: FitConfig
    clock: Clock
    table: Table | None = None

    @cached_property
    def genotype(self) -> Genotype:
        """The family's."""
        return Genotype.parse(self.family.genotype)

    def lacking(self, size: Size) -> list[str]:
        """The rows that the table lacks of a size."""
        return [] if self.table is None else self.table.lacking(self.genotype, self.macro(size))

    def macro(self, size: Size) -> Macro:
        """A size, for these pictures."""
        return Macro(size.channels, size.layers, self.data.train.shape, len(self.data.classes))

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """Those of the family whose latencies can be told."""
        return tuple(size for size in self.family.sizes if not self.lacking(size))

    @cached_property
    def _of_sizes(self) -> Mapping[Size, Costs]:
        return {size: self._counts(size) for size in self.sizes}

    @property
    def smallest(self) -> Costs:
        """What the family's smallest networks cost, by each count for itself."""
        costs = self._of_sizes.values()
        return Costs(min(each.parameters for each in costs), min(each.multiply_adds for each in costs))

    @cached_property
    def costs(self) -> Mapping[Size, Costs]:
        """Of the sizes whose counts keep to the limits, which may be none."""
        return {size: own for size, own in self._of_sizes.items() if self._is_within(size)}

    @cached_property
    def latency_ms(self) -> float | None:
        """Of the cheapest size; None where latencies are not limited, or counts allow no size."""
        if self.config.max_latency_ms is None:
            return None
        if self.table is not None:
            return min(map(self._latency, self.sizes), default=None)
        return next(map(self._latency, self._cheapest), None)

    @cached_property
    def may_enter(self) -> bool:
        """Whether any size keeps to the limits."""
        if not self.config.limited:
            return True
        # The first is the smallest: where it does no other one has to be counted and measured.
        if any(self._is_within(size) and self._is_fast_enough(size) for size in self.sizes[:1]):
            return True
        return any(self._is_fast_enough(size) for size in self._cheapest)

    def _is_within(self, size: Size) -> bool:
        """Whether a size keeps to what can be told of all without measuring."""
        own = self._counts(size).within(self.config.max_parameters, self.config.max_multiply_adds)
        return own and (self.table is None or self._is_fast_enough(size))

    def _is_fast_enough(self, size: Size) -> bool:
        most = self.config.max_latency_ms
        return most is None or self._latency(size) <= most

    @property
    def _cheapest(self) -> list[Size]:
        """The size of the fewest multiply-adds that the counts allow, where they allow any."""
        return sorted(self.costs, key=lambda size: self.costs[size].multiply_adds)[:1]

    def entrant(self, batch: int, seconds: float) -> Entrant:
        """The largest size that keeps to the limits and is trained in so many seconds; in none the smallest."""
        pictures = len(self.data.train)
        wanted = sizing.epochs_wanted(pictures, seconds)
        needed = wanted * pictures / seconds if seconds else inf
        by_cost = sorted(self.costs, key=lambda size: self.costs[size].multiply_adds)
        size, speed = sizing.largest(
            by_cost, lambda size: self.costs[size].multiply_adds, lambda size: self._speed(size, batch), needed
        )
        if speed < needed:
            bound = f"the smallest, for which there is no time for {wanted:.0f} epochs"
        elif size == by_cost[-1]:
            bound = self._largest()
        else:
            bound = f"a larger one has no time for {wanted:.0f} epochs"
        if self.config.max_latency_ms is not None:
            fast = limits.fast_enough(size, self.costs, self._latency, self.config.max_latency_ms)
            if fast != size:
                size, speed, bound = fast, self._speed(fast, batch), "to keep to -max_latency_ms"
        return self._at(size, speed, bound)

    def _largest(self) -> str:
        """Why there is no larger size than those that the minutes may choose among."""
        over = [size for size in self._of_sizes if size not in self.costs]
        passed = {
            "max_parameters": any(not self._counts(size).within(self.config.max_parameters, None) for size in over),
            "max_multiply_adds": any(
                not self._counts(size).within(None, self.config.max_multiply_adds) for size in over
            ),
            "max_latency_ms": self.table is not None and not all(map(self._is_fast_enough, over)),
        }
        kept = [f"-{name}" for name, is_passed in passed.items() if is_passed]
        return f"to keep to {' and '.join(kept)}" if kept else "the largest that is tried"

    def _at(self, size: Size, speed: float, bound: str = "") -> Entrant:
        own = self.family
        name = f"{own.name}-{size.channels}x{size.layers}"
        # Where classes are judged alike they weigh alike in the loss.
        weights: ClassWeights = "balanced" if metric(self.config, self.data) == "balanced_accuracy" else "none"
        precision = trial.precision(self.config, self.genotype, size.channels)
        return Entrant(
            name,
            own.name,
            own.title,
            own.why,
            own.genotype,
            size.channels,
            size.layers,
            speed,
            precision,
            weights,
            bound,
            self.costs[size].parameters,
        )

    def _speed(self, size: Size, batch: int) -> float:
        def begin(folder: Path) -> Iterator[Event]:
            probe = trial.settings(self.config, folder, _PROBE, self._at(size, 0.0), EPOCHS, batch)
            return train(probe, loaded=lambda _: self.data)

        return images_per_second(begin, batch, self.clock)

    def _counts(self, size: Size) -> Costs:
        return _counted(self.genotype, self.macro(size))

    @cached_property
    def _latency(self) -> Callable[[Size], float]:
        """Milliseconds of a size; of each once, and only where latencies are limited."""
        told = limits.latency_ms if self.table is None else self.table.latency_ms
        return cache(lambda size: told(self.genotype, self.macro(size)))


def applicants(families: Sequence[Family], config: FitConfig, data: DataSet, clock: Clock) -> list[Applicant]:
    """The families, in which are those that keep to the limits at some size.

    Raises:
        InputError: none does; it says what the smallest network costs. Or a table of latencies cannot be used.
    """
    table = limits.tabled_latencies(config)
    found = [Applicant(family, data, config, clock, table) for family in families]
    if not any(each.sizes for each in found):
        raise limits.refusal_of_table(
            [
                (each.family.title, each.genotype, each.macro(size), each.lacking(size))
                for each in found
                for size in each.family.sizes
            ]
        )
    if not any(each.may_enter for each in found):
        latencies = [each.latency_ms for each in found if each.latency_ms is not None]
        raise limits.refusal([each.smallest for each in found if each.sizes], latencies, config)
    return found


def refuse_search(like: Applicant) -> None:
    """Refuse a table of latencies by which what a search finds might have no size.

    Args:
        like: any applicant for these pictures.

    Raises:
        InputError: it lacks operations of the space that is searched, at every size.
    """
    if like.table is not None:
        limits.refuse_search(like.table, [like.macro(size) for size in BENCH_SIZES])


def sizes_in_table(found: Sequence[Applicant]) -> Iterator[str]:
    """Of how many sizes a table of latencies has the operations, where not of all."""
    if any(len(each.sizes) < len(each.family.sizes) for each in found):
        told = ", ".join(f"{len(each.sizes)} of {len(each.family.sizes)} of {each.family.title}" for each in found)
        yield f"-costs has the operations of these sizes alone: {told}"


@lru_cache(maxsize=1024)
def _counted(genotype: Genotype, macro: Macro) -> Costs:
    # Of all sizes that takes seconds, which every fit of a cross-validation would take anew.
    return count_costs(genotype, macro)
