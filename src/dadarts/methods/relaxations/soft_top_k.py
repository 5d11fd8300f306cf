"""Differentiable top-k: the entropy-regularised relaxation of "the k largest"."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_NEWTON_STEPS = 200


def soft_top_k(
    x: Tensor,
    k: int,
    temperature: float,
    *,
    mask: Tensor | None = None,
    exact_gradient: bool = True,
) -> Tensor:
    """Membership of each entry among the k largest of its row, relaxed.

    Solves ``max_y T<x, y> + sum_j H_b(y_j)`` subject to ``sum_j y_j = k``, ``0 <= y <= 1`` (H_b: binary entropy),
    whose solution is ``y_j = sigmoid(T x_j + t)`` with the one ``t`` that makes the sum k. T = 0 gives k/m; T to
    infinity the indicator of the k largest, shared equally among exact ties.

    Gradient (implicit function theorem), ``v = y (1 - y)``: ``dy/dx = T (diag(v) - v v^T / sum(v))``, and 0 where
    ``sum(v) = 0``. It is itself differentiable.

    >>> soft_top_k(torch.tensor([3.0, 1.0, 2.0]), k=2, temperature=100.0).round().tolist()
    [1.0, 0.0, 1.0]

    Args:
        x: finite values, shape (..., m).
        k: how many entries a row shares out, 0 < k <= m; k = m gives ones.
        temperature: T >= 0; larger is harder.
        mask: bool, broadcastable to x; entries that are False take no part and get y = 0. Rows with at most k
            entries left get ones at those.
        exact_gradient: False leaves out the factor T, as the original DADARTS did.

    Raises:
        ValueError: k or temperature out of range.
    """
    m = x.shape[-1]
    if not 0 < k <= m:
        raise ValueError(f"k must be in 1..{m} for rows of length {m}, got {k}")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be finite and >= 0, got {temperature}")
    entries = torch.ones_like(x, dtype=torch.bool) if mask is None else mask.expand_as(x)
    result: Tensor = _SoftTopK.apply(  # type: ignore[no-untyped-call]
        x, entries, k, temperature, temperature if exact_gradient else 1.0
    )
    return result


class _SoftTopK(torch.autograd.Function):
    """`solve` with the implicit gradient; its backward uses only the output, so it can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, k: int, temperature: float, scale: float) -> Tensor:
        y = solve(x, mask, k, temperature)
        ctx.save_for_backward(y)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        (y,) = ctx.saved_tensors
        v = y * (1 - y)
        total = v.sum(dim=-1, keepdim=True)
        # Where total is 0 every v is 0 too, and so is the gradient; the 1 only keeps 0/0 out.
        mean = (v * grad).sum(dim=-1, keepdim=True) / torch.where(total > 0, total, torch.ones_like(total))
        return ctx.scale * v * (grad - mean), None, None, None, None


def solve(x: Tensor, mask: Tensor, k: int, temperature: float) -> Tensor:
    """The y of `soft_top_k`, all rows at once, by a safeguarded Newton iteration on the dual.

    The sum of ``sigmoid(z_j + s)`` grows with s; with ``z = T (x - kth largest)``, clamped to +-1000 because T x
    itself may overflow, the root lies in a bracket known in advance. Newton steps that leave the bracket are
    replaced by bisection. Half-way between the kth and the next entry is where the iteration starts and, when the
    temperature is high, already ends.

    Raises:
        FloatingPointError: no convergence, which would be a bug: bisection alone reaches rounding.
    """
    trivial = mask.sum(dim=-1, keepdim=True) <= k
    # Rows without a choice to make are answered above; the iteration only needs a k that it can solve for.
    k = max(1, min(k, x.shape[-1] - 1))
    # Float32 rows are solved in float64 too, where the device has it: s would be too coarse for long rows.
    work = x.double() if x.device.type != "mps" else x
    leading = work.masked_fill(~mask, torch.finfo(work.dtype).min).topk(min(k + 1, x.shape[-1]), dim=-1).values
    z = _scaled_difference(work, leading[..., k - 1 : k], temperature)
    s = _scaled_difference(leading[..., k - 1 : k], leading[..., -1:], temperature) / 2
    tolerance = (1e-13 if work.dtype == torch.float64 else 5e-7) * max(1, k)
    low, high = torch.full_like(s, -1040.0), torch.full_like(s, 1040.0)
    for _ in range(_NEWTON_STEPS):
        y = torch.sigmoid(z + s).masked_fill(~mask, 0)
        error = y.sum(dim=-1, keepdim=True) - k
        done = (error.abs() <= tolerance) | trivial
        if bool(done.all()):
            return torch.where(trivial, mask, y).to(x.dtype)
        low, high = torch.where(error < 0, s, low), torch.where(error > 0, s, high)
        newton = s - error / (y * (1 - y)).sum(dim=-1, keepdim=True)
        inside = (newton > low) & (newton < high)
        s = torch.where(done, s, torch.where(inside, newton, (low + high) / 2))
    raise FloatingPointError("soft_top_k did not converge")


def _scaled_difference(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    # Halves first: the difference of two finite numbers may overflow, that of their halves cannot.
    return ((a / 2 - b / 2) * (2 * temperature)).clamp(-1000.0, 1000.0)
