"""What a search that has ended leaves of its alphas: the scores that its genotype was read off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dadarts.config import SearchConfig
from dadarts.data.npz import read_arrays
from dadarts.errors import InputError
from dadarts.methods.alphas import Alphas
from dadarts.runs import fitting
from dadarts.seeds import generator


@torch.no_grad()
def last_weights(config: SearchConfig, path: Path, eigenvalues: Sequence[float]) -> Tensor:
    """W at the end of a search, of several restarts their mean: (N, E, O) of the space's stacked nodes.

    Args:
        config: the search's.
        path: its alphas.npz.
        eigenvalues: the Hessian's at every epoch, where the method stops at their rise.

    Raises:
        InputError: the search reads its genotype off no alphas, or they are damaged.
    """
    method = config.method
    if not method.selection.reads_alphas:
        raise InputError(
            "the genotype of this search was read off no alphas: there are no scores to weigh against costs"
        )
    alphas = Alphas(config.space, generator(0), method.sparsity, method.activation)
    arrays = read_arrays(path, alphas.names)
    if set(arrays) != set(alphas.names):
        raise InputError(f"{path} lacks alphas; replace the run with -overwrite")
    snapshots = [torch.from_numpy(arrays[name]) for name in alphas.names]
    length = config.epochs // method.restarts
    last = len(snapshots[0]) - 1
    if method.stop is not None and method.stop.reached(eigenvalues):
        last -= method.stop.window
    ends = [*range(length - 1, length * (method.restarts - 1), length), last]
    parameters = [parameter.detach() for parameter in alphas.parameters()]
    W = []
    for end in ends:
        try:
            alphas.assign(fitting.list_like("alphas", [values[end] for values in snapshots], parameters))
        except (fitting.MisfitError, IndexError):
            raise InputError(f"{path} is damaged; replace the run with -overwrite") from None
        W.append(alphas.weights())
    return torch.stack(W).mean(dim=0)
