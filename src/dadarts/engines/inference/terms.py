"""What a step computes, before it is one: a convolution or pool and all that is folded into it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from dadarts.engines.inference.graph import Convolution, Pooled
from dadarts.engines.inference.steps import Factors, Layer


@dataclass(frozen=True)
class Term:
    """What one step computes of a node's output.

    Args:
        source: the node.
        rectified: whether that goes through a ReLU first.
        wide: a depthwise convolution.
        rectified_between: whether a ReLU is behind it.
        main: a dense convolution, alone or behind the depthwise one.
        pool: a pool, alone.
        factors: a scale and a shift behind all.
    """

    source: int
    rectified: bool = False
    wide: Layer | None = None
    rectified_between: bool = False
    main: Convolution | None = None
    pool: Pooled | None = None
    factors: Factors | None = None

    @property
    def only_wide(self) -> bool:
        return self.wide is not None and self.main is None

    def scaled(self, factors: Factors) -> Term:
        """The same with a scale and a shift behind it."""
        if self.wide is not None and self.only_wide:
            return replace(self, wide=replace(self.wide, factors=composed(self.wide.factors, factors)))
        return replace(self, factors=composed(self.factors, factors))


Open: TypeAlias = tuple["Term | int", ...]
"""What a node's output is the sum of: terms that no step computes yet, and outputs of other nodes."""


def is_pointwise(convolution: Convolution) -> bool:
    """Whether every output pixel is made of the input pixel at its place, of all its channels."""
    plain = convolution.kernel == (1, 1) and convolution.padding == (0, 0)
    return plain and convolution.stride == 1 and not convolution.depthwise


def identity(channels: int) -> Layer:
    """The pointwise convolution that changes nothing."""

    def weight() -> Tensor:
        return torch.eye(channels, dtype=torch.float64)[:, :, None, None]

    return Layer(Convolution(weight, (1, 1)), None)


def composed(first: Factors | None, second: Factors) -> Factors:
    """A scale and shift behind another."""
    if first is None:
        return second
    inner = first

    def factors() -> tuple[Tensor, Tensor]:
        (scale, shift), (by, plus) = inner(), second()
        return scale * by, shift * by + plus

    return factors
