"""Which operations a pass may leave out because their mixing weights make no difference.

An operation that ends in a batch norm without scale gives outputs y_j whose mean square per channel is at most 1. Let a
node be ``sum_j M_j y_j`` over n numbers a channel, S the entries that are left out, g the gradient of the loss by the
node. Then, per channel,

    rms(sum_{j in S} M_j y_j) <= sum_{j in S} |M_j|,

and the gradient of alpha, ``sum_j <g, y_j> dM_j/dalpha``, loses at most

    sum_{j in S} |<g, y_j>| ||dM_j/dalpha|| <= sqrt(n) ||g|| sum_{j in S} ||dM_j/dalpha||,

by Cauchy and Schwarz, where the same bound of the largest single entry is ``sqrt(n) ||g|| max_j ||dM_j/dalpha||``. S
is the set of smallest entries whose sums stay below a tolerance times the largest entry of the node, in |M| and, where
a gradient of alpha is asked for, in ||dM/dalpha|| too. The latter counts: under top-k, dM/dW grows with the temperature
T, and an entry that is about to be chosen has a small weight and a large derivative.

Weights of an operation that is left out get zero gradients; theirs are proportional to M_j.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dadarts.methods.alphas import Alphas
from dadarts.methods.relaxations import Relaxation
from dadarts.methods.schedules import Progress


def negligible(
    mixing_NEO: Tensor, alphas: Alphas, relaxation: Relaxation, progress: Progress, tolerance: float
) -> Tensor:
    """The entries of a pass' mixing weights that may be left out, bool (N, E, O); see the equations above.

    Only entries whose operation ends in a batch norm are left out. An entry that is exactly 0 under a straight-through
    gradient has a derivative as large as others', and is kept.

    Args:
        mixing_NEO: the pass' mixing weights; where they need a gradient, that of alpha counts.
        alphas: where the pass is.
        relaxation: made those weights of alpha.
        progress: when the pass is.
        tolerance: relative to the largest entry of a node; 0 leaves out nothing.
    """
    size = _relative(mixing_NEO.detach().abs()).masked_fill(~alphas.candidates.normed, torch.inf)
    left_out = _smallest(size, tolerance)
    if not mixing_NEO.requires_grad or not bool(left_out.any()):
        return left_out
    slope = _relative(_derivative_norms(alphas, relaxation, progress))
    return _smallest(torch.maximum(size, slope), tolerance)


def _relative(size_NEO: Tensor) -> Tensor:
    largest = size_NEO.amax(dim=(1, 2), keepdim=True)
    return size_NEO / largest.clamp_min(torch.finfo(size_NEO.dtype).tiny)


def _smallest(size_NEO: Tensor, tolerance: float) -> Tensor:
    """The smallest entries of each node whose sum is below the tolerance."""
    ascending, order = size_NEO.flatten(1).sort(dim=1, stable=True)
    fits = ascending.cumsum(dim=1) < tolerance
    return torch.zeros_like(fits).scatter_(1, order, fits).view_as(size_NEO)


def _derivative_norms(alphas: Alphas, relaxation: Relaxation, progress: Progress) -> Tensor:
    """||dM_j / dalpha|| of every entry j of every node: (N, E, O)."""
    candidates, alpha_NEO = alphas.candidates, alphas.stacked().detach()
    nodes, edges, columns = alpha_NEO.shape
    entries = edges * columns
    # One copy of all nodes for every entry: the entry's row of the Jacobian is then one slice of one gradient.
    copies = alpha_NEO.repeat(entries, 1, 1).requires_grad_()
    many = candidates.repeated(entries)
    with torch.enable_grad():
        mixing = relaxation(copies, many, progress).view(entries, nodes, entries)
        (rows,) = torch.autograd.grad(mixing.diagonal(dim1=0, dim2=2).sum(), copies)
    norms: Tensor = torch.linalg.vector_norm(rows.view(entries, nodes, entries), dim=2)
    return norms.T.reshape(nodes, edges, columns)
