"""Relaxations that draw.

Draws are a pure function of ``progress.key`` and a purpose, so that the passes of a finite difference see the same one
and a resumed run goes on with those of an unbroken run. Without a key there is no noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dadarts.alphas import Candidates
from dadarts.discretization import Rule, discretize
from dadarts.schedules import Linear, Progress, Schedule
from dadarts.seeds import generator


@dataclass(frozen=True)
class Gumbel:
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


def _uniform(candidates: Candidates, key: int, purpose: str) -> Tensor:
    """Numbers in (0, 1), float64, (N, E, O), the same for all copies of a node."""
    nodes, edges, columns = candidates.present.shape
    u = torch.rand((nodes // candidates.copies, edges, columns), generator=generator(key, purpose), dtype=torch.float64)
    return u.clamp_min(torch.finfo(torch.float32).tiny).repeat(candidates.copies, 1, 1)
