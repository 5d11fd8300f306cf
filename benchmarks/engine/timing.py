"""Interleaved timing: contestants take turns in one process, so that what slows the machine slows all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.engine.contestants import Contestant, Run, Scale

STEPS = ("second_order", "dadarts_t1", "dadarts_t50", "dadarts_t200", "dadarts_t200_all_sparse")
"""Whole steps of which every one makes the readable supernet compute the same five passes over all operations."""
ALONE = ("soft", "first_order", "hard", "validation")


@dataclass(frozen=True)
class Ratio:
    """How many times as long a pass takes elsewhere: ratio of medians, lowest and highest of the rounds."""

    step: str
    against: str
    batch: int
    ratio: float
    low: float
    high: float
    seconds: float


def interleaved(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """Seconds of every run in every round, after one round that is not counted."""
    seconds: dict[str, list[float]] = {label: [] for label in runs}
    for counted in range(-1, rounds):
        for label, run in runs.items():
            began = time.perf_counter()
            run()
            if counted >= 0:
                seconds[label].append(time.perf_counter() - began)
    return seconds


def ratios(contestants: Mapping[str, Contestant], scale: Scale, rounds: int) -> list[Ratio]:
    """Every pass and step on all engines.

    The readable supernet takes the DADARTS step once a round, whatever the temperature: it skips nothing.
    """
    others = [engine for engine in contestants if engine != "native"]
    native = contestants["native"]
    rows = []
    for step in ALONE:
        seconds = interleaved({engine: getattr(it, step) for engine, it in contestants.items()}, rounds)
        rows += [_ratio(step, engine, scale, seconds[engine], seconds["native"]) for engine in others]
    runs = {engine: contestants[engine].dadarts_t1 for engine in others}
    seconds = interleaved(runs | {step: getattr(native, step) for step in STEPS}, rounds)
    rows += [_ratio(step, engine, scale, seconds[engine], seconds[step]) for step in STEPS for engine in others]
    return rows


def _ratio(step: str, against: str, scale: Scale, theirs: list[float], ours: list[float]) -> Ratio:
    each = [one / other for one, other in zip(theirs, ours, strict=True)]
    return Ratio(step, against, scale.batch, median(theirs) / median(ours), min(each), max(each), median(ours))
