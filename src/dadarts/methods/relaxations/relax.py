"""How alpha becomes the mixing weights of a forward pass.

A relaxation is called as ``relaxation(alpha_NEO, candidates, progress)`` on the stacked nodes of all kinds of cells
and returns mixing weights of the same shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from dadarts.architecture.discretization import Rule, discretize
from dadarts.methods.alphas import Candidates
from dadarts.methods.relaxations.gibbs import Gibbs
from dadarts.methods.relaxations.sampled import Dirichlet, Gumbel, Perturbed, SampledTopK, UniformPath
from dadarts.methods.relaxations.soft_top_k import soft_top_k
from dadarts.methods.schedules import Constant, Linear, Progress, Schedule


@dataclass(frozen=True)
class Soft:
    """Plain DARTS: ``M = W`` (arXiv 1806.09055, equation 2)."""

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        return candidates.weights(alpha_NEO)


@dataclass(frozen=True)
class Hard:
    """Hard discretization: ``M = D(W)`` in the forward pass, ``dM = dW`` in the backward pass (straight-through).

    Args:
        start: epoch from which the pass is hard; before it, ``M = W``.
    """

    start: int = 0

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        W = candidates.weights(alpha_NEO)
        if progress.epoch < self.start:
            return W
        D = discretize(W, candidates.rule, candidates.present).to(W.dtype)
        # W - W.detach() is exactly 0, so the forward value is exactly D.
        return D + (W - W.detach())


@dataclass(frozen=True)
class TopK:
    """Differentiable top-k at two levels.

    ``A = soft_top_k(row e of W, edge, T_edge)``: operations compete on each edge.
    ``B = soft_top_k(W flattened to E*O, node, T_node)``: (edge, operation) pairs compete at the node.
    Option 1 is ``M = W A B``; option 2 takes B of A and is ``M = W B``; option 3 takes B of ``W A`` and is
    ``M = W A B``, whose support tends to that of D as T grows.

    Args:
        edge: k on each edge; 0 turns the level off.
        node: k at each node; 0 turns the level off; None is what the rule keeps there, and off where it keeps all.
        temperature_edge: T of the edge level.
        temperature_node: T of the node level.
        option: 1, 2 or 3.
        weighted: False leaves out the factor W.
        masked: whether operations that the rule bans are kept out of the competition.
        exact_gradient: False leaves the factor T out of the backward pass, as the original did.
    """

    edge: int = 1
    node: int | None = None
    temperature_edge: Schedule = Constant(1.0)
    temperature_node: Schedule = Constant(1.0)
    option: int = 1
    weighted: bool = True
    masked: bool = True
    exact_gradient: bool = True

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        W = candidates.weights(alpha_NEO)
        A = self._edge_level(W, candidates, progress)
        competing = {1: W, 2: A, 3: W * A}[self.option]
        B = self._node_level(competing, candidates, progress)
        membership = B if self.option == 2 else A * B
        return W * membership if self.weighted else membership * candidates.present

    def k_at_node(self, rule: Rule) -> int:
        """How many places a node is given under a space's rule; 0 where the level is off."""
        return (rule.edges or 0) if self.node is None else self.node

    def _edge_level(self, W: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        if not self.edge:
            return torch.ones_like(W)
        mask = candidates.open if self.masked else candidates.present
        temperature = self.temperature_edge(progress)
        return soft_top_k(W, self.edge, temperature, mask=mask, exact_gradient=self.exact_gradient)

    def _node_level(self, competing: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        k = self.k_at_node(candidates.rule)
        if not k:
            return torch.ones_like(competing)
        mask = candidates.open if self.masked else candidates.present
        flat = soft_top_k(
            competing.flatten(-2),
            k,
            self.temperature_node(progress),
            mask=mask.flatten(-2),
            exact_gradient=self.exact_gradient,
        )
        return flat.view_as(competing)


@dataclass(frozen=True)
class AuxiliarySkip:
    """DARTS with a skip connection beside every edge that has one among its operations (arXiv 2009.01027, equation 3).

    ``M[e, o] = W[e, o] + beta * [o is skip_connect]``: of stride 1 both are the identity; of stride 2 they share the
    weights of the edge's factorised reduction.

    Args:
        beta: the coefficient of the auxiliary connection.
    """

    beta: Schedule = Linear(1.0, 0.0)

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        return candidates.weights(alpha_NEO) + self.beta(progress) * candidates.skips


AnyRelaxation: TypeAlias = (
    Soft | Hard | TopK | AuxiliarySkip | Gumbel | Dirichlet | Perturbed | SampledTopK | UniformPath | Gibbs
)


def is_discrete(relaxation: AnyRelaxation, progress: Progress) -> bool:
    """Whether a training pass at this epoch multiplies operations by 0 or 1 alone, whatever alpha is."""
    if isinstance(relaxation, Hard):
        return progress.epoch >= relaxation.start
    return isinstance(relaxation, Gumbel | SampledTopK | UniformPath | Gibbs)
