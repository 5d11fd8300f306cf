"""The relaxation that is none: the network of the pass is the network that the genotype names."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dadarts.architecture.discretization import discretize
from dadarts.methods.alphas import Candidates
from dadarts.methods.relaxations.base import Relaxation, straight_through
from dadarts.methods.relaxations.soft import Soft
from dadarts.methods.schedules import Progress


@dataclass(frozen=True)
class Hard(Relaxation):
    """Hard discretization: ``M = D(W)`` in the forward pass, ``dM = dW`` in the backward pass (straight-through).

    Args:
        start: epoch from which the pass is hard; before it, ``M = W``.
    """

    start: int = 0

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        W = candidates.weights(alpha_NEO)
        if progress.epoch < self.start:
            return W
        return straight_through(discretize(W, candidates.rule, candidates.present), W)

    def is_discrete(self, progress: Progress) -> bool:
        """From its first epoch on."""
        return progress.epoch >= self.start

    def without_noise(self, progress: Progress) -> Relaxation:
        """Before its first epoch it is `Soft`."""
        return Hard() if self.is_discrete(progress) else Soft()
