"""Differentiable top-k against independent solutions of the problem that it states."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, xlogy
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from dadarts.methods.relaxations.soft_top_k import soft_top_k

Vector = NDArray[np.float64]

ROW = st.lists(st.floats(-10, 10), min_size=2, max_size=16)
TEMPERATURE = st.floats(-3, 4).map(lambda power: 10.0**power)


def oracle(x: Vector, k: int, temperature: float) -> Vector:
    """The solution through scipy's root of the dual."""
    if k == len(x):
        return np.ones_like(x)
    z = temperature * (x - np.sort(x)[-k])
    t = brentq(lambda t: expit(z + t).sum() - k, -z.max() - 60, -z.min() + 60, xtol=1e-14, maxiter=1000)
    solution: Vector = expit(z + t)
    return solution


def row(seed: int, length: int, temperature: float) -> Tensor:
    """A float64 row whose entries still compete at that temperature."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(length, generator=draw, dtype=torch.float64) * 2 / max(1.0, temperature)


@given(x=ROW, temperature=TEMPERATURE, data=st.data())
@settings(deadline=None, max_examples=60)
def test_it_equals_the_root_of_its_dual(x: list[float], temperature: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(x)))
    y = soft_top_k(torch.tensor(x, dtype=torch.float64), k, temperature)
    np.testing.assert_allclose(y.numpy(), oracle(np.array(x), k, temperature), rtol=0, atol=1e-9)


@given(seed=st.integers(0, 10**6), temperature=st.sampled_from([0.1, 1.0, 50.0, 200.0]), data=st.data())
@settings(deadline=None, max_examples=40)
def test_no_random_feasible_point_beats_its_objective(seed: int, temperature: float, data: st.DataObject) -> None:
    m = data.draw(st.integers(2, 8))
    k = data.draw(st.integers(1, m))
    draw = np.random.default_rng(seed)
    x = draw.normal(size=m)
    y = soft_top_k(torch.from_numpy(x), k, temperature).numpy()

    def objective(p: Vector) -> float:
        return float(temperature * (x @ p) - (xlogy(p, p) + xlogy(1 - p, 1 - p)).sum())

    for _ in range(20):
        corners = np.stack([draw.permutation(np.arange(m) < k).astype(np.float64) for _ in range(5)])
        feasible = draw.dirichlet(np.ones(5)) @ corners
        step = draw.uniform()
        assert objective(y) >= objective(feasible.clip(0, 1)) - 1e-9
        # Near the optimum too, where a wrong optimum would be seen first.
        assert objective(y) >= objective(((1 - step / 10) * y + step / 10 * feasible).clip(0, 1)) - 1e-9


@pytest.mark.parametrize("temperature", [0.1, 1.0, 50.0, 200.0])
@pytest.mark.parametrize(("m", "k"), [(2, 1), (5, 2), (8, 1), (8, 7)])
def test_its_jacobian_is_the_closed_form(m: int, k: int, temperature: float) -> None:
    x = row(3, m, temperature)
    jacobian = torch.autograd.functional.jacobian(lambda x: soft_top_k(x, k, temperature), x)  # type: ignore[no-untyped-call]
    y = torch.from_numpy(oracle(x.numpy(), k, temperature))
    v = y * (1 - y)
    assert v.sum() > 1e-3
    expected = temperature * (v.diag() - v.outer(v) / v.sum())
    torch.testing.assert_close(jacobian, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 50.0, 200.0])
@pytest.mark.parametrize(("k", "masked"), [(1, False), (3, False), (2, True)])
def test_first_and_second_derivatives_pass_the_numerical_check(k: int, temperature: float, masked: bool) -> None:
    x = torch.stack([row(seed, 5, temperature) for seed in range(2)]).requires_grad_()
    mask = torch.tensor([True, True, False, True, True]) if masked else None
    y = soft_top_k(x, k, temperature, mask=mask).detach()
    assert bool(((y * (1 - y)).sum(dim=-1) > 1e-3).all())
    assert gradcheck(lambda x: soft_top_k(x, k, temperature, mask=mask), (x,))
    assert gradgradcheck(lambda x: soft_top_k(x, k, temperature, mask=mask), (x,))


@pytest.mark.parametrize("temperature", [4.0, 0.25, 64.0])
def test_the_original_gradient_leaves_out_exactly_the_factor_t(temperature: float) -> None:
    x = row(1, 6, temperature).requires_grad_()
    direction = torch.arange(6, dtype=torch.float64)
    exact, original = (
        torch.autograd.grad(soft_top_k(x, 2, temperature, exact_gradient=flag) @ direction, x)[0]
        for flag in (True, False)
    )
    # Powers of two: multiplying by T rounds nothing, so equal means equal.
    assert torch.equal(exact, temperature * original)
    assert bool(original.abs().max() > 1e-3)


def test_the_original_gradient_at_a_temperature_that_is_no_power_of_two() -> None:
    x = row(1, 6, 200.0).requires_grad_()
    direction = torch.arange(6, dtype=torch.float64)
    exact, original = (
        torch.autograd.grad(soft_top_k(x, 2, 200.0, exact_gradient=flag) @ direction, x)[0] for flag in (True, False)
    )
    torch.testing.assert_close(exact, 200.0 * original, rtol=1e-14, atol=0)


@given(
    x=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=64),
    temperature=st.floats(0, 1e6),
    data=st.data(),
)
@settings(deadline=None, max_examples=60)
def test_float32_rows_of_any_finite_numbers_sum_to_k(x: list[float], temperature: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(x)))
    y = soft_top_k(torch.tensor(x, dtype=torch.float32), k, temperature)
    assert y.dtype == torch.float32
    assert bool(((y >= 0) & (y <= 1)).all())
    assert abs(math.fsum(y.tolist()) - k) <= 1e-6 * max(1, k)


@given(
    x=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=64),
    temperature=st.floats(0, 1e6),
    data=st.data(),
)
@settings(deadline=None, max_examples=60)
def test_float64_rows_of_any_finite_numbers_sum_to_k(x: list[float], temperature: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(x)))
    y = soft_top_k(torch.tensor(x, dtype=torch.float64), k, temperature)
    assert bool(((y >= 0) & (y <= 1)).all())
    assert abs(math.fsum(y.tolist()) - k) <= 1e-12 * max(1, k)


@given(seed=st.integers(0, 10**6), scale=st.floats(-8, 8), temperature=TEMPERATURE, data=st.data())
@settings(deadline=None, max_examples=60)
def test_long_rows_at_every_scale_sum_to_k(seed: int, scale: float, temperature: float, data: st.DataObject) -> None:
    m = data.draw(st.integers(65, 600))
    k = data.draw(st.integers(1, m))
    x = 10.0**scale * torch.randn(4, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for dtype, bar in ((torch.float32, 2e-7 * m), (torch.float64, 1e-12 * max(1, k))):
        y = soft_top_k(x.to(dtype), k, temperature)
        assert bool(((y >= 0) & (y <= 1)).all())
        assert max(abs(math.fsum(line) - k) for line in y.tolist()) <= bar


@given(x=ROW, data=st.data())
@settings(deadline=None, max_examples=50)
def test_gradients_are_never_nan(x: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(x)))
    leaf = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    temperature = data.draw(st.floats(0, 1e6))
    (gradient,) = torch.autograd.grad(soft_top_k(leaf, k, temperature) @ torch.arange(len(x)).double(), leaf)
    assert bool(gradient.isfinite().all())


def test_a_row_without_doubt_has_zero_gradient() -> None:
    x = torch.tensor([1e8, 0.0, -1e8], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(soft_top_k(x, 1, 1e6)[0], x)
    assert torch.equal(gradient, torch.zeros(3, dtype=torch.float64))


@given(x=ROW, data=st.data())
@settings(deadline=None, max_examples=50)
def test_temperature_zero_gives_every_entry_k_over_m(x: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(x)))
    y = soft_top_k(torch.tensor(x, dtype=torch.float64), k, 0.0)
    torch.testing.assert_close(y, torch.full_like(y, k / len(x)), rtol=0, atol=1e-13)


@given(x=st.lists(st.integers(-50, 50), min_size=2, max_size=12, unique=True), data=st.data())
@settings(deadline=None, max_examples=50)
def test_a_high_temperature_gives_the_indicator_of_the_k_largest(x: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(x)))
    y = soft_top_k(torch.tensor(x, dtype=torch.float64), k, 1e6)
    largest = sorted(x)[-k:]
    np.testing.assert_allclose(y.numpy(), [float(value in largest) for value in x], rtol=0, atol=1e-12)


@given(x=st.lists(st.integers(0, 3), min_size=2, max_size=12), data=st.data())
@settings(deadline=None, max_examples=60)
def test_exact_ties_share_equally_at_a_high_temperature(x: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(x)))
    y = soft_top_k(torch.tensor(x, dtype=torch.float64), k, 1e6)
    threshold = sorted(x)[-k]
    above = sum(value > threshold for value in x)
    share = (k - above) / x.count(threshold)
    expected = [1.0 if value > threshold else share if value == threshold else 0.0 for value in x]
    np.testing.assert_allclose(y.numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 1e6])
def test_k_equal_to_the_length_gives_ones_and_no_gradient(temperature: float) -> None:
    x = torch.tensor([[1.0, -2.0, 3.0]], requires_grad=True)
    y = soft_top_k(x, 3, temperature)
    assert torch.equal(y, torch.ones(1, 3))
    (gradient,) = torch.autograd.grad((y * torch.tensor([1.0, 2.0, 3.0])).sum(), x)
    assert torch.equal(gradient, torch.zeros(1, 3))


def test_one_element_gives_one() -> None:
    assert soft_top_k(torch.tensor([5.0]), 1, 3.0).tolist() == [1.0]


@pytest.mark.parametrize("shape", [(0, 4), (2, 0, 4)])
def test_an_empty_batch_gives_an_empty_batch(shape: tuple[int, ...]) -> None:
    assert soft_top_k(torch.empty(shape), 2, 1.0).shape == shape


@pytest.mark.parametrize("leading", [(), (1,), (3,), (2, 3), (2, 1, 2)])
def test_any_leading_shape_solves_every_row_on_its_own(leading: tuple[int, ...]) -> None:
    x = torch.randn((*leading, 5), generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    y = soft_top_k(x, 2, 5.0)
    assert y.shape == x.shape
    for solved, line in zip(y.reshape(-1, 5), x.reshape(-1, 5), strict=True):
        np.testing.assert_allclose(solved.numpy(), oracle(line.numpy(), 2, 5.0), rtol=0, atol=1e-12)


@given(
    x=ROW,
    temperature=TEMPERATURE,
    data=st.data(),
)
@settings(deadline=None, max_examples=60)
def test_masked_entries_are_zero_and_the_rest_solve_the_shorter_row(
    x: list[float], temperature: float, data: st.DataObject
) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(x), max_size=len(x)))
    k = data.draw(st.integers(1, len(x)))
    y = soft_top_k(torch.tensor(x, dtype=torch.float64), k, temperature, mask=torch.tensor(mask))
    left = [value for value, kept in zip(x, mask, strict=True) if kept]
    assert y[~torch.tensor(mask)].tolist() == [0.0] * (len(x) - len(left))
    inside = y[torch.tensor(mask)]
    if len(left) <= k:
        assert inside.tolist() == [1.0] * len(left)
    else:
        alone = soft_top_k(torch.tensor(left, dtype=torch.float64), k, temperature)
        torch.testing.assert_close(inside, alone, rtol=0, atol=1e-12)


def test_masked_entries_get_no_gradient() -> None:
    x = torch.tensor([[3.0, 1.0, 2.0, 9.0]], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([True, True, True, False])
    (gradient,) = torch.autograd.grad(soft_top_k(x, 1, 1.0, mask=mask)[0, 0], x)
    assert gradient[0, 3] == 0
    assert bool((gradient[0, :3] != 0).all())


@pytest.mark.parametrize("k", [0, -1, 4])
def test_a_k_out_of_range_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=r"k must be in 1\.\.3"):
        soft_top_k(torch.zeros(3), k, 1.0)


@pytest.mark.parametrize("temperature", [-1.0, math.inf, math.nan])
def test_a_temperature_out_of_range_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be finite"):
        soft_top_k(torch.zeros(3), 1, temperature)
