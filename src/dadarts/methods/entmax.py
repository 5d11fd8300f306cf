"""Entmax: a softmax that can give exact zeros (arXiv 1905.05702)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_BISECTIONS = 64


def entmax(x: Tensor, order: float, mask: Tensor | None = None) -> Tensor:
    """``argmax_p <x, p> + H_order(p)`` over the simplex (Tsallis entropy), along the last axis.

    The solution is ``p_j = max(0, (order - 1) x_j - tau)^(1 / (order - 1))``; order 2 is sparsemax, and order to 1
    tends to softmax. Gradient (proposition 1 there), with ``s = p^(2 - order)`` on the support:
    ``dp/dx = diag(s) - s s^T / sum(s)``; it is itself differentiable.

    Args:
        x: finite values, shape (..., m).
        order: above 1.
        mask: bool, broadcastable to x; entries that are False get 0.

    Raises:
        ValueError: order is not above 1.
    """
    if not order > 1:
        raise ValueError(f"the order of entmax must be above 1, got {order}")
    entries = torch.ones_like(x, dtype=torch.bool) if mask is None else mask.expand_as(x)
    result: Tensor = _Entmax.apply(x, entries, order)  # type: ignore[no-untyped-call]
    return result


class _Entmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, order: float) -> Tensor:
        given, x = x.dtype, x if x.device.type == "mps" else x.double()
        z = ((x - x.masked_fill(~mask, -torch.inf).amax(dim=-1, keepdim=True)) * (order - 1)).masked_fill(
            ~mask, -torch.inf
        )
        # The largest entry alone reaches a sum of 1 at tau = -1, and m equal ones at tau = -(1/m)^(order - 1).
        low = torch.full_like(z[..., :1], -1.0)
        high = torch.zeros_like(low)
        for _ in range(_BISECTIONS):
            tau = (low + high) / 2
            above = (z - tau).clamp(min=0).pow(1 / (order - 1)).sum(dim=-1, keepdim=True) >= 1
            low, high = torch.where(above, tau, low), torch.where(above, high, tau)
        p = (z - low).clamp(min=0).pow(1 / (order - 1))
        p = (p / p.sum(dim=-1, keepdim=True)).to(given)
        ctx.save_for_backward(p)
        ctx.order = order
        return p

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (p,) = ctx.saved_tensors
        s = torch.where(p > 0, torch.where(p > 0, p, torch.ones_like(p)).pow(2 - ctx.order), torch.zeros_like(p))
        mean = (s * grad).sum(dim=-1, keepdim=True) / s.sum(dim=-1, keepdim=True)
        return s * (grad - mean), None, None
