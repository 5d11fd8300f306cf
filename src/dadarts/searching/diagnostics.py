"""What must always be reported about a search: the gap, certainty, churn and collapse of its choices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from dadarts.architecture.discretization import discretize
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.supernet import Batch, Mixing
from dadarts.data import Loader
from dadarts.methods.alphas import Alphas
from dadarts.methods.penalties import excesses
from dadarts.methods.schedules import Progress
from dadarts.rundir import history
from dadarts.rundir.history import Values
from dadarts.runs.evaluation import Evaluation, Name, batches_apart, evaluate
from dadarts.searching.bilevel import Bilevel
from dadarts.searching.judging import entropies
from dadarts.seeds import generator


def evaluate_mixings(bilevel: Bilevel, loader: Loader, mixings: Mapping[Name, Mixing]) -> Evaluation[Name]:
    """Score the same weights under several mixing weights."""

    def logits(mixing: Mixing, batch: Batch) -> Tensor:
        return bilevel.forward(batch.images, mixing, batch.key)

    return evaluate(bilevel.supernet, loader, {name: partial(logits, mixing) for name, mixing in mixings.items()})


def left_out_share(bilevel: Bilevel, progress: Progress) -> float:
    """Which part of all operations the architecture step leaves out, in [0, 1]: negligible ones, or those not drawn."""
    M, left_out = bilevel.mixing(bilevel.method.alphas.relax, progress)
    present = bilevel.alphas.candidates.present
    if bilevel.method.draws is not None:
        left_out = (M == 0) & present
    return float(left_out.sum() / present.sum())


def shares(genotype: Genotype) -> Values:
    """Which parts of its edges are skip connections, and without weights: how far it has collapsed."""
    return {
        history.SKIP_SHARE: genotype.share("skip_connect"),
        history.PARAMETER_FREE_SHARE: genotype.parameter_free_share(),
    }


def entropy(alphas: Alphas) -> float:
    """Mean over edges of the entropy of W, in nats: 0 is certain, log O (of sigmoids O log 2) is undecided."""
    per_edge = entropies(alphas.weights().detach(), alphas.candidates)
    return float(per_edge[alphas.candidates.present.any(dim=-1)].mean())


def choices(alphas: Alphas) -> Tensor:
    """D(W) of all stacked nodes, bool (N, E, O)."""
    return discretize(alphas.weights(), alphas.candidates.rule, alphas.candidates.present)


@torch.no_grad()
def limits(alphas: Alphas) -> Values:
    """How far the expected cost is over the limit that it exceeds most, and that limit's price; nothing without one."""
    excess = excesses(alphas.weights(), alphas.candidates)
    if not len(excess):
        return {}
    most = int(excess.argmax())
    return {history.OVER_LIMIT: float(excess[most]), history.LIMIT_PRICE: float(alphas.prices[most])}


def hessian_eigenvalue(bilevel: Bilevel, valid: Batch, progress: Progress, iterations: int = 20) -> float:
    """Dominant eigenvalue of ``grad^2_alpha L_valid`` on one batch, by power iteration (arXiv 1909.09656).

    Hessian-vector products are exact. Under a `Hard` relaxation the straight-through gradient is differentiated.
    """
    mixing = bilevel.alphas.mix(bilevel.method.alphas.relax, progress)
    # Only the readable form can be differentiated twice, and only the statistics of one process.
    with batches_apart(bilevel.supernet):
        loss = F.cross_entropy(bilevel.supernet(valid.images, mixing, valid.key), valid.labels)
    gradient = torch.autograd.grad(loss, bilevel.alpha, create_graph=True)
    flat = torch.cat([g.flatten() for g in gradient])
    # Not a vector of ones: shifting a row of alpha changes no softmax, so that lies in the null space.
    v = torch.randn(flat.shape, generator=generator("power-iteration"), dtype=flat.dtype).to(flat.device)
    v = v / v.norm()
    value = 0.0
    for _ in range(iterations):
        product = torch.autograd.grad(
            flat @ v, bilevel.alpha, retain_graph=True, materialize_grads=True, allow_unused=True
        )
        Hv = torch.cat([p.flatten() for p in product])
        value = float(v @ Hv)
        norm = Hv.norm()
        if norm == 0:
            return 0.0
        v = Hv / norm
    return value
