"""The probe of how fast a network trains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Macro
from dadarts.engines.choose import TrainingEngineName
from dadarts.runs.probe import Work, images_per_second
from dadarts.runs.threads import computing_with
from tests.commands import BENCH_GENOTYPE, DARTS_GENOTYPE

WORK = Work(Genotype.parse(BENCH_GENOTYPE), Macro(4, 1, (1, 8, 8), 3), 16)


class _Clock:
    """Tells given times, and counts how often it was asked."""

    def __init__(self, times: Iterator[float]) -> None:
        self.times, self.asked = times, 0

    def __call__(self) -> float:
        self.asked += 1
        return next(self.times)


def test_it_is_the_median_of_the_steps_behind_those_that_warm_up() -> None:
    # Two steps warm up; the others take 1, 9, 2, 2 and 2 seconds.
    clock = _Clock(iter([0.0, 50.0, 100.0, 101.0, 110.0, 112.0, 114.0, 116.0]))
    assert images_per_second(WORK, 16.0, clock) == 16 / 2.0
    assert clock.asked == 8


def test_there_are_three_steps_however_long_they_take() -> None:
    clock = _Clock(iter([0.0, 1.0, 2.0, 12.0, 22.0, 32.0]))
    assert images_per_second(WORK, 1.0, clock) == 1.6
    assert clock.asked == 6


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_a_larger_network_is_slower_in_either_form(engine: TrainingEngineName) -> None:
    with computing_with(1):
        small, large = (
            images_per_second(replace(WORK, macro=Macro(channels, 1, (1, 8, 8), 3), engine=engine), 0.01)
            for channels in (4, 64)
        )
    assert 0 < large < small


def test_it_takes_steps_with_an_auxiliary_head_and_dropped_paths_and_draws_nothing_of_others() -> None:
    before = torch.random.get_rng_state()
    work = Work(Genotype.parse(DARTS_GENOTYPE), Macro(2, 3, (1, 8, 8), 3), 4, auxiliary=True, drops=True)
    assert images_per_second(work, 0.0) > 0
    assert torch.equal(torch.random.get_rng_state(), before)
