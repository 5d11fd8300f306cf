"""How operations and layers are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from dadarts.architecture.norms import BatchNorm

Spelling = Callable[[str, int], str]
"""(channels as they are written, stride) to an expression."""


def _stride(stride: int) -> str:
    return f", stride={stride}" if stride > 1 else ""


def _window(kind: str, kernel: int) -> Spelling:
    return lambda c, stride: f"{kind}({c}, {kernel}{_stride(stride)})"


def _convolution(kernel: int) -> Spelling:
    return lambda c, stride: f"ReLUConvBN({c}, {c}, {kernel}{_stride(stride)})"


def _pool(kind: str) -> Spelling:
    return lambda c, stride: f"{kind}({c}{_stride(stride)})"


def _skip(c: str, stride: int) -> str:
    return "nn.Identity()" if stride == 1 else f"FactorizedReduce({c}, {c})"


def _bare_pool(_: str, stride: int) -> str:
    return f"nn.AvgPool2d(3, {stride}, padding=1, count_include_pad=False)"


def _layer(kernel: int, expansion: int) -> Spelling:
    return lambda c, stride: f"InvertedResidual({int(c) // stride}, {c}, {kernel}, {expansion}{_stride(stride)})"


def _reduced(c: str, stride: int) -> str:
    return "nn.Identity()" if stride == 1 else f"PointwiseReduce({int(c) // stride}, {c})"


_DARTS: Mapping[str, Spelling] = {
    "sep_conv_3x3": _window("SepConv", 3),
    "sep_conv_5x5": _window("SepConv", 5),
    "sep_conv_7x7": _window("SepConv", 7),
    "dil_conv_3x3": _window("DilConv", 3),
    "dil_conv_5x5": _window("DilConv", 5),
    "nor_conv_1x1": _convolution(1),
    "nor_conv_3x3": _convolution(3),
    "conv_7x1_1x7": _window("CrossConv", 7),
    "avg_pool_3x3": _pool("AveragePool"),
    "max_pool_3x3": _pool("MaxPool"),
    "skip_connect": _skip,
    "noise": _pool("Noise"),
}
OPERATIONS: Mapping[str, Mapping[str, Spelling]] = {
    "darts": _DARTS,
    "nas-bench-201": {**_DARTS, "avg_pool_3x3": _bare_pool},
    "nas-bench-macro": {"identity": _reduced, "mb3_k3": _layer(3, 3), "mb6_k5": _layer(5, 6)},
}
"""Syntax -> operation -> how it is written."""


def plain(layer: nn.Module) -> str:
    """How a layer of torch's is written, or a row of them."""
    match layer:
        case nn.Sequential():
            return f"nn.Sequential({', '.join(map(plain, layer))})"
        case nn.Conv2d():
            kernel, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
            around = f", padding={padding}" if padding else ""
            return (
                f"nn.Conv2d({layer.in_channels}, {layer.out_channels}, {kernel}{_stride(stride)}{around}, bias=False)"
            )
        case BatchNorm():
            return f"nn.BatchNorm2d({layer.num_features})"
        case nn.Linear():
            return f"nn.Linear({layer.in_features}, {layer.out_features})"
        case nn.ReLU() | nn.Identity():
            return f"nn.{type(layer).__name__}()"
        case _:
            raise NotImplementedError(type(layer).__name__)
