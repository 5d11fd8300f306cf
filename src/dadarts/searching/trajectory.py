"""What a search would have returned after each of its epochs, read off its alphas by the one discretization."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dadarts.architecture.discretization import discretize
from dadarts.architecture.genotype import Genotype, read_off
from dadarts.architecture.supernet import Mixing
from dadarts.config import SearchConfig
from dadarts.data.npz import read_arrays
from dadarts.methods.alphas import Alphas
from dadarts.runs import fitting
from dadarts.searching import limits
from dadarts.seeds import generator


@dataclass(frozen=True)
class Trajectory:
    """The choices of a search over time.

    Args:
        genotypes: one an epoch.
        mixing: the mixing weights W that each is read off.
        kept_from_draw: which part of the last choices, in [0, 1], the random draw had already that they began with:
            with restarts, that of the last of them.
        kept_from_first_epoch: which part of them stood after the first epoch from there.
    """

    genotypes: tuple[Genotype, ...]
    mixing: tuple[Mixing, ...]
    kept_from_draw: float
    kept_from_first_epoch: float


def trajectory(config: SearchConfig, path: Path) -> Trajectory | None:
    """Read a search's alphas.npz; None where there is none, or where the method trains no alphas.

    Raises:
        ValueError: they are not alphas of such a search.
        InputError: the file is damaged, or declares more than there is memory.
    """
    if not path.exists() or config.method.order == "none":
        return None
    space = limits.saved(config, path.parent)
    alphas = Alphas(space, generator(0), config.method.sparsity, config.method.activation)
    names = alphas.names
    arrays = read_arrays(path, [*names, *(f"initial_{name}" for name in names)])
    if not names or not set(names) <= set(arrays):
        return None
    draw = [torch.from_numpy(arrays[f"initial_{name}"]) for name in names]
    snapshots = [torch.from_numpy(arrays[name]) for name in names]
    epochs = [[values[epoch] for values in snapshots] for epoch in range(len(snapshots[0]))]
    parameters = [parameter.detach() for parameter in alphas.parameters()]
    for snapshot in (draw, *epochs):
        fitting.list_like("alphas", snapshot, parameters)
    if not epochs:
        return None
    W = [_weights(alphas, values) for values in epochs]
    length = config.epochs // config.method.restarts
    means = [torch.stack([*W[length - 1 : epoch : length], own]).mean(dim=0) for epoch, own in enumerate(W)]
    draw_W, first_W, last_W = _weights(alphas, draw), W[(len(W) - 1) // length * length], W[-1]
    draw_D, first_D, last_D = (_chosen(alphas, own) for own in (draw_W, first_W, last_W))
    return Trajectory(
        tuple(read_off(space, alphas.split(_chosen(alphas, mean))) for mean in means),
        tuple(map(alphas.split, means)),
        _share(last_D, draw_D),
        _share(last_D, first_D),
    )


@torch.no_grad()
def _weights(alphas: Alphas, values: list[Tensor]) -> Tensor:
    alphas.assign(values)
    return alphas.weights()


def _chosen(alphas: Alphas, W: Tensor) -> Tensor:
    return discretize(W, alphas.candidates.rule, alphas.candidates.present)


def _share(last: Tensor, before: Tensor) -> float:
    return float((last & before).sum() / last.sum())
