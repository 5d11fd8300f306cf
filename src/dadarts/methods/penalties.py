"""What is added to a loss: functions of alpha and of the progress of the run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from dadarts.architecture.discretization import discretize
from dadarts.architecture.spaces import SearchSpace
from dadarts.errors import InputError
from dadarts.methods.alphas import Alphas, Candidates, concentration
from dadarts.methods.schedules import Constant, Linear, Progress, Schedule

Target = Literal["none", "zero"]


def discretization_target(W_NEO: Tensor, candidates: Candidates, target: Target) -> Tensor:
    """What the discretization loss pulls W towards; constant with respect to alpha.

    ``none``: D(W) with a 1 at `none` on every edge that D drops, so that every row sums to 1 and can be reached.
    ``zero``: D(W) itself, whose dropped rows are zero (the original's, which a softmax row cannot reach).
    """
    D = discretize(W_NEO, candidates.rule, candidates.present).to(W_NEO.dtype)
    if target == "zero":
        return D
    dropped = (1 - D.sum(dim=-1)) * candidates.present[..., -1]
    return torch.cat((D[..., :-1], (D[..., -1] + dropped).unsqueeze(-1)), dim=-1)


def default_target(choice: SearchSpace | Candidates) -> Target:
    """``none`` where every edge has a `none` that the rule bans, so that the target can be reached; else ``zero``."""
    return "none" if choice.none_everywhere else "zero"


def discretization_distance(
    W_NEO: Tensor, candidates: Candidates, target: Target, kinds: tuple[str, ...] | None = None
) -> Tensor:
    """``L_DAL``: mean over kinds and nodes of the mean squared distance of W from its own discretization."""
    squared = (W_NEO - discretization_target(W_NEO, candidates, target)).square() * candidates.present
    per_node = squared.sum(dim=(-2, -1)) / candidates.present.sum(dim=(-2, -1))
    if kinds is None:
        return per_node.mean()
    return per_node[[number for number, kind in enumerate(candidates.kinds) if kind in kinds]].mean()


@dataclass(frozen=True)
class Pull:
    """How a penalty pulls W to its own discretization at an epoch.

    Args:
        factor: lambda.
        target: see `discretization_target`; None where it is left to the space.
    """

    factor: float
    target: Target | None


class Penalty(ABC):
    """What is added to a loss; a subclass is a frozen dataclass."""

    @abstractmethod
    def __call__(self, alphas: Alphas, progress: Progress) -> Tensor:
        """A scalar, differentiable in alpha."""

    def pull(self, progress: Progress) -> Pull | None:
        """What history says of how it pulls W to D(W); None where it pulls elsewhere."""
        return None

    def follow(self, alphas: Alphas, rate: float) -> None:
        """Move what the penalty has of its own, after a step of the alphas at a learning rate."""
        return

    def resolved(self, space: SearchSpace) -> Penalty:
        """The penalty with what it leaves to the space filled in.

        Raises:
            InputError: it cannot act in this space.
        """
        return self


@dataclass(frozen=True)
class DiscretizationLoss(Penalty):
    """``lambda * L_DAL``, the discretization additional loss.

    Args:
        factor: lambda.
        start: epoch from which it acts.
        target: see `discretization_target`; None lets the space decide (``none`` where it can be reached).
        kinds: kinds of cells it acts on; None is all.
    """

    factor: Schedule = Constant(1.0)
    start: int = 0
    target: Target | None = None
    kinds: tuple[str, ...] | None = None

    def pull(self, progress: Progress) -> Pull:
        """With lambda at this epoch, 0 before `start`."""
        return Pull(self.factor(progress) if progress.epoch >= self.start else 0.0, self.target)

    def __call__(self, alphas: Alphas, progress: Progress) -> Tensor:
        W = alphas.weights()
        target = self.target or default_target(alphas.candidates)
        return self.pull(progress).factor * discretization_distance(W, alphas.candidates, target, self.kinds)

    def resolved(self, space: SearchSpace) -> DiscretizationLoss:
        """With the target that the space can reach."""
        if self.kinds is not None and not set(self.kinds) <= set(space.kinds):
            raise InputError(f"the discretization loss names cells {self.kinds}; {space.name} has {space.kinds}")
        if self.target == "none" and not space.none_everywhere:
            raise InputError(
                f"-dal_target none needs a `none` on every edge that may not be chosen; search space {space.name} has "
                "none such, use -dal_target zero"
            )
        return replace(self, target=self.target or default_target(space))


@dataclass(frozen=True)
class BetaDecay(Penalty):
    """Beta regularisation: ``factor * mean over rows of logsumexp(alpha)`` (arXiv 2203.01665, equation 10)."""

    factor: Schedule = Linear(0.0, 50.0)

    def __call__(self, alphas: Alphas, progress: Progress) -> Tensor:
        present = alphas.candidates.present
        edges = present.any(dim=-1)
        rows = alphas.stacked()[edges].masked_fill(~present[edges], -torch.inf).logsumexp(dim=-1)
        return self.factor(progress) * rows.mean()


@dataclass(frozen=True)
class NonePenalty(Penalty):
    """``factor * sum over nodes of (sum_e W[e, none] - mean of the node's other entries)`` for one kind of cell."""

    kind: str
    factor: float

    def __call__(self, alphas: Alphas, progress: Progress) -> Tensor:
        total = torch.zeros((), device=alphas.candidates.present.device)
        nodes = alphas.split(alphas.weights())[self.kind]
        places = alphas.split(alphas.candidates.present)[self.kind]
        for W, present in zip(nodes, places, strict=True):
            total = total + W[:, -1].sum() - W[:, :-1].sum() / present[:, :-1].sum()
        return self.factor * total

    def resolved(self, space: SearchSpace) -> NonePenalty:
        """Itself, where there is a `none` to penalise."""
        if self.kind not in space.kinds:
            raise InputError(f"search space {space.name} has no {self.kind} cells to penalise `none` in")
        if not all("none" in edge for node in space.candidates[self.kind] for edge in node):
            raise InputError(f"search space {space.name} has no `none` to penalise")
        return self


@dataclass(frozen=True)
class DirichletDivergence(Penalty):
    """``factor * sum over edges of KL(Dir(c) || Dir(1))``, ``c = elu(alpha) + 1`` (DrNAS, arXiv 2006.10355).

    With n operations on an edge, psi the digamma function and sums over them,

        KL = log Gamma(sum c) - sum log Gamma(c) - log Gamma(n) + sum (c - 1) (psi(c) - psi(sum c))
    """

    factor: Schedule = Constant(1e-3)

    def __call__(self, alphas: Alphas, progress: Progress) -> Tensor:
        present = alphas.candidates.present
        # At c = 1 a place adds 0 to every sum over places but that of c.
        c = torch.where(present, concentration(alphas.stacked()), 1.0)
        total = (c * present).sum(dim=-1)
        edges = present.any(dim=-1)
        per_place = -c.lgamma() + (c - 1) * (c.digamma() - total.where(edges, 1.0).digamma().unsqueeze(-1))
        per_edge = total.where(edges, 1.0).lgamma() - present.sum(dim=-1).clamp_min(1).to(c).lgamma()
        return self.factor(progress) * ((per_place * present).sum() + per_edge.sum())


@dataclass(frozen=True)
class ZeroOneLoss(Penalty):
    """``-factor * mean over all operations of all edges of (W - 0.5)^2``: W away from indecision (arXiv 1911.12126)."""

    factor: Schedule = Constant(10.0)

    def __call__(self, alphas: Alphas, progress: Progress) -> Tensor:
        return -self.factor(progress) * (alphas.weights()[alphas.candidates.present] - 0.5).square().mean()


@dataclass(frozen=True)
class EntropyLoss(Penalty):
    """The entropy losses of DA2S (arXiv 2007.03154), with an edge's best allowed weight for its strength.

    ``operations * mean over edges of H(W_e) + edges * mean over nodes of [H(p) + (sum_e p_e - k)^2]``, where
    ``H(x) = -sum x log x``, ``p_e = max over allowed o of W[e, o]`` and k is what the rule keeps at the node. The
    second mean is over nodes that have more than k edges, and 0 where the rule keeps all.

    Args:
        operations: the factor of the operations' entropy.
        edges: the factor of the edges' term.
    """

    operations: Schedule = Linear(0.0, 2.8)
    edges: Schedule = Linear(0.0, 2.4)

    def __call__(self, alphas: Alphas, progress: Progress) -> Tensor:
        W, candidates = alphas.weights(), alphas.candidates
        present = candidates.present
        total: Tensor = self.operations(progress) * _entropy(W)[present.any(dim=-1)].mean()
        keeps = candidates.rule.edges
        choosable = candidates.open.any(dim=-1)
        crowded = choosable.sum(dim=-1) > (keeps or 0)
        if keeps is None or not bool(crowded.any()):
            return total
        strength = W.masked_fill(~candidates.open, 0).amax(dim=-1)[crowded]
        at_nodes = _entropy(strength) + (strength.sum(dim=-1) - keeps).square()
        return total + self.edges(progress) * at_nodes.mean()


@dataclass(frozen=True)
class ExpectedCost(Penalty):
    """``sum over limits of price * excess``: the Lagrangian of alphas whose expected cost keeps to a search's limits.

    With c what a place costs, k how many edges a node keeps, and sums over the places that the rule lets a node choose,

        C(W) = rest + sum over nodes of k (sum_(e,o) W[e,o] c[e,o]) / (sum_(e,o) W[e,o])
        excess = (C(W) - limit) / (cost of the largest network - cost of the smallest).

    C is the cost of D(W) where W is 1 there and 0 on all other allowed places, and the mean over all networks where W
    is uniform. After every step of the alphas the price is raised, or lowered as far as 0, by dual ascent
    (Arrow, Hurwicz & Uzawa, 1958), ``price = max(0, price + rate * alpha_lr * excess)``: it grows as long as the
    limit is not kept. Without a limit it is 0.

    Args:
        rate: how fast, in learning rates of the alphas.
    """

    rate: float = 10.0

    def __call__(self, alphas: Alphas, progress: Progress) -> Tensor:
        return (alphas.prices * excesses(alphas.weights(), alphas.candidates)).sum()

    @torch.no_grad()
    def follow(self, alphas: Alphas, rate: float) -> None:
        """Dual ascent of the prices."""
        excess = excesses(alphas.weights(), alphas.candidates)
        alphas.prices.add_(self.rate * rate * excess.to(alphas.prices)).clamp_min_(0)


def excesses(W_NEO: Tensor, candidates: Candidates) -> Tensor:
    """By how much the expected cost is above each limit, in parts of the range of the space's networks: (L,)."""
    places, rule = candidates.open, candidates.rule
    choosable = places.any(dim=-1).sum(dim=-1)
    keeps = choosable if rule.edges is None else choosable.clamp(max=rule.edges)
    W = W_NEO * places
    share = keeps[:, None, None] * W / W.sum(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(W.dtype).tiny)
    found = []
    for limit in rule.limits:
        cost = limit.costs.to(W_NEO)
        ends = [
            limit.cost(discretize(sign * limit.costs.double(), rule.unlimited, candidates.present.cpu()))
            for sign in (-1, 1)
        ]
        found.append((limit.rest - limit.most + (share * cost).sum()) / max(1, ends[1] - ends[0]))
    return torch.stack(found) if found else W_NEO.new_zeros(0)


def _entropy(x: Tensor) -> Tensor:
    """``-sum x log x`` over the last dimension; what is 0 (padding, sparse W) has no slope instead of an infinite."""
    # Masked, not clamped alone: the gradient of 0 log 0 would be infinite times zero.
    terms: Tensor = torch.special.entr(x.clamp_min(torch.finfo(x.dtype).tiny)).masked_fill(x == 0, 0)
    return terms.sum(dim=-1)


PENALTIES: dict[str, type[Penalty]] = {
    kind.__name__: kind
    for kind in (
        *(DiscretizationLoss, BetaDecay, EntropyLoss, NonePenalty, DirichletDivergence, ZeroOneLoss),
        ExpectedCost,
    )
}
"""Every penalty by the name that a method's text calls it."""
