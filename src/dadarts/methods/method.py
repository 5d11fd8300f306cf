"""What a differentiable-NAS method is, as data: three losses, a relaxation for each, and how a search ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from dadarts.architecture.discretization import Rule
from dadarts.architecture.spaces import SearchSpace
from dadarts.methods.alphas import Activation
from dadarts.methods.penalties import Penalty, Pull
from dadarts.methods.relaxations import Relaxation, Soft
from dadarts.methods.relaxations.base import Temperatures
from dadarts.methods.schedules import Progress
from dadarts.methods.selection import Argmax, EigenvalueRise, Selection

Order = Literal["second", "first", "single-level", "none"]


@dataclass(frozen=True)
class Objective:
    """A loss as data: cross entropy under a relaxation's mixing weights, plus penalties."""

    relax: Relaxation = field(default_factory=Soft)
    penalties: tuple[Penalty, ...] = ()

    def resolved(self, space: SearchSpace) -> Objective:
        """With penalties as they act in a space; raises InputError where one cannot."""
        return replace(self, penalties=tuple(penalty.resolved(space) for penalty in self.penalties))


@dataclass(frozen=True)
class Method:
    """A differentiable-NAS method: three losses and a choice of relaxation for each.

    Args:
        weights: the weight step's objective, and every validation's.
        alphas: the architecture step's objective on the validation batch.
        look_ahead: the relaxation of the inner step ``w -> w'`` and of its derivative.
        correction: the relaxation of the finite-difference passes where it is not `look_ahead` (the original's).
        order: second-order, first-order (xi = 0), one level (both sets of parameters on the training loss), or none
            (alphas are never updated).
        epsilon: c of the finite difference, ``eps = c / ||grad_w' L_valid||``.
        amended: use the amended term of arXiv 1910.11831 in place of the second-order correction.
        sparsity: order of the entmax that makes W of alpha; 1 is softmax.
        retain: which genotype is read off at the end.
        activation: what makes W of alpha in softmax' place.
        channel_fraction: K, where 1/K of the supernet's channels go through operations.
        warm_up: part of the run (of each restart), in [0, 1), in which only w is trained.
        draws: K, where the architecture step does not differentiate through its relaxation, a `Gibbs`, but weighs K
            of its draws against each other.
        restarts: R, where the run is R searches of E / R epochs, each with w and alpha drawn anew; the genotype is
            then D of the mean of their last W.
        selection: what it is read off.
        stop: when the search ends before its last epoch.
    """

    weights: Objective = field(default_factory=Objective)
    alphas: Objective = field(default_factory=Objective)
    look_ahead: Relaxation = field(default_factory=Soft)
    correction: Relaxation | None = None
    order: Order = "second"
    epsilon: float = 0.01
    amended: bool = False
    sparsity: float = 1.0
    retain: str = "top2"
    activation: Activation = "softmax"
    channel_fraction: int = 1
    warm_up: float = 0.0
    draws: int | None = None
    restarts: int = 1
    selection: Selection = Argmax()
    stop: EigenvalueRise | None = None

    @property
    def relaxations(self) -> tuple[Relaxation, ...]:
        """Those of architecture step, weight step and inner step."""
        return self.alphas.relax, self.weights.relax, self.look_ahead

    def pull(self, progress: Progress) -> Pull | None:
        """The first that a penalty has, of architecture step and weight step; None where W is not pulled to D(W)."""
        found = (penalty.pull(progress) for penalty in (*self.alphas.penalties, *self.weights.penalties))
        return next((one for one in found if one is not None), None)

    def temperatures(self, progress: Progress, rule: Rule) -> Temperatures:
        """The first that a relaxation has, level by level."""
        found = [relaxation.temperatures(progress, rule) for relaxation in self.relaxations]
        return Temperatures(
            edge=next((one.edge for one in found if one.edge is not None), None),
            node=next((one.node for one in found if one.node is not None), None),
        )
