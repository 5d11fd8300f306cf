"""Relaxations that are none: the network of a pass is one that a genotype names, by D or by a draw."""

from __future__ import annotations

from abc import abstractmethod
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


class Drawn(Relaxation):
    """A discretization that is drawn: forward M is the draw, backward ``dM = dW`` (straight-through).

    Without a key, and where nothing is to be drawn, it is ``D(W)``, which draws tend to as they get harder.
    """

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        W = candidates.weights(alpha_NEO)
        if progress.key is None:
            return straight_through(discretize(W, candidates.rule, candidates.present), W)
        return straight_through(self.drawn(W.detach(), candidates, progress, progress.key), W)

    @abstractmethod
    def drawn(self, W_NEO: Tensor, candidates: Candidates, progress: Progress, key: int) -> Tensor:
        """What `discretize` could give, bool (N, E, O), as a pure function of the key."""

    def is_discrete(self, progress: Progress) -> bool:
        """At every epoch."""
        return True

    def without_noise(self, progress: Progress) -> Relaxation:
        """What draws tend to."""
        return Hard()
