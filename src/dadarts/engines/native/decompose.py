"""What a mixed node is a sum of, as the native kernels see it: its operations taken apart at their batch norms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from dadarts.architecture.operations import FactorizedReduce
from dadarts.architecture.supernet import MixedNode
from dadarts.engines.native import DILATIONS, KERNELS, STRIDES, Window
from dadarts.engines.parts import depthwise_of, layers_of, norm_eps, pointwise_of, pool_of, rectifies

UNIT, PROJECTION = 4, 3
"""Layers of a unit and of a projection."""


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
    """An operation taken apart, where the kernels compute exactly what it does; any other is left to torch."""
    if type(operation) is nn.Identity:
        return Identity()
    term = _pool(operation) or _chain(operation) or _projection(operation)
    return term or _other(operation)


def _pool(operation: nn.Module) -> Pool | None:
    pool = pool_of(operation)
    if pool is None or pool.ceil_mode or pool.count_include_pad or pool.divisor is not None:
        return None
    kernel, (stride, other), padding, dilation = pool.window
    if (kernel, padding, dilation) != ((3, 3), (1, 1), (1, 1)) or stride != other or stride not in STRIDES:
        return None
    return Pool(pool.maximum, Window(3, stride=stride), pool.eps)


def _chain(operation: nn.Module) -> Chain | None:
    layers = layers_of(operation)
    if len(layers) % UNIT:
        return None
    units = [_unit(*layers[first : first + UNIT]) for first in range(0, len(layers), UNIT)]
    return Chain(tuple(unit for unit in units if unit is not None)) if units and None not in units else None


def _unit(relu: nn.Module, wide: nn.Module, narrow: nn.Module, norm: nn.Module) -> Unit | None:
    depthwise, pointwise, eps = depthwise_of(wide), pointwise_of(narrow), norm_eps(norm)
    if not rectifies(relu) or depthwise is None or pointwise is None or eps is None:
        return None
    sliding, kernel = depthwise
    if sliding.kernel not in KERNELS or sliding.dilation not in DILATIONS or sliding.stride not in STRIDES:
        return None
    if sliding.padding != sliding.dilation * (sliding.kernel // 2) or pointwise.out_channels != kernel.out_channels:
        return None
    return Unit(Window(sliding.kernel, sliding.dilation, sliding.stride), kernel.weight, pointwise.weight, eps)


def _projection(operation: nn.Module) -> Projection | None:
    if type(operation) is FactorizedReduce:
        even, odd, eps = pointwise_of(operation.even), pointwise_of(operation.odd), norm_eps(operation.norm)
        if even is None or odd is None or eps is None or not rectifies(operation.relu):
            return None
        # The kernel gives the first half of the channels, rounded down, to even pixels.
        is_half = even.out_channels == (even.out_channels + odd.out_channels) // 2
        return Projection((even.weight, odd.weight), 2, eps) if is_half else None
    layers = layers_of(operation)
    if len(layers) != PROJECTION:
        return None
    convolution, eps = pointwise_of(layers[1]), norm_eps(layers[2])
    if convolution is None or eps is None or not rectifies(layers[0]):
        return None
    return Projection((convolution.weight,), 1, eps)


def _other(operation: nn.Module) -> Other:
    *body, last = layers_of(operation) or [operation]
    eps = norm_eps(last) if body else None
    return Other(operation, None) if eps is None else Other(nn.Sequential(*body), eps)
