"""Batch norms of the supernet and of the discrete network, in one process or over several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dadarts.architecture.synchronised import Synchronised, synchronised_norm
from dadarts.distributed import Processes

_NARROW = 8
"""Fewer channels than this are normalised in NCHW on a CPU."""


class BatchNorm(Synchronised, nn.BatchNorm2d):
    """Batch norm over pictures of any memory format, returned in the same.

    In training mode its statistics are those of the batches of all `processes` together; `synchronise` sets them.
    Torch's CPU kernel for channels_last takes four to eight times as long as the one for NCHW where there are fewer
    than 8 channels; those are normalised in NCHW.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta:
            # A shape is all that is asked for, and torch takes milliseconds to find it.
            return x.new_empty(x.shape)
        if self.num_features >= _NARROW or x.device.type != "cpu" or x.is_contiguous():
            return self._normalised(x)
        return self._normalised(x.contiguous()).contiguous(memory_format=torch.channels_last)

    def _normalised(self, x: Tensor) -> Tensor:
        if not (self.training and self.processes.several):
            return super().forward(x)
        return synchronised_norm(self, x, self.processes)


def synchronise(network: nn.Module, processes: Processes) -> None:
    """Let every pass in training mode be that of one global batch, of which each process computes its share.

    Batch norms then use the statistics of all shares, and `noise` is drawn for the global batch. In evaluation mode a
    batch stays that of its process alone.
    """
    for module in network.modules():
        if isinstance(module, Synchronised):
            module.processes = processes


@contextmanager
def averaging(network: nn.Module) -> Iterator[None]:
    """Begin all running statistics anew, as plain means over the batches that pass in here in training mode."""
    norms = [module for module in network.modules() if isinstance(module, BatchNorm) and module.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def batch_norm(channels: int, affine: bool) -> BatchNorm:
    """Batch norm of a supernet (``affine=False``: stateless) or of a discrete network."""
    return BatchNorm(channels, affine=affine, track_running_stats=affine)


def pool_norm(channels: int, affine: bool) -> BatchNorm:
    """The affine-free batch norm behind a pool; running statistics only in a discrete network."""
    return BatchNorm(channels, affine=False, track_running_stats=affine)
