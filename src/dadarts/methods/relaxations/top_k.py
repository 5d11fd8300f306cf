"""Differentiable top-k at the edge and at the node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dadarts.architecture.discretization import Rule
from dadarts.architecture.spaces import SearchSpace
from dadarts.errors import InputError
from dadarts.methods.alphas import Candidates
from dadarts.methods.relaxations.base import Relaxation, Temperatures, Weighting
from dadarts.methods.relaxations.soft_top_k import soft_top_k
from dadarts.methods.schedules import Constant, Progress, Schedule


@dataclass(frozen=True)
class TopK(Relaxation):
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

    unaided: ClassVar[str] = (
        "top-k on alphas without hard passes or DAL was seen to flip choices to the end and to find poor cells; "
        "add -hd_on_weights or -dal_on_alphas"
    )

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

    def temperatures(self, progress: Progress, rule: Rule) -> Temperatures:
        """T of both levels; with the edge level off, that of the node level stands for both."""
        node = self.temperature_node(progress)
        edge = node if self.edge == 0 else self.temperature_edge(progress)
        return Temperatures(edge, node if self.k_at_node(rule) else None)

    def notes(self, rule: Rule) -> Iterator[str]:
        """That a level which option 2 builds on is off."""
        if self.option == 2 and not self.k_at_node(rule):
            yield "-option 2 with the node level of top-k off leaves M = W"
        elif self.option == 2 and not self.edge:
            yield "-option 2 with the edge level of top-k off ranks nothing: a node has M = W times a constant"

    def check(self, space: SearchSpace, weighting: Weighting) -> None:
        """Refuse a k that the space has no operations for, and what leaves nothing of top-k."""

        if self.option not in (1, 2, 3):
            raise InputError(f"-option {self.option}: known are 1, 2 and 3")
        for schedule in (self.temperature_edge, self.temperature_node):
            if not all(0 <= end <= 1e6 for end in schedule.ends):
                raise InputError("a temperature of top-k must be in [0, 1e6]")
        open_columns = space.columns - (len(space.rule.banned) if self.masked else 0)
        if not 0 <= self.edge <= open_columns:
            raise InputError(
                f"-topk_k_edge {self.edge}: an edge of {space.name} has {open_columns} operations to choose from"
            )
        places = space.inputs * open_columns
        if self.node is not None and not 0 <= self.node <= places:
            raise InputError(
                f"-topk_k_node {self.node}: the first node of {space.name} has {places} places to choose from"
            )
        off = [level for level, k in (("edge", self.edge), ("node", self.k_at_node(space.rule))) if not k]
        if len(off) == 2:
            raise InputError("with both levels of top-k off, nothing is left of it; leave the -topk_on_ flags out")
        if off and self.option == 2 and not self.weighted:
            # B = 1 with the node level off, B = k / m with the edge level off.
            raise InputError(
                f"-option 2 with the {off[0]} level off (search space {space.name}) has no alpha left in M where "
                "-justtopk leaves out the factor W; use -option 1 or 3"
            )
