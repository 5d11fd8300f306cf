"""Entmax against the package of its authors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from entmax import entmax_bisect
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from dadarts.methods.entmax import entmax

ORDERS = [1.2, 1.5, 2.0, 3.0]


def rows(seed: int = 0, shape: tuple[int, ...] = (4, 6)) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("order", ORDERS)
@given(x=st.lists(st.floats(-20, 20), min_size=1, max_size=12))
@settings(deadline=None, max_examples=20)
def test_it_equals_the_reference_implementation(order: float, x: list[float]) -> None:
    z = torch.tensor([x], dtype=torch.float64)
    torch.testing.assert_close(entmax(z, order), entmax_bisect(z, alpha=order, n_iter=60), rtol=0, atol=1e-9)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("masked", [False, True])
def test_first_and_second_derivatives_pass_the_numerical_check(order: float, masked: bool) -> None:
    x = rows(5, (2, 5)).requires_grad_()
    mask = torch.tensor([True, False, True, True, True]) if masked else None
    p = entmax(x, order, mask).detach()
    # Away from the places where an entry enters the support, which have no second derivative.
    assert float(p[p > 0].min()) > 1e-5
    assert gradcheck(lambda x: entmax(x, order, mask), (x,))
    assert gradgradcheck(lambda x: entmax(x, order, mask), (x,))


@pytest.mark.parametrize("order", ORDERS)
def test_masked_entries_are_zero_and_the_rest_solve_the_shorter_row(order: float) -> None:
    x = rows(1)
    mask = torch.tensor([[True] * 6, [False, True] * 3, [True, False, False, True, True, True], [False] * 5 + [True]])
    p = entmax(x, order, mask)
    assert bool((p[~mask] == 0).all())
    for line, kept, alone in zip(p, mask, x, strict=True):
        torch.testing.assert_close(line[kept], entmax(alone[kept], order), rtol=0, atol=1e-12)


def test_masked_entries_get_no_gradient() -> None:
    x = rows(1, (1, 4)).requires_grad_()
    mask = torch.tensor([True, True, False, True])
    (gradient,) = torch.autograd.grad((entmax(x, 1.5, mask) * torch.arange(4.0)).sum(), x)
    assert gradient[0, 2] == 0
    assert bool((gradient != 0).any())


def test_the_order_tending_to_one_tends_to_softmax() -> None:
    x = rows(2)
    distances = [float((entmax(x, 1 + gap) - x.softmax(-1)).abs().max()) for gap in (1e-1, 1e-2, 1e-3, 1e-4)]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-4


def test_order_two_gives_exact_zeros() -> None:
    # Sparsemax by hand: the threshold of (2, 1.5, 0) is (2 + 1.5 - 1) / 2 = 1.25.
    p = entmax(torch.tensor([2.0, 1.5, 0.0], dtype=torch.float64), 2.0)
    np.testing.assert_allclose(p.numpy(), [0.75, 0.25, 0.0], rtol=0, atol=1e-12)
    assert p[2] == 0


@given(x=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=12), order=st.floats(1.01, 4))
@settings(deadline=None, max_examples=50)
def test_any_finite_row_gives_a_point_of_the_simplex(x: list[float], order: float) -> None:
    p = entmax(torch.tensor(x, dtype=torch.float64), order)
    assert bool((p >= 0).all())
    assert abs(math.fsum(p.tolist()) - 1) <= 1e-12


@pytest.mark.parametrize("order", [1.0, 0.5, -1.0, math.nan])
def test_an_order_that_is_not_above_one_is_refused(order: float) -> None:
    with pytest.raises(ValueError, match="above 1"):
        entmax(torch.zeros(3), order)
