"""Native kernels that stand by themselves: pools and projections, as functions that autograd knows."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dadarts.engines.native import Kernels
from dadarts.engines.native.decompose import Pool, Projection

Raw: TypeAlias = tuple[Tensor, Tensor | None]
"""An operation's output before its batch norm, and the norm (2, C) to apply, None where there is none."""


def pooled(kernels: Kernels, pool: Pool, x: Tensor) -> Raw:
    """A pool's output before its norm, and the norm, a constant here: who applies it differentiates through it."""
    raw: Raw = _Pooled.apply(kernels, pool, x)  # type: ignore[no-untyped-call]
    return raw


def projected(kernels: Kernels, projection: Projection, x: Tensor, normed: bool) -> Raw:
    """A projection's output before its norm, or with `normed` behind it, and the norm, a constant here too."""
    raw: Raw = _Projected.apply(kernels, projection, normed, x, projection.weight)  # type: ignore[no-untyped-call]
    return raw


class _Projected(torch.autograd.Function):
    """What `projected` returns. Of a normed one the output is saved, not what it was before: it is needed anyway."""

    @staticmethod
    def forward(ctx: Any, kernels: Kernels, projection: Projection, normed: bool, x: Tensor, weight: Tensor) -> Raw:
        y, norm = kernels.project_forward(x, weight, projection.stride, projection.eps, normed)
        ctx.kernels, ctx.stride = kernels, projection.stride
        ctx.save_for_backward(x, weight, *((y, norm) if normed else ()))
        ctx.mark_non_differentiable(norm)
        return y, norm

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *behind = ctx.saved_tensors
        source = gradient.contiguous(memory_format=torch.channels_last), *(behind or (None, None))
        return None, None, None, *ctx.kernels.project_backward(x, weight, ctx.stride, source, ctx.needs_input_grad[3:])


class _Pooled(torch.autograd.Function):
    """What `pooled` returns."""

    @staticmethod
    def forward(ctx: Any, kernels: Kernels, pool: Pool, x: Tensor) -> Raw:
        ctx.kernels, ctx.pool = kernels, pool
        if pool.maximum:
            y, winners, norm = kernels.maximum_forward(pool.window, x, pool.eps)
            ctx.save_for_backward(winners)
        else:
            y, norm = kernels.average_forward(pool.window, x, pool.eps)
        ctx.shape = x.shape
        if norm is not None:
            ctx.mark_non_differentiable(norm)
        return y, norm

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor | None) -> tuple[None, None, Tensor]:
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        x_grad = torch.empty(ctx.shape, dtype=gradient.dtype, memory_format=torch.channels_last)
        if ctx.pool.maximum:
            ctx.kernels.maximum_backward(ctx.pool.window, gradient, *ctx.saved_tensors, x_grad)
        else:
            ctx.kernels.average_backward(ctx.pool.window, gradient, x_grad)
        return None, None, x_grad
