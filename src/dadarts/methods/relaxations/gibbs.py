"""Discretizations drawn at a temperature, and an unbiased gradient of what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dadarts.architecture.discretization import Rule
from dadarts.architecture.spaces import SearchSpace
from dadarts.errors import InputError
from dadarts.methods.alphas import Candidates
from dadarts.methods.relaxations.base import Temperatures, Weighting
from dadarts.methods.relaxations.hard import Drawn
from dadarts.methods.schedules import Linear, Progress, Schedule
from dadarts.seeds import generator


@dataclass(frozen=True)
class Gibbs(Drawn):
    """A discretization drawn from the Gibbs distribution of W at temperature T, over all that D can return.

    ``P(M) = exp(T <M, W>) / Z``: uniform at T = 0, and concentrated on D(W) as T grows, which a draw without a key is.
    It is the distribution of largest entropy among those of equal ``E <M, W>``; top-k's memberships are its
    independent counterpart. Forward M is the draw; backward ``dM = dW`` (straight-through). A method with `draws` does
    not use that derivative but `advantages`.

    Args:
        temperature: T.
    """

    temperature: Schedule = Linear(0.0, 200.0)

    weighs_draws: ClassVar[bool] = True

    def drawn(self, W_NEO: Tensor, candidates: Candidates, progress: Progress, key: int) -> Tensor:
        """Operations by their softmax, edges by what their operations weigh together."""
        logits = (self.temperature(progress) * W_NEO.cpu().double()).masked_fill(~candidates.open.cpu(), -torch.inf)
        draw = generator(key, "gibbs")
        one = logits[: len(logits) // candidates.copies]
        # The largest of logits with Gumbel noise is a draw from their softmax (Gumbel 1954; arXiv 1411.0030).
        u = torch.rand(one.shape, generator=draw, dtype=torch.float64).clamp_min(torch.finfo(torch.float64).tiny)
        best = (one - (-u.log()).log()).argmax(dim=-1, keepdim=True)
        operations = torch.zeros_like(one, dtype=torch.bool).scatter_(-1, best, True)
        kept = _edges(one.logsumexp(dim=-1), candidates.rule.edges, draw)
        drawn = operations & kept.unsqueeze(-1)
        return drawn.repeat(candidates.copies, 1, 1).to(W_NEO.device)

    def advantages(self, W_NEO: Tensor, drawn: Tensor, losses: Tensor, progress: Progress) -> Tensor:
        """By the mean of the others' losses.

        ``grad E L = E (L(M) - b) grad log P(M)`` (REINFORCE; Williams, Machine Learning 8, 1992) over K draws, b for
        each of them the mean loss of the others. Since those factors sum to 0, log Z cancels, and what is left is
        ``T / (K - 1) sum_k (L_k - mean L) <M_k, W>``.
        """
        centred = (losses - losses.mean()) / (len(losses) - 1)
        worth = (drawn * W_NEO).sum(dim=(1, 2, 3))
        return self.temperature(progress) * (centred.detach() * worth).sum()

    def temperatures(self, progress: Progress, rule: Rule) -> Temperatures:
        """T."""
        return Temperatures(edge=self.temperature(progress))

    def check(self, space: SearchSpace, weighting: Weighting) -> None:
        """Refuse a temperature below 0, or beyond what a double holds apart."""
        if not all(0 <= end <= 1e6 for end in self.temperature.ends):
            raise InputError("the temperature of a Gibbs distribution must be in [0, 1e6]")


def _edges(log_Z_NE: Tensor, edges: int | None, draw: torch.Generator) -> Tensor:
    """Exactly `edges` of each node's edges, a set S with a probability in proportion to ``prod_(e in S) Z_e``.

    Conditional Bernoulli sampling, edge by edge, with the elementary symmetric polynomials of the edges that are left
    (Chen, Dempster & Liu, Biometrika 81, 1994). Edges without operations have Z = 0; nodes with fewer keep all.
    """
    choosable = log_Z_NE > -torch.inf
    if edges is None or edges >= log_Z_NE.shape[1]:
        return choosable
    nodes, count = log_Z_NE.shape
    # rest[e][:, j]: log of the sum over all sets of j of the edges e, e + 1, ...
    none = torch.full((nodes, edges + 1), -torch.inf, dtype=log_Z_NE.dtype)
    none[:, 0] = 0
    rest = [none]
    for e in reversed(range(count)):
        with_e = log_Z_NE[:, e, None] + rest[0][:, :-1]
        rest.insert(0, torch.cat((rest[0][:, :1], torch.logaddexp(rest[0][:, 1:], with_e)), dim=1))
    wanted = choosable.sum(dim=1, keepdim=True).clamp(max=edges)
    u = torch.rand(log_Z_NE.shape, generator=draw, dtype=torch.float64).log()
    kept = []
    for e in range(count):
        fewer = (wanted - 1).clamp_min(0)
        log_p = log_Z_NE[:, e, None] + rest[e + 1].gather(1, fewer) - rest[e].gather(1, wanted)
        taken = (wanted > 0) & (u[:, e, None] < log_p)
        wanted = wanted - taken.long()
        kept.append(taken)
    return torch.cat(kept, dim=1)
