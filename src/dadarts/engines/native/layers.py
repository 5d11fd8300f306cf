"""What the modules of a discrete network are made of, as the native kernels see them.

A module is a sum of branches, a branch a chain of layers, and every layer ends at a convolution's or a pool's batch
norm, if there is one: who reads a layer's output applies it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import nn

from dadarts.architecture.network import branches_of
from dadarts.architecture.operations import FactorizedReduce
from dadarts.architecture.skeletons import ResidualReduction
from dadarts.engines.native import DILATIONS, KERNELS, STRIDES, Window
from dadarts.engines.parts import (
    batch_norm_of,
    depthwise_of,
    layers_of,
    plain_convolution_of,
    pointwise_of,
    pool_of,
    rectifies,
)


@dataclass(frozen=True)
class UnitLayer:
    """ReLU, depthwise and pointwise convolution of as many channels, batch norm."""

    window: Window
    depthwise: nn.Conv2d
    pointwise: nn.Conv2d
    norm: nn.BatchNorm2d


@dataclass(frozen=True)
class PointwiseLayer:
    """(ReLU,) 1x1 convolution, batch norm; with stride 2 a convolution of even and one of odd pixels."""

    convolutions: tuple[nn.Conv2d, ...]
    rectify: bool
    norm: nn.BatchNorm2d

    @property
    def stride(self) -> int:
        return len(self.convolutions)


@dataclass(frozen=True)
class PoolLayer:
    """A 3x3 pool, and the batch norm without weights behind it, if there is one."""

    maximum: bool
    window: Window
    norm: nn.BatchNorm2d | None


@dataclass(frozen=True)
class DenseLayer:
    """(ReLU,) 3x3 convolution of stride 1 between all channels, batch norm."""

    convolution: nn.Conv2d
    rectify: bool
    norm: nn.BatchNorm2d


@dataclass(frozen=True)
class AnyConvolution:
    """(ReLU,) any convolution(, batch norm); torch convolves."""

    convolution: nn.Conv2d
    rectify: bool
    norm: nn.BatchNorm2d | None


@dataclass(frozen=True)
class OtherLayer:
    """Any other module, computed by torch."""

    module: nn.Module


Layer: TypeAlias = UnitLayer | PointwiseLayer | DenseLayer | PoolLayer | AnyConvolution | OtherLayer


@dataclass(frozen=True)
class Branch:
    """A chain of layers, none for the identity, and whether it drops out where paths do."""

    layers: tuple[Layer, ...]
    drops: bool


def branches(module: nn.Module) -> tuple[Branch, ...]:
    """An operation on an edge, or a module beside the cells, taken apart."""
    if type(module) is ResidualReduction:
        return Branch(chain_of(module.conv_a) + chain_of(module.conv_b), False), Branch(
            chain_of(module.shortcut), False
        )
    return tuple(Branch(chain_of(branch), drops) for branch, drops in branches_of(module))


def chain_of(module: nn.Module) -> tuple[Layer, ...]:
    """A module as a chain of layers: those that the kernels know, or itself."""
    if type(module) is nn.Identity:
        return ()
    if type(module) is FactorizedReduce:
        reduction = _reduction(module)
        return (OtherLayer(module),) if reduction is None else (reduction,)
    rest: Sequence[nn.Module] = layers_of(module)
    found: list[Layer] = []
    while rest:
        matches = (match(rest) for match in _MATCHES)
        layer, count = next((match for match in matches if match is not None), (None, 0))
        if layer is None:
            return (OtherLayer(module),)
        found.append(layer)
        rest = rest[count:]
    return tuple(found) or (OtherLayer(module),)


Match: TypeAlias = tuple[Layer, int]
"""A layer, and of how many modules it was made."""


def _unit(modules: Sequence[nn.Module]) -> Match | None:
    if len(modules) < 4 or not rectifies(modules[0]):
        return None
    depthwise, pointwise, norm = depthwise_of(modules[1]), pointwise_of(modules[2]), batch_norm_of(modules[3])
    if depthwise is None or pointwise is None or norm is None:
        return None
    sliding, kernel = depthwise
    if sliding.kernel not in KERNELS or sliding.dilation not in DILATIONS or sliding.stride not in STRIDES:
        return None
    if sliding.padding != sliding.dilation * (sliding.kernel // 2) or pointwise.out_channels != kernel.out_channels:
        return None
    return UnitLayer(Window(sliding.kernel, sliding.dilation, sliding.stride), kernel, pointwise, norm), 4


def _pointwise(modules: Sequence[nn.Module]) -> Match | None:
    rectify = rectifies(modules[0])
    if len(modules) < rectify + 2:
        return None
    pointwise, norm = pointwise_of(modules[rectify]), batch_norm_of(modules[rectify + 1])
    if pointwise is None or norm is None:
        return None
    return PointwiseLayer((pointwise,), rectify, norm), rectify + 2


def _convolution(modules: Sequence[nn.Module]) -> Match | None:
    rectify = rectifies(modules[0])
    if len(modules) == rectify:
        return None
    convolution = plain_convolution_of(modules[rectify])
    norm = batch_norm_of(modules[rectify + 1]) if len(modules) > rectify + 1 else None
    if convolution is None:
        return None
    shape = convolution.kernel_size, convolution.stride, convolution.padding, convolution.dilation, convolution.groups
    if norm is not None and shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1):
        return DenseLayer(convolution, rectify, norm), rectify + 2
    return AnyConvolution(convolution, rectify, norm), rectify + 1 + (norm is not None)


def _pool(modules: Sequence[nn.Module]) -> Match | None:
    pool = pool_of(modules[0])
    if pool is None or pool.ceil_mode or pool.count_include_pad or pool.divisor is not None:
        return None
    kernel, (stride, other), padding, dilation = pool.window
    if (kernel, padding, dilation) != ((3, 3), (1, 1), (1, 1)) or stride != other or stride not in STRIDES:
        return None
    norm = batch_norm_of(modules[1]) if len(modules) > 1 else None
    is_plain = norm is not None and norm.weight is None
    return PoolLayer(pool.maximum, Window(3, stride=stride), norm if is_plain else None), 1 + is_plain


_MATCHES: tuple[Callable[[Sequence[nn.Module]], Match | None], ...] = (_unit, _pointwise, _convolution, _pool)


def _reduction(module: FactorizedReduce) -> PointwiseLayer | None:
    even, odd, norm = pointwise_of(module.even), pointwise_of(module.odd), batch_norm_of(module.norm)
    if even is None or odd is None or norm is None or not rectifies(module.relu):
        return None
    # The kernel gives the first half of the channels, rounded down, to even pixels.
    is_half = even.out_channels == (even.out_channels + odd.out_channels) // 2
    return PointwiseLayer((even, odd), True, norm) if is_half else None
