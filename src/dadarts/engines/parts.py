"""What a module is made of, where it is exactly that: only then may another form of the same sums take its place.

A search space may name any operation, its classes may be subclassed and their layers replaced, so nothing is concluded
from a class alone: windows, strides, padding and norms are read off the layers, and whatever is not as expected is
None here and computed as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from dadarts.architecture.norms import BatchNorm
from dadarts.architecture.operations import DilatedDepthwise


@dataclass(frozen=True)
class PoolFacts:
    """All that a pool's output depends on beside its input; equal facts are equal functions.

    Args:
        maximum: or average.
        window: kernel, stride, padding and dilation, each (height, width).
        ceil_mode, count_include_pad, divisor: as torch has them.
        eps: of the batch norm behind it, None where there is none.
    """

    maximum: bool
    window: tuple[tuple[int, ...], ...]
    ceil_mode: bool
    count_include_pad: bool
    divisor: int | None
    eps: float | None


@dataclass(frozen=True)
class Sliding:
    """A square window: its pixels a side, dilation, stride and padding."""

    kernel: int
    dilation: int
    stride: int
    padding: int


def rectifies(module: nn.Module) -> bool:
    """Whether it is a ReLU that leaves its input alone."""
    return type(module) is nn.ReLU and not module.inplace


def norm_eps(module: nn.Module) -> float | None:
    """The eps of a batch norm that is a function of the batch alone: no weights, no running statistics."""
    if not isinstance(module, nn.BatchNorm2d) or type(module) not in (BatchNorm, nn.BatchNorm2d):
        return None
    return None if module.affine or module.running_mean is not None else module.eps


def batch_norm_of(module: nn.Module) -> nn.BatchNorm2d | None:
    """A plain batch norm, with weights and running statistics or without."""
    if not isinstance(module, nn.BatchNorm2d) or type(module) not in (BatchNorm, nn.BatchNorm2d):
        return None
    return module if (module.weight is None) == (module.bias is None) else None


def plain_convolution_of(module: nn.Module) -> nn.Conv2d | None:
    """A convolution of any kind without a bias, padded with zeros."""
    if type(module) is not nn.Conv2d or module.bias is not None or module.padding_mode != "zeros":
        return None
    return None if isinstance(module.padding, str) else module


def layers_of(module: nn.Module) -> list[nn.Module]:
    """The layers that a module applies one after the other; itself where it says otherwise."""
    is_chain = isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward
    return list(module.children()) if is_chain else [module]


def pool_of(module: nn.Module) -> PoolFacts | None:
    """A pool, and what is behind it; None where there is more than a plain batch norm."""
    window, *behind = layers_of(module) or [module]
    eps = norm_eps(behind[0]) if behind else None
    if len(behind) > 1 or (behind and eps is None):
        return None
    if type(window) is nn.AvgPool2d:
        sizes = _pairs(window.kernel_size, window.stride, window.padding, 1)
        return PoolFacts(False, sizes, window.ceil_mode, window.count_include_pad, window.divisor_override, eps)
    if type(window) is nn.MaxPool2d and not window.return_indices:
        sizes = _pairs(window.kernel_size, window.stride, window.padding, window.dilation)
        return PoolFacts(True, sizes, window.ceil_mode, False, None, eps)
    return None


def depthwise_of(module: nn.Module) -> tuple[Sliding, nn.Conv2d] | None:
    """A depthwise convolution of as many channels, and the module that has its kernel."""
    if type(module) is DilatedDepthwise:
        inner = depthwise_of(module.conv)
        if inner is None or (inner[0].stride, inner[0].dilation) != (1, 1):
            return None
        return Sliding(inner[0].kernel, 2, module.stride, 2 * inner[0].padding), inner[1]
    sliding = _sliding(module)
    if sliding is None or not isinstance(module, nn.Conv2d):
        return None
    return (sliding, module) if module.groups == module.in_channels == module.out_channels else None


def pointwise_of(module: nn.Module) -> nn.Conv2d | None:
    """A 1x1 convolution of every pixel and all channels."""
    sliding = _sliding(module)
    if sliding is None or not isinstance(module, nn.Conv2d):
        return None
    is_plain = (sliding.kernel, sliding.stride, sliding.padding, module.groups) == (1, 1, 0, 1)
    return module if is_plain else None


def _sliding(module: nn.Module) -> Sliding | None:
    if type(module) is not nn.Conv2d or module.bias is not None or module.padding_mode != "zeros":
        return None
    if isinstance(module.padding, str):
        return None
    pairs = (module.kernel_size, module.dilation, module.stride, module.padding)
    if any(first != second for first, second in pairs):
        return None
    return Sliding(*(first for first, _ in pairs))


def _pairs(*sizes: int | tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple((size, size) if isinstance(size, int) else size for size in sizes)
