"""How numbers move with the progress of a run."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dadarts.methods.schedules import Constant, Late, Linear, Progress, cosine


@given(epochs=st.integers(1, 1000), data=st.data())
def test_a_linear_schedule_is_max_times_e_over_E(epochs: int, data: st.DataObject) -> None:  # noqa: N802
    epoch = data.draw(st.integers(0, epochs - 1))
    assert Linear(0.0, 200.0)(Progress(epoch, epochs)) == pytest.approx(200.0 * epoch / epochs, abs=1e-12)


def test_a_linear_schedule_starts_at_its_start_and_stays_below_its_end() -> None:
    values = [Linear(1.0, 3.0)(Progress(epoch, 50)) for epoch in range(50)]
    assert values[0] == 1.0
    assert values == sorted(values)
    assert values[-1] == pytest.approx(1.0 + 2.0 * 49 / 50)


def test_a_constant_schedule_ignores_progress() -> None:
    assert {Constant(7.0)(Progress(epoch, 10)) for epoch in range(10)} == {7.0}


@pytest.mark.parametrize(("start", "end", "epochs"), [(0.025, 0.001, 50), (0.025, 0.0, 600), (0.1, 0.01, 1)])
def test_cosine_equals_the_schedule_of_torch(start: float, end: float, epochs: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=start)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, eta_min=end)
    for epoch in range(epochs):
        assert cosine(start, end, Progress(epoch, epochs)) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        scheduler.step()


def test_cosine_is_half_way_at_half_time() -> None:
    assert cosine(1.0, 0.0, Progress(25, 50)) == pytest.approx(0.5)
    assert cosine(1.0, 0.0, Progress(49, 50)) == pytest.approx((1 + math.cos(math.pi * 0.98)) / 2)


def test_late_is_zero_in_the_first_part_and_then_linear_in_the_whole() -> None:
    values = [Late(0.5, 4.0)(Progress(epoch, 8)) for epoch in range(8)]
    assert values == [0, 0, 0, 0, 2.0, 2.5, 3.0, 3.5]


def test_a_step_draws_from_its_seed_its_epoch_and_itself_alone() -> None:
    key = 1_541_399_769_501_860_261
    # Another key would give every search that draws another result than the ones that were published.
    assert Progress(3, 9).at_step(42, 5) == Progress(3, 9, key)
    assert Progress(3, 50, 1).at_step(42, 5).key == key
    others = [Progress(3, 9).at_step(43, 5), Progress(2, 9).at_step(42, 5), Progress(3, 9).at_step(42, 4)]
    assert len({key, *(other.key for other in others)}) == 4
