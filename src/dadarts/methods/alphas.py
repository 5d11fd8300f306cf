"""The architecture parameters alpha: how they are stored, ordered and mixed.

What a tensor is called, here and wherever alphas go:

====== ===============================================================================================================
alpha  architecture parameters, unbounded; what an architecture step trains
W      alpha as weights in [0, 1]: the softmax over an edge's operations, or what a method has in its place
M      mixing weights, which multiply the outputs of operations in a pass: a relaxation makes them of alpha
D      the discretization of W: bool, the places that `discretize` keeps, and that the genotype names
A, B   memberships of top-k, at the edge and at the node
w      weights of the network
====== ===============================================================================================================

Axes: N stacked nodes of all kinds of cells, E edges that enter a node, O operations of an edge (columns); K draws.
Rows and columns that a node or an edge does not have are padding, 0 in W, M and D.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dadarts.architecture.discretization import Limit, Rule, allowed
from dadarts.architecture.spaces import SearchSpace
from dadarts.architecture.supernet import Mixing
from dadarts.methods.entmax import entmax
from dadarts.methods.schedules import Progress

Activation: TypeAlias = Literal["softmax", "dirichlet", "sigmoid", "edges"]
"""How alpha becomes W: softmax, the mean of a Dirichlet distribution, a sigmoid for every operation by itself, or
softmax times the edge's own share of the node, a softmax over the node's edges"""

INITIAL_DEVIATION = 1e-3


def concentration(alpha: Tensor) -> Tensor:
    """``elu(alpha) + 1``, the parameters of a Dirichlet distribution; 1, the uniform one, at alpha = 0."""
    return F.elu(alpha) + 1


@dataclass(frozen=True, eq=False)
class Candidates:
    """Which places the stacked nodes of all kinds have, and how alpha becomes W there.

    Nodes of all kinds are stacked and padded to N x E x O, so that one call solves them all.

    Args:
        present: bool (N, E, O), False at padding.
        normed: bool (N, E, O), True where the operation ends in a batch norm.
        skips: bool (N, E, O), True at `skip_connect`.
        kinds: the kind of each of the N nodes.
        rule: what a discretization may choose.
        none_everywhere: whether every edge can be closed by `none`, which the rule bans.
        sparsity: 1 for softmax, above 1 the order of entmax.
        activation: what stands in softmax' place.
        copies: how often the same nodes are repeated; copies of a node see the same draws.
        beta: (N, E), the parameters of the edges' shares; None where edges have none.
    """

    present: Tensor
    normed: Tensor
    skips: Tensor
    kinds: tuple[str, ...]
    rule: Rule
    none_everywhere: bool
    sparsity: float = 1.0
    activation: Activation = "softmax"
    copies: int = 1
    beta: Tensor | None = None

    def weights(self, alpha_NEO: Tensor) -> Tensor:
        """W = softmax(alpha), or what the method has in its place, of each edge's operations; 0 at padding."""
        if self.activation == "dirichlet":
            c = concentration(alpha_NEO) * self.present
            return c / (c.sum(dim=-1, keepdim=True) + ~self.present.any(dim=-1, keepdim=True))
        if self.activation == "sigmoid":
            return torch.sigmoid(alpha_NEO) * self.present
        if self.sparsity > 1:
            return entmax(alpha_NEO, self.sparsity, self._rows) * self.present
        if self.beta is not None:
            return self.shares(self.beta).unsqueeze(-1) * self.softmax(alpha_NEO)
        return self.softmax(alpha_NEO)

    def shares(self, beta_NE: Tensor) -> Tensor:
        """What each edge has of its node: softmax over the edges that exist, 0 at padding."""
        edges = self.present.any(dim=-1)
        lowest = torch.finfo(beta_NE.dtype).min
        return torch.softmax(beta_NE.masked_fill(~edges, lowest), dim=-1) * edges

    def repeated(self, times: int) -> Candidates:
        """The same nodes several times over, as one call can solve them."""
        return replace(
            self,
            present=self.present.repeat(times, 1, 1),
            normed=self.normed.repeat(times, 1, 1),
            skips=self.skips.repeat(times, 1, 1),
            kinds=self.kinds * times,
            copies=self.copies * times,
            beta=None if self.beta is None else self.beta.repeat(times, 1),
        )

    def softmax(self, logits_NEO: Tensor) -> Tensor:
        """Softmax over each edge's operations; 0 at padding."""
        lowest = torch.finfo(logits_NEO.dtype).min
        return torch.softmax(logits_NEO.masked_fill(~self._rows, lowest), dim=-1) * self.present

    @property
    def _rows(self) -> Tensor:
        # A row of padding has no entry to share 1 among: it is computed as if it had all, then zeroed.
        return self.present | ~self.present.any(dim=-1, keepdim=True)

    @property
    def open(self) -> Tensor:
        """bool (N, E, O): the places that the rule does not ban."""
        return allowed(self.present, self.rule)


