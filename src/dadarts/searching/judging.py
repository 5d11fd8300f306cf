"""The verdict on a search: pure functions of its mixing weights, its history and its genotype."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log

import torch
from torch import Tensor

from dadarts.architecture.discretization import discretize
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.verdict import Verdict
from dadarts.methods.alphas import Candidates
from dadarts.rundir.history import CHANGED_CHOICES, Row

UNDECIDED = 0.95
"""Of an undecided edge the entropy of W is above this part of the largest: the first of 8 operations then has less than
2.4 times its share of 1/8, of 2 less than 63 %. A search is undecided where that is so on over half of its edges."""
COLLAPSED = 0.5
"""Over this part of the edges without parameters (arXiv 1909.09656)."""
_FEWEST_EPOCHS = 5
"""A search of fewer epochs has no first ones to speak of."""


@dataclass(frozen=True)
class Certainty:
    """How far W tells operations apart.

    Args:
        entropy: mean over the edges with a choice, in nats.
        largest: the same of a W that tells nothing apart.
        undecided: how many edges are undecided.
        edges: how many edges have a choice.
    """

    entropy: float
    largest: float
    undecided: int
    edges: int

    @property
    def decided(self) -> bool:
        return 2 * self.undecided <= self.edges


def entropies(W_NEO: Tensor, candidates: Candidates) -> Tensor:
    """The entropy of every edge's row of W in nats, (N, E): 0 is certain; 0 at padding.

    Sigmoids are choices between each operation and nothing, and their entropies add up. What an edge has of its node
    is no choice among its operations.
    """
    if candidates.activation == "edges":
        W_NEO = W_NEO / W_NEO.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(W_NEO.dtype).tiny)
    per_edge: Tensor = torch.special.entr(W_NEO).sum(dim=-1)
    if candidates.activation == "sigmoid":
        per_edge += torch.special.entr(1 - W_NEO).sum(dim=-1)
    return per_edge


def certainty(W_NEO: Tensor, candidates: Candidates) -> Certainty:
    """How far W tells the operations apart on the edges that have more than one."""
    count_NE = candidates.present.sum(dim=-1)
    has_choice = count_NE > 1
    of = entropies(W_NEO, candidates)[has_choice].double()
    count = count_NE[has_choice].double()
    largest = count * log(2) if candidates.activation == "sigmoid" else count.log()
    return Certainty(float(of.mean()), float(largest.mean()), int((of > UNDECIDED * largest).sum()), len(of))


def of_alphas(
    W_NEO: Tensor,
    first_NEO: Tensor,
    candidates: Candidates,
    history: Sequence[Row],
    *,
    trained: bool = True,
    epoch_NEO: Tensor | None = None,
) -> Verdict:
    """The verdict on a genotype that is D(W).

    Args:
        first_NEO: W of the random draw that the search began with.
        history: the rows of the epochs since then.
        trained: whether the method trains alphas at all.
        epoch_NEO: W as the first epoch left it; None where no other followed.
    """
    found = certainty(W_NEO, candidates)
    rule, present = candidates.rule, candidates.present
    chosen, drawn = (discretize(W, rule, present) for W in (W_NEO, first_NEO))
    choices, changed = int(chosen.sum()), int((chosen & ~drawn).sum())
    verdict = Verdict(found.decided, "alphas", round(found.entropy, 4), round(found.largest, 4), changed, choices)
    if not trained:
        warning = (
            "undecided: this method trains no alphas, and the genotype is the argmax of their first values; leave the "
            "choice of the genotype to the method"
        )
        return replace(verdict, decided=False, marked=(warning,))
    stood = None if epoch_NEO is None else int((chosen & discretize(epoch_NEO, rule, present)).sum())
    return replace(verdict, stood=stood, marked=tuple(_about_choices(found, verdict, history)))


def _about_choices(found: Certainty, verdict: Verdict, history: Sequence[Row]) -> list[str]:
    still = "every choice is still that of the first random draw"
    if not found.decided:
        what = (
            f"undecided: the mixing weights of {found.undecided} of {found.edges} edges are nearly equal (entropy "
            f"{found.entropy:.3f} of {found.largest:.3f})"
        )
        left = f"{verdict.changed} of {verdict.choices} choices have left the first random draw by chance"
        chance = left if verdict.changed else still
        return [f"{what}, and {chance}; train for more -epochs, or raise -alpha_lr, before taking it for a finding"]
    if not verdict.changed:
        return [
            f"locked: {still}; train the weights before the alphas (-alpha_warm_up), or see whether other seeds agree, "
            "before taking this genotype for a finding"
        ]
    if (epoch := decided_early(history)) is not None:
        return [
            f"locked: no choice has changed since epoch {epoch} of {len(history)}: the search was decided before its "
            "weights could tell operations apart; see whether other seeds agree"
        ]
    return []


def decided_early(history: Sequence[Row]) -> int | None:
    """The epoch of the last changed choice, counted from 1, where that lies in the first tenth; else None."""
    changed = [number for number, row in enumerate(history, 1) if CHANGED_CHOICES.of(row)]
    early = max(1, len(history) // 10)
    if len(history) < _FEWEST_EPOCHS or not changed or changed[-1] > early:
        return None
    return changed[-1]


def of_genotype(genotype: Genotype, by: str = "alphas") -> list[str]:
    """Warnings that a genotype has collapsed: over half without parameters, or a cell of nothing but skips.

    Args:
        by: what has chosen it, for the cure.
    """
    share = genotype.parameter_free_share()
    head_start = "give the weights a head start (-alpha_warm_up), " if by == "alphas" else ""
    cure = f"see whether other seeds agree, {head_start}or search by another method"
    skips = [kind for kind, cell in genotype.cells.items() if _all_skips(cell.nodes)]
    if skips:
        which = f"{' and '.join(skips)} {'cell has' if len(skips) == 1 else 'cells have'}"
        return [f"collapsed: the {which} nothing but skip_connect; {cure}"]
    if share > COLLAPSED:
        most, times = Counter(genotype.parameter_free()).most_common(1)[0]
        return [f"collapsed: {share:.0%} of the edges have no weights ({times} {most} the most frequent); {cure}"]
    return []


def _all_skips(nodes: Sequence[Sequence[tuple[str, int]]]) -> bool:
    names = {name for node in nodes for name, _ in node} - {"none"}
    return names == {"skip_connect"}


def judged(genotype: Genotype, verdict: Verdict) -> Genotype:
    """The genotype with the verdict on it, its own warnings among those of the verdict."""
    whole = replace(verdict, marked=(*verdict.marked, *of_genotype(genotype, verdict.by)))
    return replace(genotype, verdict=whole)
