"""Values that stand before a batch norm, which whoever reads them applies, and what their gradients are made of."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Normed:
    """A value before its batch norm.

    Args:
        value: pictures.
        statistics: of the norm, (3, C): mean, 1 / deviation and variance over the batch; None without a norm.
        weight, bias: the norm's, (C,); None where it has none.
    """

    value: Tensor
    statistics: Tensor | None = None
    weight: Tensor | None = None
    bias: Tensor | None = None


@dataclass(frozen=True)
class Source:
    """What the gradient of a value is made of: ``keep * a * gradient + b * value + d``.

    Args:
        gradient: pictures.
        coefficients: (3, C); None where it is ``keep * gradient``.
        keep: a number a picture, (B,); None for ones.
    """

    gradient: Tensor
    coefficients: Tensor | None = None
    keep: Tensor | None = None


@dataclass(frozen=True)
class NormGradients:
    """What the way back through a batch norm gives: coefficients (3, C), and gradients of its weights."""

    coefficients: Tensor
    weight: Tensor | None
    bias: Tensor | None