class Alphas(nn.Module):
    """alpha[kind][node], each (E, O), drawn from N(0, 1e-3^2); shared by all cells of a kind.

    Where edges have shares of their own, beta[kind][node], each (E,), are parameters too, after all alphas.

    Args:
        space: which nodes, edges and operations there are.
        draw: the generator of the initial values.
        sparsity: order of entmax; 1 is softmax.
        activation: what stands in softmax' place.
    """

    prices: Tensor
    """(L,): Lagrange multipliers of the space's limits, which the penalty that has them moves."""

    def __init__(
        self,
        space: SearchSpace,
        draw: torch.Generator,
        sparsity: float = 1.0,
        activation: Activation = "softmax",
    ) -> None:
        super().__init__()
        self.nodes = nn.ModuleDict()
        present: list[Tensor] = []
        normed: list[Tensor] = []
        skips: list[Tensor] = []
        for kind in space.kinds:
            places = space.present(kind)
            self.nodes[kind] = nn.ParameterList(
                nn.Parameter(INITIAL_DEVIATION * torch.randn(node.shape, generator=draw)) for node in places
            )
            present += places
            normed += space.normed(kind)
            skips += space.places_of("skip_connect", kind)
        self._edges = max(len(node) for node in present)
        self.betas = nn.ParameterList(
            nn.Parameter(INITIAL_DEVIATION * torch.randn(len(node), generator=draw))
            for node in (present if activation == "edges" else ())
        )
        self._places = Candidates(
            present=torch.stack([_pad(node, self._edges) for node in present]),
            normed=torch.stack([_pad(node, self._edges) for node in normed]),
            skips=torch.stack([_pad(node, self._edges) for node in skips]),
            kinds=tuple(kind for kind in space.kinds for _ in range(space.nodes)),
            rule=space.rule,
            none_everywhere=space.none_everywhere,
            sparsity=sparsity,
            activation=activation,
        )
        # No part of the state dict: older checkpoints have none.
        self.register_buffer("prices", torch.zeros(len(space.limits)), persistent=False)

    @property
    def candidates(self) -> Candidates:
        """The places of the stacked nodes, with beta as it is now where edges have any."""
        if not len(self.betas):
            return self._places
        return replace(
            self._places, beta=torch.stack([F.pad(beta, (0, self._edges - len(beta))) for beta in self.betas])
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of all parameters in their order: KIND_NODE, and KIND_NODE_beta of edges' shares."""
        nodes = tuple(
            f"{kind}_{node}" for kind, own in self.nodes.items() for node in range(len(list(own.parameters())))
        )
        return (*nodes, *(f"{node}_beta" for node in nodes if len(self.betas)))

    def stacked(self) -> Tensor:
        """alpha of all kinds and nodes, padded with zeros: (N, E, O)."""
        return torch.stack([_pad(alpha, self._edges) for alpha in self.nodes.parameters()])

    def weights(self) -> Tensor:
        """W of all kinds and nodes: (N, E, O), 0 at padding."""
        return self.candidates.weights(self.stacked())

    @torch.no_grad()
    def assign(self, values: Iterable[Tensor]) -> None:
        """Take the values of all parameters, in their order."""
        for parameter, value in zip(self.parameters(), values, strict=True):
            parameter.copy_(value)

    def mix(self, relaxation: Callable[[Tensor, Candidates, Progress], Tensor], progress: Progress) -> Mixing:
        """The mixing weights of one forward pass, by a relaxation."""
        return self.split(relaxation(self.stacked(), self.candidates, progress))

    def split(self, stacked_NEO: Tensor) -> Mixing:
        """Undo the stacking: kind -> node -> (E, O)."""
        rows = iter(stacked_NEO)
        return {
            kind: tuple(next(rows)[: alpha.shape[0]] for alpha in nodes.parameters())
            for kind, nodes in self.nodes.items()
        }

    def keep_to(self, limits: tuple[Limit, ...]) -> None:
        """Take other limits of the same kinds."""
        self._places = replace(self._places, rule=replace(self._places.rule, limits=limits))

    def to_device(self, device: torch.device) -> Alphas:
        """Move the parameters and the masks that go with them."""
        self.to(device)
        places = self._places
        self._places = replace(
            places,
            present=places.present.to(device),
            normed=places.normed.to(device),
            skips=places.skips.to(device),
        )
        return self


def _pad(node_EO: Tensor, edges: int) -> Tensor:
    return F.pad(node_EO, (0, 0, 0, edges - node_EO.shape[0]))
