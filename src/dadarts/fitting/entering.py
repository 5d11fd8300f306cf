"""Which candidates a race has, how large each is, and what they are judged by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from math import inf
from pathlib import Path
from typing import Any

import torch

from dadarts.architecture.costs import Costs, count_costs
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import Size
from dadarts.config.fitting import FitConfig, Metric
from dadarts.config.training import ClassWeights
from dadarts.data import DataSet
from dadarts.errors import InputError
from dadarts.fitting import limits, sizing, trial
from dadarts.fitting.candidates import Family
from dadarts.fitting.record import Entrant
from dadarts.fitting.speed import EPOCHS, Clock, images_per_second
from dadarts.runs.events import Event
from dadarts.training.loop import train

_UNEQUAL = 1.5
"""Times its equal share from which on a class is so frequent that accuracy says little of the others."""
_PROBE = "probe"
_SMALLEST, _LARGEST, _STEPS = 16, 64, 25
_KEYS: Mapping[Metric, str] = {
    "accuracy": "test_top1",
    "balanced_accuracy": "balanced_accuracy",
    "macro_f1": "macro_f1",
    "auc": "auc",
}


def metric(config: FitConfig, data: DataSet) -> Metric:
    """What candidates are chosen by."""
    if config.metric != "auto":
        return config.metric
    counts = torch.bincount(data.train.labels, minlength=len(data.classes))
    return "balanced_accuracy" if int(counts.max()) * len(counts) > _UNEQUAL * int(counts.sum()) else "accuracy"


def refuse_metric(config: FitConfig, data: DataSet, racing: DataSet) -> None:
    """Refuse what candidates cannot be chosen by.

    Raises:
        InputError: an area under the curve is asked for, and there are not two classes, or there is one among the
            pictures that judge.
    """
    if config.metric != "auc":
        return
    if len(data.classes) != 2:
        raise InputError(f"-metric auc is for two classes, and {config.dataset} has {len(data.classes)}")
    for part, pictures in (("test", data.test), ("validation", racing.test)):
        for name, count in zip(data.classes, torch.bincount(pictures.labels, minlength=2).tolist(), strict=True):
            if not count:
                raise InputError(
                    f"-metric auc needs pictures of both classes in the {part} part, and it would have none of {name}: "
                    "give more of these, or another -metric"
                )


def score(metrics: Mapping[str, Any], metric: str) -> float:
    """A training's result by a metric, in [0, 1]."""
    return float(metrics[_KEYS[metric]])  # type: ignore[index]


def batch_size(pictures: int) -> int:
    """Pictures in a batch: as many as leave an epoch 25 steps, from 16 to 64; half of fewer than 32 pictures.

    >>> batch_size(20), batch_size(200), batch_size(1600), batch_size(50_000)
    (10, 16, 64, 64)
    """
    if pictures < 2 * _SMALLEST:
        return max(2, pictures // 2)
    size = _SMALLEST
    while size < _LARGEST and pictures >= _STEPS * 2 * size:
        size *= 2
    return size


@dataclass(frozen=True)
class Applicant:
    """A family for these pictures. What all its sizes cost, which takes a second, is counted when it is asked for.

    Args:
        clock: what seconds are of.
    """

    family: Family
    data: DataSet
    config: FitConfig
    clock: Clock

    @cached_property
    def _of_sizes(self) -> Mapping[Size, Costs]:
        return {size: self._counts(size) for size in self.family.sizes}

    @property
    def smallest(self) -> Costs:
        """What the family's smallest networks cost, by each count for itself."""
        costs = self._of_sizes.values()
        return Costs(min(each.parameters for each in costs), min(each.multiply_adds for each in costs))

    @cached_property
    def costs(self) -> Mapping[Size, Costs]:
        """Of the sizes whose counts keep to the limits, which may be none."""
        return {size: own for size, own in self._of_sizes.items() if self._is_within(own)}

    @cached_property
    def latency_ms(self) -> float | None:
        """Of the cheapest size; None where latencies are not limited, or counts allow no size."""
        if self.config.max_latency_ms is None:
            return None
        return next(map(self._latency, self._cheapest), None)

    @cached_property
    def may_enter(self) -> bool:
        """Whether any size keeps to the limits."""
        if not self.config.limited:
            return True
        # The first is the smallest: where it does no other one has to be counted and measured.
        smallest = self.family.sizes[0]
        if self._is_within(self._counts(smallest)) and self._is_fast_enough(smallest):
            return True
        return any(self._is_fast_enough(size) for size in self._cheapest)

    def _is_within(self, own: Costs) -> bool:
        return own.within(self.config.max_parameters, self.config.max_multiply_adds)

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
        needed = sizing.epochs_wanted(pictures, seconds) * pictures / seconds if seconds else inf
        by_cost = sorted(self.costs, key=lambda size: self.costs[size].multiply_adds)
        size, speed = sizing.largest(
            by_cost, lambda size: self.costs[size].multiply_adds, lambda size: self._speed(size, batch), needed
        )
        if self.config.max_latency_ms is not None:
            fast = limits.fast_enough(size, self.costs, self._latency, self.config.max_latency_ms)
            if fast != size:
                size, speed = fast, self._speed(fast, batch)
        return self._at(size, speed)

    def _at(self, size: Size, speed: float) -> Entrant:
        own = self.family
        name = f"{own.name}-{size.channels}x{size.layers}"
        # Where classes are judged alike they weigh alike in the loss.
        weights: ClassWeights = "balanced" if metric(self.config, self.data) == "balanced_accuracy" else "none"
        precision = trial.precision(self.config, Genotype.parse(own.genotype))
        return Entrant(
            name, own.name, own.title, own.why, own.genotype, size.channels, size.layers, speed, precision, weights
        )

    def _speed(self, size: Size, batch: int) -> float:
        def begin(folder: Path) -> Iterator[Event]:
            probe = trial.settings(self.config, folder, _PROBE, self._at(size, 0.0), EPOCHS, batch)
            return train(probe, loaded=lambda _: self.data)

        return images_per_second(begin, batch, self.clock)

    def _counts(self, size: Size) -> Costs:
        return _counted(Genotype.parse(self.family.genotype), _macro(size, self.data))

    @cached_property
    def _latency(self) -> Callable[[Size], float]:
        """Milliseconds of a size; of each once, and only where latencies are limited."""
        return cache(lambda size: limits.latency_ms(Genotype.parse(self.family.genotype), _macro(size, self.data)))


def applicants(families: Sequence[Family], config: FitConfig, data: DataSet, clock: Clock) -> list[Applicant]:
    """The families that keep to the limits at some size.

    Raises:
        InputError: none does; it says what the smallest network costs.
    """
    found = [Applicant(family, data, config, clock) for family in families]
    able = [each for each in found if each.may_enter]
    if not able:
        latencies = [each.latency_ms for each in found if each.latency_ms is not None]
        raise limits.refusal([each.smallest for each in found], latencies, config)
    return able


@lru_cache(maxsize=1024)
def _counted(genotype: Genotype, macro: Macro) -> Costs:
    # Of all sizes that takes seconds, which every fit of a cross-validation would take anew.
    return count_costs(genotype, macro)


def _macro(size: Size, data: DataSet) -> Macro:
    return Macro(size.channels, size.layers, data.train.shape, len(data.classes))
