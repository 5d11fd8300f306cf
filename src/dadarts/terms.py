"""What a mixed node is a sum of, as the native kernels see it: its operations taken apart at their batch norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from dadarts.native import Window
from dadarts.norms import BatchNorm
from dadarts.ops import DilatedDepthwise, DilConv, FactorizedReduce, ReLUConvBN, SepConv
from dadarts.supernet import MixedNode


@dataclass(frozen=True)
class Unit:
    """Norm of the input, ReLU, depthwise and pointwise convolution; the norm of the output is left to its reader."""

    window: Window
    depthwise: Tensor
    pointwise: Tensor
    eps: float


@dataclass(frozen=True)
class Chain:
    """A separable (two units) or dilated (one unit) convolution."""

    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Pool:
    """A 3x3 pool; eps is that of the batch norm behind it, None where there is none."""

    maximum: bool
    window: Window
    eps: float | None


@dataclass(frozen=True)
class Projection:
    """ReLU and a 1x1 convolution: of every pixel, or (stride 2) a factorized reduction's of even and of odd ones."""

    weights: tuple[Tensor, ...]
    stride: int
    eps: float

    @property
    def weight(self) -> Tensor:
        """(out, in, 1, 1)"""
        return self.weights[0] if len(self.weights) == 1 else torch.cat(self.weights)


@dataclass(frozen=True)
class Identity:
    """The skip connection of stride 1."""


@dataclass(frozen=True)
class Other:
    """Any other operation, computed by torch; eps is that of the batch norm left out of `body`, None without one."""

    body: Callable[[Tensor], Tensor]
    eps: float | None


Term: TypeAlias = Chain | Pool | Projection | Identity | Other

OUTSIDE = (Pool, Projection, Other)
"""Terms whose raw output is computed before the node's sum, each by itself."""


@dataclass(frozen=True)
class Place:
    """A term and where its weight stands in the node's mixing weights."""

    edge: int
    column: int
    term: Term


def places_of(node: MixedNode) -> tuple[Place, ...]:
    """The operations of a node that are computed: all but `none`."""
    return tuple(Place(edge, column, term_of(node.get_submodule(name))) for edge, column, name in node.places)


def term_of(operation: nn.Module) -> Term:
    """An operation taken apart."""
    match operation:
        case SepConv() | DilConv():
            return Chain(tuple(_units(operation)))
        case nn.Identity():
            return Identity()
        case nn.AvgPool2d() | nn.MaxPool2d():
            return _pool(operation, None)
        case nn.Sequential() if isinstance(operation[0], nn.AvgPool2d | nn.MaxPool2d):
            return _pool(operation[0], _eps(operation[1]))
        case ReLUConvBN():
            convolution = operation[1]
            assert isinstance(convolution, nn.Conv2d)  # noqa: S101
            if convolution.kernel_size == convolution.stride == (1, 1):
                return Projection((convolution.weight,), 1, _eps(operation[2]))
            return Other(nn.Sequential(operation[0], operation[1]), _eps(operation[2]))
        case FactorizedReduce():
            return Projection((operation.even.weight, operation.odd.weight), 2, _eps(operation.norm))
    return Other(operation, None)


def _pool(window: nn.AvgPool2d | nn.MaxPool2d, eps: float | None) -> Pool:
    stride = window.stride if isinstance(window.stride, int) else window.stride[0]
    return Pool(isinstance(window, nn.MaxPool2d), Window(3, stride=stride), eps)


def _units(operation: nn.Sequential) -> Sequence[Unit]:
    layers = list(operation)
    return [
        Unit(*_depthwise(depthwise), pointwise.weight, _eps(norm))
        for _, depthwise, pointwise, norm in zip(*[iter(layers)] * 4, strict=True)
    ]


# nn.Sequential forgets the types of what it holds.


def _eps(norm: nn.Module) -> float:
    assert isinstance(norm, BatchNorm)  # noqa: S101
    return norm.eps


def _depthwise(convolution: nn.Module) -> tuple[Window, Tensor]:
    if isinstance(convolution, DilatedDepthwise):
        return Window(convolution.conv.kernel_size[0], 2, convolution.stride), convolution.conv.weight
    assert isinstance(convolution, nn.Conv2d)  # noqa: S101
    return Window(convolution.kernel_size[0], 1, convolution.stride[0]), convolution.weight
