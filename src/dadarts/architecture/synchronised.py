"""What several processes compute of one batch, of which they hold equal shares: the common state, and batch norm."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dadarts.distributed import ALONE, Processes


class Synchronised:
    """A module whose pass in training mode depends on the `processes` among which a batch is divided."""

    processes: Processes = ALONE


def synchronised_norm(norm: nn.BatchNorm2d, x: Tensor, processes: Processes) -> Tensor:
    """What `norm` in training mode makes of one process's share of a batch, (B, C, H, W); keeps running statistics."""
    y: Tensor
    y, mean, variance = _SynchronisedNorm.apply(x, norm.eps, processes)  # type: ignore[no-untyped-call]
    if norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None:
        count = processes.count * x.numel() // norm.num_features
        with torch.no_grad():
            norm.num_batches_tracked.add_(1)
            # Without a momentum it is the mean over all batches, as torch has it.
            part = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
            norm.running_mean.lerp_(mean, part)
            norm.running_var.lerp_(variance * (count / (count - 1)), part)
    return torch.addcmul(norm.bias[:, None, None], y, norm.weight[:, None, None]) if norm.affine else y


class _SynchronisedNorm(torch.autograd.Function):
    """Batch norm without parameters; also returns mean and variance.

    With the mean m_r and the variance v_r of every share, ``mean = avg m_r`` and ``variance = avg (v_r +
    (m_r - mean)^2)`` (Chan et al. 1979), which loses no digits where the mean is large. The gradient is that of the sum
    of all processes' losses: ``(g - avg g - y avg(g y)) / deviation``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float, processes: Processes) -> tuple[Tensor, Tensor, Tensor]:
        own = torch.stack(torch.batch_norm_update_stats(x, None, None, 0.0))
        means, variances = processes.gathered(own).unbind(dim=1)
        mean = means.mean(dim=0)
        variance = (variances + (means - mean).square()).mean(dim=0)
        ctx.processes, ctx.eps = processes, eps
        ctx.save_for_backward(x, mean, variance)
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, eps=eps), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None, None]:
        x, mean, variance = ctx.saved_tensors
        inverse = (variance + ctx.eps).rsqrt()
        # The sums depend on no weight, but CUDA computes them only where there is one.
        _, products, sums = torch.ops.aten.native_batch_norm_backward(
            gradient, x, torch.ones_like(mean), None, None, mean, inverse, True, ctx.eps, [False, True, True]
        )
        sums, products = ctx.processes.averaged([sums, products])
        count = x.numel() // x.shape[1]
        level, slope = (sums / count)[:, None, None], (inverse * products / count)[:, None, None]
        centred = x - mean[:, None, None]
        return torch.addcmul(gradient - level, centred, slope, value=-1).mul_(inverse[:, None, None]), None, None
