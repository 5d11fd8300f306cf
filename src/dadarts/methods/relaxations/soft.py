"""Relaxations that leave the mixture soft."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dadarts.architecture.spaces import SearchSpace
from dadarts.errors import InputError
from dadarts.methods.alphas import Candidates
from dadarts.methods.relaxations.base import Relaxation, Weighting
from dadarts.methods.schedules import Linear, Progress, Schedule


@dataclass(frozen=True)
class Soft(Relaxation):
    """Plain DARTS: ``M = W`` (arXiv 1806.09055, equation 2)."""

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        return candidates.weights(alpha_NEO)


@dataclass(frozen=True)
class AuxiliarySkip(Relaxation):
    """DARTS with a skip connection beside every edge that has one among its operations (arXiv 2009.01027, equation 3).

    ``M[e, o] = W[e, o] + beta * [o is skip_connect]``: of stride 1 both are the identity; of stride 2 they share the
    weights of the edge's factorised reduction.

    Args:
        beta: the coefficient of the auxiliary connection.
    """

    beta: Schedule = Linear(1.0, 0.0)

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        return candidates.weights(alpha_NEO) + self.beta(progress) * candidates.skips

    def check(self, space: SearchSpace, weighting: Weighting) -> None:
        """Refuse a space without a skip connection to stand beside."""
        if not any(bool(places.any()) for kind in space.kinds for places in space.places_of("skip_connect", kind)):
            raise InputError(
                f"darts-minus needs a skip_connect to stand beside; search space {space.name} has none among its "
                "operations: choose another -method or -search_space"
            )
