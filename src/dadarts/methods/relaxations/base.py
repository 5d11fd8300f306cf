"""What every relaxation answers for itself, so that nobody else need know which relaxations there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Tensor

from dadarts.architecture.discretization import Rule
from dadarts.architecture.spaces import SearchSpace
from dadarts.errors import InputError
from dadarts.methods.alphas import Activation, Candidates
from dadarts.methods.schedules import Progress


class Weighting(Protocol):
    """What makes W of alpha in a method."""

    @property
    def activation(self) -> Activation: ...

    @property
    def sparsity(self) -> float: ...


@dataclass(frozen=True)
class Temperatures:
    """How hard a relaxation is at an epoch, for a row of history; None where it has no such level."""

    edge: float | None = None
    node: float | None = None


class Relaxation(ABC):
    """How alpha becomes the mixing weights M of a forward pass; a subclass is a frozen dataclass."""

    weighs_draws: ClassVar[bool] = False
    """Whether a method may weigh several of its draws against each other, by `advantages`."""
    unaided: ClassVar[str] = ""
    """What was seen where alphas are trained under it with neither discrete passes of the weight step nor a
    discretization loss, if that was bad."""

    @abstractmethod
    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        """Mixing weights (N, E, O) of the stacked nodes of all kinds of cells, differentiable in alpha.

        What is drawn is a pure function of ``progress.key``; without a key nothing is.
        """

    def is_discrete(self, progress: Progress) -> bool:
        """Whether a training pass at this epoch multiplies operations by 0 or 1 alone, whatever alpha is."""
        return False

    def without_noise(self, progress: Progress) -> Relaxation:
        """The relaxation that acts at this epoch where nothing is drawn: what a validation measures."""
        return self

    def temperatures(self, progress: Progress, rule: Rule) -> Temperatures:
        """What history says of its hardness under a space's rule."""
        return Temperatures()

    def advantages(self, W_NEO: Tensor, drawn: Tensor, losses: Tensor, progress: Progress) -> Tensor:
        """A scalar whose gradient is an unbiased estimate of that of ``E L(M)``, where it `weighs_draws`.

        Args:
            W_NEO: differentiable in alpha.
            drawn: (K, N, E, O), mixing weights that it drew.
            losses: (K,), what each of them lost on the same batch.

        Raises:
            InputError: it weighs none.
        """
        raise InputError(f"{type(self).__name__} weighs no draws against each other")

    def notes(self, rule: Rule) -> Iterator[str]:
        """What is to be said before it acts under a space's rule: what of it does nothing there."""
        yield from ()

    def check(self, space: SearchSpace, weighting: Weighting) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: a parameter is out of range, or the space or the weighting is none that it is for.
        """
        return


def straight_through(forward_NEO: Tensor, backward_NEO: Tensor) -> Tensor:
    """The value of one tensor with the derivative of another (arXiv 1308.3432)."""
    # The difference is exactly 0, so the value is exact, too.
    return forward_NEO.to(backward_NEO) + (backward_NEO - backward_NEO.detach())
