"""What a search would have returned after each of its epochs, read off its alphas by the one discretization."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dadarts import diagnostics
from dadarts.alphas import Alphas
from dadarts.config import SearchConfig
from dadarts.genotype import Genotype, read_off
from dadarts.seeds import generator


@dataclass(frozen=True)
class Trajectory:
    """The choices of a search over time.

    Args:
        genotypes: one an epoch.
        kept_from_draw: which part of the last choices, in [0, 1], the first random draw had already.
        kept_from_first_epoch: which part of them stood after the first epoch.
    """

    genotypes: tuple[Genotype, ...]
    kept_from_draw: float
    kept_from_first_epoch: float


def trajectory(config: SearchConfig, path: Path) -> Trajectory | None:
    """Read a search's alphas.npz; None where there is none, or where the method trains no alphas."""
    if not path.is_file() or config.method.order == "none":
        return None
    alphas = Alphas(config.space, generator(0), config.method.sparsity, config.method.activation)
    names = alphas.names
    with np.load(path) as arrays:
        if not names or not set(names) <= set(arrays.files):
            return None
        epochs = [[torch.from_numpy(arrays[name][epoch]) for name in names] for epoch in range(len(arrays[names[0]]))]
        draw = [torch.from_numpy(arrays[f"initial_{name}"]) for name in names]
    if not epochs:
        return None
    chosen = [_choices(alphas, values) for values in epochs]
    last = chosen[-1]
    return Trajectory(
        tuple(read_off(config.space, alphas.split(one)) for one in chosen),
        _share(last, _choices(alphas, draw)),
        _share(last, chosen[0]),
    )


def _choices(alphas: Alphas, values: list[Tensor]) -> Tensor:
    with torch.no_grad():
        for alpha, value in zip(alphas.parameters(), values, strict=True):
            alpha.copy_(value)
    return diagnostics.choices(alphas)


def _share(last: Tensor, before: Tensor) -> float:
    return float((last & before).sum() / last.sum())
