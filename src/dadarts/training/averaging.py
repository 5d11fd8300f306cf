"""The mean of a network's weights over the last steps of its training, which is judged and kept in their place."""

from __future__ import annotations

import copy

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from dadarts.architecture.network import Network


class Average:
    """An exponential moving average of weights: those of so many steps ago count half.

    It begins as the weights do. Torch's `AveragedModel` without its walk through all modules in every step, which takes
    as long as the average. Running statistics stay those of the beginning until they are gathered anew.

    References: Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; a horizon that is a
    part of the training: arXiv 2312.02696, section 3.

    Args:
        trained: whose weights are averaged.
        half_life: in steps.

    Attributes:
        network: a copy with the averaged weights.
    """

    def __init__(self, trained: Network, half_life: float) -> None:
        self.network = copy.deepcopy(trained)
        self._move = get_ema_multi_avg_fn(0.5 ** (1 / half_life))  # type: ignore[no-untyped-call]
        self._averages, self._weights = list(self.network.parameters()), list(trained.parameters())

    @torch.no_grad()
    def update(self) -> None:
        """Take a step's weights in."""
        self._move(self._averages, self._weights, None)
