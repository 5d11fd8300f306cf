"""What must always be reported about a search: the gap, certainty, churn and collapse of its choices."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dadarts.alphas import Alphas
from dadarts.assessment import Answers
from dadarts.bilevel import Bilevel
from dadarts.data import Loader
from dadarts.discretization import discretize
from dadarts.gibbs import Gibbs
from dadarts.judging import entropies
from dadarts.relax import AnyRelaxation, Hard, Soft
from dadarts.relax_sampled import Dirichlet, Perturbed, SampledTopK, UniformPath
from dadarts.schedules import Progress
from dadarts.seeds import generator
from dadarts.supernet import Batch, Mixing

Name = TypeVar("Name")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Score:
    """Mean cross entropy and accuracy in [0, 1] over a split."""

    loss: float
    top1: float


Counted: TypeAlias = Generator[tuple[int, int], None, Found]
"""How many batches all processes have measured and how many there are, round by round; at the end what was found."""
Evaluation: TypeAlias = Counted[Mapping[Name, Score]]
"""At the end scores by name."""


def effective(relaxation: AnyRelaxation, progress: Progress) -> AnyRelaxation:
    """The relaxation that acts at this epoch without noise: a `Hard` one that has not begun is `Soft`."""
    if isinstance(relaxation, Hard):
        return Hard() if progress.epoch >= relaxation.start else Soft()
    if isinstance(relaxation, SampledTopK | Gibbs):
        return Hard()
    if isinstance(relaxation, Perturbed | Dirichlet | UniformPath):
        return Soft()
    return relaxation


def evaluate(network: nn.Module, loader: Loader, passes: Mapping[Name, Callable[[Batch], Tensor]]) -> Evaluation[Name]:
    """Score several passes through a network, each from a batch to its logits, over the same batches of a split.

    Several processes measure a batch each in every round; the scores are those of one process.
    """
    tables = torch.zeros((len(passes), loader.steps(), 2), dtype=torch.float64)

    def measure(step: int, batch: Batch) -> None:
        for table, logits_of in zip(tables, passes.values(), strict=True):
            table[step] = measured(logits_of(batch), batch.labels)

    yield from rounds(network, loader, measure)
    tables = loader.processes.summed(tables)
    return {name: score(table, len(loader.index)) for name, table in zip(passes, tables, strict=True)}


def answers(network: nn.Module, loader: Loader, logits_of: Callable[[Batch], Tensor]) -> Counted[tuple[Score, Answers]]:
    """The score of one pass through a network, as by `evaluate`, and its answer to every picture of the split."""
    table = torch.zeros((loader.steps(), 2), dtype=torch.float64)
    rows = torch.zeros((len(loader.index), Answers.COLUMNS), dtype=torch.float64)

    def measure(step: int, batch: Batch) -> None:
        logits = logits_of(batch)
        table[step] = measured(logits, batch.labels)
        begin = step * loader.batch_size
        rows[begin : begin + len(batch.labels)] = Answers.rows(logits, batch.labels)

    yield from rounds(network, loader, measure)
    # Every row is one process' alone and 0 in the others.
    table, rows = loader.processes.summed(table), loader.processes.summed(rows)
    return score(table, len(rows)), Answers.of_rows(rows)


def rounds(network: nn.Module, loader: Loader, measure: Callable[[int, Batch], None]) -> Counted[None]:
    """Measure all batches of a split, in every round one in each process; each is given with its step."""
    with batches_apart(network):
        for round_number, (step, batch) in enumerate(loader.dealt(), 1):
            if batch is not None:
                with torch.no_grad():
                    measure(step, batch)
            yield min(round_number * loader.processes.count, loader.steps()), loader.steps()


def evaluate_mixings(bilevel: Bilevel, loader: Loader, mixings: Mapping[Name, Mixing]) -> Evaluation[Name]:
    """Score the same weights under several mixing weights."""

    def logits(mixing: Mixing, batch: Batch) -> Tensor:
        return bilevel.forward(batch.images, mixing, batch.key)

    return evaluate(bilevel.supernet, loader, {name: partial(logits, mixing) for name, mixing in mixings.items()})


def scores_of(evaluation: Evaluation[Name]) -> Mapping[Name, Score]:
    """Carry an evaluation out in one go."""
    while True:
        try:
            next(evaluation)
        except StopIteration as end:
            scores: Mapping[Name, Score] = end.value
            return scores


def measured(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of the cross entropy and number of right answers of a batch, float64 (2,)."""
    loss = F.cross_entropy(logits, labels, reduction="sum").item()
    return torch.tensor([loss, int((logits.argmax(dim=1) == labels).sum())], dtype=torch.float64)


def score(table: Tensor, pictures: int) -> Score:
    """The score over a split from what was `measured` of its batches, (steps, 2), added in their order."""
    loss = correct = 0.0
    for batch_loss, batch_correct in table.tolist():
        loss += batch_loss
        correct += batch_correct
    return Score(loss / pictures, correct / pictures)


@contextmanager
def batches_apart(network: nn.Module) -> Iterator[None]:
    """Let each process pass whole batches of its own, with their own statistics (see `norms.synchronise`)."""
    network.eval()
    try:
        yield
    finally:
        network.train()


def left_out_share(bilevel: Bilevel, progress: Progress) -> float:
    """Which part of all operations the architecture step leaves out, in [0, 1]: negligible ones, or those not drawn."""
    M, left_out = bilevel.mixing(bilevel.method.alphas.relax, progress)
    present = bilevel.alphas.candidates.present
    if bilevel.method.draws is not None:
        left_out = (M == 0) & present
    return float(left_out.sum() / present.sum())


def entropy(alphas: Alphas) -> float:
    """Mean over edges of the entropy of W, in nats: 0 is certain, log O (of sigmoids O log 2) is undecided."""
    per_edge = entropies(alphas.weights().detach(), alphas.candidates)
    return float(per_edge[alphas.candidates.present.any(dim=-1)].mean())


def choices(alphas: Alphas) -> Tensor:
    """D(W) of all stacked nodes, bool (N, E, O)."""
    return discretize(alphas.weights(), alphas.candidates.rule, alphas.candidates.present)


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
