"""Relaxations that draw.

Draws are a pure function of ``progress.key`` and a purpose, so that the passes of a finite difference see the same one
and a resumed run goes on with those of an unbroken run. Without a key there is no noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dadarts.architecture.discretization import Rule, discretize, draw_uniform
from dadarts.architecture.spaces import SearchSpace
from dadarts.errors import InputError
from dadarts.methods.alphas import Candidates, concentration
from dadarts.methods.relaxations.base import Relaxation, Weighting, straight_through
from dadarts.methods.relaxations.hard import Drawn
from dadarts.methods.relaxations.soft import Soft
from dadarts.methods.relaxations.soft_top_k import soft_top_k
from dadarts.methods.schedules import Linear, Progress, Schedule
from dadarts.seeds import generator

_LEAST = 1e-12


@dataclass(frozen=True)
class Gumbel(Relaxation):
    """GDAS: one sampled operation an edge, and a gradient through it alone (arXiv 1910.04465, equations 4 to 7).

    ``h~ = softmax((alpha + o) / tau)`` with ``o = -log(-log(u))``, u uniform on (0, 1), and h the one-hot of the
    largest entry of each row of h~. Forward ``M = h``, backward ``dM = h dh~``: the gradient of an operation that was
    not sampled is 0, because its output, which that gradient would multiply, is never computed.

    Without a key o is 0.

    Args:
        temperature: tau. Its 1 / tau is what `TopK` calls temperature: smaller is harder here.
    """

    temperature: Schedule = Linear(10.0, 0.1)

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        noisy = alpha_NEO
        if progress.key is not None:
            o = -(-_uniform(candidates, progress.key, "gumbel").log()).log()
            noisy = alpha_NEO + o.to(alpha_NEO)
        soft = candidates.softmax(noisy / self.temperature(progress))
        h = discretize(soft, Rule(), candidates.present).to(soft.dtype)
        # soft - soft.detach() is exactly 0, so the forward value is exactly h.
        return h * (1 + (soft - soft.detach()))

    def is_discrete(self, progress: Progress) -> bool:
        """At every epoch."""
        return True

    def check(self, space: SearchSpace, weighting: Weighting) -> None:
        """Refuse what is no softmax, and a temperature at which it is no number."""
        if not all(1e-3 <= end <= 1e6 for end in self.temperature.ends):
            raise InputError("the temperature of a Gumbel softmax must be in [1e-3, 1e6]")
        if weighting.sparsity != 1 or weighting.activation != "softmax":
            raise InputError("a Gumbel softmax samples from softmax(alpha): leave sparsity and activation as they are")


@dataclass(frozen=True)
class Dirichlet(Relaxation):
    """DrNAS: mixing weights drawn from ``Dir(c)``, ``c = elu(alpha) + 1``, on every edge (arXiv 2006.10355).

    The gradient is the pathwise one of arXiv 1806.01851, with F and f the distribution function and density of
    ``Beta(c_j, sum c - c_j)`` at M_j:

        dM_i / dc_j = -(dF / dc_j) / f * (delta_ij - M_i) / (1 - M_j)

    Without a key M is the mean, ``c / sum c``.
    """

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        if progress.key is None:
            return replace(candidates, activation="dirichlet").weights(alpha_NEO)
        draw = generator(progress.key, "dirichlet")
        M: Tensor = _DirichletSample.apply(  # type: ignore[no-untyped-call]
            concentration(alpha_NEO), candidates, draw
        )
        return M

    def without_noise(self, progress: Progress) -> Relaxation:
        """The mean of the distribution."""
        return Soft()

    def check(self, space: SearchSpace, weighting: Weighting) -> None:
        """Refuse alphas that are not read as its concentration."""
        if weighting.activation != "dirichlet":
            raise InputError(f"a Dirichlet relaxation needs activation='dirichlet', not {weighting.activation!r}")


@dataclass(frozen=True)
class Perturbed(Relaxation):
    """SDARTS-RS: W with noise, back on the simplex (arXiv 2002.05283, section 3.1, random smoothing).

    ``M = clip(W + delta, 0, 1)``, over its sum on each edge, with delta uniform on ``[-epsilon, epsilon]``; where
    nothing is left of an edge, its largest entry stays alone. Without a key ``M = W``.

    Args:
        epsilon: the largest change of an entry.
    """

    epsilon: Schedule = Linear(0.03, 0.3)

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        W = candidates.weights(alpha_NEO)
        if progress.key is None:
            return W
        delta = self.epsilon(progress) * (2 * _uniform(candidates, progress.key, "perturbation") - 1)
        noisy = W + delta.to(W)
        clipped = noisy.clamp(0, 1) * candidates.present
        largest = discretize(noisy, Rule(), candidates.present).to(W.dtype)
        left = torch.where(clipped.sum(dim=-1, keepdim=True) > 0, clipped, largest)
        # A row of padding has no sum to divide by.
        return left / (left.sum(dim=-1, keepdim=True) + ~candidates.present.any(dim=-1, keepdim=True))

    def without_noise(self, progress: Progress) -> Relaxation:
        """W as it is."""
        return Soft()

    def check(self, space: SearchSpace, weighting: Weighting) -> None:
        """Refuse a change that no weight can bear."""
        if not all(0 <= end <= 1 for end in self.epsilon.ends):
            raise InputError("epsilon of a perturbation must be in [0, 1]")


@dataclass(frozen=True)
class UniformPath(Relaxation):
    """A single path: M is drawn, at every step anew, uniformly from all that D can give (arXiv 1902.07638).

    The draw knows nothing of alpha; a gradient of alpha, where one is taken, is straight-through, ``dM = dW``. Without
    a key ``M = W``.
    """

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        W = candidates.weights(alpha_NEO)
        if progress.key is None:
            return W
        draw = generator(progress.key, "uniform-path")
        one = candidates.present[: len(candidates.present) // candidates.copies].cpu()
        path = torch.stack([draw_uniform(node, candidates.rule, draw) for node in one])
        return straight_through(path.repeat(candidates.copies, 1, 1), W)

    def is_discrete(self, progress: Progress) -> bool:
        """At every epoch."""
        return True

    def without_noise(self, progress: Progress) -> Relaxation:
        """W as it is."""
        return Soft()


@dataclass(frozen=True)
class SampledTopK(Drawn):
    """A discretization drawn from the marginals of top-k: anything while T is low, D where it is high.

    Each edge draws an operation with the probabilities ``A = soft_top_k(row e of W, 1, T_edge)``. Where the rule keeps
    k edges, exactly k are drawn, edge e with the probability ``soft_top_k(max_o W[e, o], k, T_node)`` (systematic
    sampling in a random order; W. G. Madow, Ann. Math. Stat. 20, 1949). Forward M is the draw, which `discretize` can
    always give; backward ``dM = dW`` (straight-through). At T = 0 it is `UniformPath` where all edges have equally many
    operations; as T grows it tends to ``D(W)``, which it is without a key.

    Args:
        temperature_edge: T of an edge's operations.
        temperature_node: T of a node's edges.
    """

    temperature_edge: Schedule = Linear(0.0, 200.0)
    temperature_node: Schedule = Linear(0.0, 200.0)

    def drawn(self, W_NEO: Tensor, candidates: Candidates, progress: Progress, key: int) -> Tensor:
        """Of each edge that is kept an operation."""
        kept = self._edges(W_NEO, candidates, progress, key)
        return self._operations(W_NEO, candidates, progress, key) & kept

    def _operations(self, W: Tensor, candidates: Candidates, progress: Progress, key: int) -> Tensor:
        """Of every edge one operation, bool (N, E, O); none where all are banned."""
        marginals = soft_top_k(W, 1, self.temperature_edge(progress), mask=candidates.open)
        u = _uniform(candidates, key, "sampled-operations")[..., :1]
        return _crossed(marginals, u)

    def _edges(self, W: Tensor, candidates: Candidates, progress: Progress, key: int) -> Tensor:
        """Which edges are kept, bool (N, E, 1)."""
        choosable = candidates.open.any(dim=-1)
        k = candidates.rule.edges
        if k is None or k >= choosable.shape[-1]:
            return choosable.unsqueeze(-1)
        strength = W.masked_fill(~candidates.open, 0).amax(dim=-1)
        marginals = soft_top_k(strength, k, self.temperature_node(progress), mask=choosable)
        order = _uniform(candidates, key, "sampled-order")[..., 0].argsort(dim=-1).to(W.device)
        u = _uniform(candidates, key, "sampled-edges")[:, :1, 0]
        kept = _crossed(marginals.gather(-1, order), u)
        return torch.zeros_like(kept).scatter_(-1, order, kept).unsqueeze(-1)


def _crossed(marginals: Tensor, u: Tensor) -> Tensor:
    """Where the running sum of marginals (whose sum is whole), begun at u in (0, 1), crosses a whole number."""
    # On the CPU in double precision, which MPS has none of.
    running = marginals.cpu().double().cumsum(dim=-1)
    last = running[..., -1:]
    # Sums that are whole to rounding are made whole, so that exactly so many places are drawn, none of them empty.
    ends = running / torch.where(last > 0, last, 1.0) * last.round() + u.clamp(max=1 - 1e-9)
    return (torch.diff(ends.floor(), dim=-1, prepend=torch.zeros_like(last)) > 0).to(marginals.device)


class _DirichletSample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, c_NEO: Tensor, candidates: Candidates, draw: torch.Generator) -> Tensor:
        # Drawn on the CPU in double precision: the same numbers on every device, and no sum that underflows.
        one = c_NEO[: len(c_NEO) // candidates.copies].detach().cpu().double()
        gamma = torch._standard_gamma(one.clamp_min(_LEAST), generator=draw).repeat(candidates.copies, 1, 1)
        gamma = gamma * candidates.present.cpu()
        M = (gamma / gamma.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(gamma.dtype).tiny)).to(c_NEO)
        ctx.save_for_backward(c_NEO, M, candidates.present)
        return M

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        c_NEO, M, present = (tensor.cpu() for tensor in ctx.saved_tensors)
        c = c_NEO.double().clamp_min(_LEAST) * present
        total = c.sum(dim=-1, keepdim=True).expand_as(c)
        # An edge with one operation has nothing to share: its M is 1 whatever c is.
        shared = present & (present.sum(dim=-1, keepdim=True) > 1)
        # Away from 0 and 1, where F and f are 0 / 0; what stands at other places is not used.
        x = torch.where(shared, M.double().clamp(_LEAST, 1 - _LEAST), 0.5)
        slope = torch._dirichlet_grad(x, torch.where(shared, c, 1.0), torch.where(shared, total, 2.0)) * shared
        own = gradient.cpu()
        projected = own - (M * own).sum(dim=-1, keepdim=True)
        return (slope * projected).to(gradient.device, c_NEO.dtype), None, None


def _uniform(candidates: Candidates, key: int, purpose: str) -> Tensor:
    """Numbers in (0, 1), float64, (N, E, O), the same for all copies of a node."""
    nodes, edges, columns = candidates.present.shape
    u = torch.rand((nodes // candidates.copies, edges, columns), generator=generator(key, purpose), dtype=torch.float64)
    return u.clamp_min(torch.finfo(torch.float32).tiny).repeat(candidates.copies, 1, 1)
