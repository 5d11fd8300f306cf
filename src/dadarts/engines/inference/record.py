"""Writes down what a network computes, as its own forward pass says it.

The pass is run once over a copy of the module tree whose layers write down what they are asked for, in place of
computing it. What a layer is, is read off it as in `parts`; what is not known to be exactly what it seems is torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dadarts.architecture.network import FixedNode, LoneNode, Network
from dadarts.architecture.norms import BatchNorm
from dadarts.architecture.operations import (
    DilatedDepthwise,
    FactorizedReduce,
    InvertedResidual,
    Noise,
    PointwiseReduce,
    Zero,
)
from dadarts.architecture.skeletons import BenchBackbone, Cell, DartsBackbone, LayerBackbone, ResidualReduction
from dadarts.engines.inference.graph import (
    Affine,
    Convolution,
    Drawn,
    Graph,
    Node,
    Opaque,
    Pooled,
    Rectified,
    Shape,
    Token,
    Zeros,
)


def recorded(network: nn.Module, picture: Shape) -> list[Node]:
    """The nodes of a network, or of a layer, in evaluation mode, for pictures of a shape.

    Raises:
        NotImplementedError: its pass asks for what cannot be written down.
    """
    graph = Graph(picture)
    out = _shadow(network, {})(Token(graph, 0))
    assert isinstance(out, Token)  # noqa: S101 -- whatever a module returns
    if out.number != len(graph.nodes) - 1:
        raise NotImplementedError("a pass that does not end in its output")
    return graph.nodes


_OF_OTHERS = (
    Network, DartsBackbone, BenchBackbone, LayerBackbone, Cell, FixedNode, LoneNode, ResidualReduction,
    InvertedResidual, nn.ModuleList,
)  # fmt: skip
"""Modules whose forward pass is written in terms of other modules, sums, concatenations and means."""


def _shadow(module: nn.Module, known: dict[nn.Module, nn.Module]) -> nn.Module:
    """A copy of a module tree whose layers write themselves down."""
    if module not in known:
        if type(module) in _OF_OTHERS and _hooked(module):
            raise NotImplementedError(f"hooks of {type(module).__name__}")
        is_chain = isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward
        if (is_chain or type(module) in _OF_OTHERS) and not _hooked(module):
            twin = type(module).__new__(type(module))
            children = {name: child and _shadow(child, known) for name, child in module._modules.items()}
            twin.__dict__.update(module.__dict__, _modules=children)
            known[module] = twin
        else:
            known[module] = _Recorder(module)
    return known[module]


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


class _Recorder(nn.Module):
    """Writes down the layer that it stands for."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        # Not a child: it stays as it is.
        self.__dict__["layer"] = layer

    def forward(self, x: Token) -> Token:
        layer = self.__dict__["layer"]
        write = None if _hooked(layer) else _WRITERS.get(type(layer))
        out = None if write is None else write(layer, x)
        return _opaque(layer, x) if out is None else out


def _opaque(layer: nn.Module, x: Token) -> Token:
    # Its shape is that of an output; drawing one must not move torch's generator.
    example = next((p for p in layer.parameters() if p.is_floating_point()), torch.empty(0))
    size = (2, x.shape[0]) if x.flat else (2, *x.shape)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            shape = (*layer(torch.zeros(size, dtype=example.dtype)).shape, 1, 1)
    except Exception as error:
        # Anybody's layer may raise anything, and it may know why.
        raise NotImplementedError(f"{type(layer).__name__} without pictures: {error}") from error
    return x.then(Opaque(layer, x.flat), (int(shape[1]), int(shape[2]), int(shape[3])))


def _convolution(layer: nn.Conv2d, x: Token) -> Token | None:
    (stride, other), (dilation, second) = layer.stride, layer.dilation
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros" or stride != other or dilation != second:
        return None
    depthwise = layer.groups == layer.in_channels == layer.out_channels > 1
    if layer.in_channels != x.shape[0] or min(layer.padding) < 0:
        return None
    if stride not in (1, 2) or (layer.groups > 1 and not depthwise):
        return None
    kernel, padding = (layer.kernel_size[0], layer.kernel_size[1]), (layer.padding[0], layer.padding[1])
    height, width = (
        (size + 2 * pad - dilation * (taps - 1) - 1) // stride + 1
        for size, pad, taps in zip(x.shape[1:], padding, kernel, strict=True)
    )
    shape = (layer.out_channels, height, width)
    out = x.then(Convolution(lambda: layer.weight, kernel, stride, padding, dilation, depthwise), shape)
    return _shifted(layer, out)


def _shifted(layer: nn.Conv2d | nn.Linear, out: Token) -> Token:
    if layer.bias is None:
        return out

    def factors() -> tuple[Tensor, Tensor]:
        assert layer.bias is not None  # noqa: S101 -- seen above
        bias = layer.bias.detach().double()
        return torch.ones_like(bias), bias

    return out.then(Affine(factors))


def _norm(layer: nn.BatchNorm2d, x: Token) -> Token | None:
    mean, variance = layer.running_mean, layer.running_var
    if mean is None or variance is None:
        return None

    def factors() -> tuple[Tensor, Tensor]:
        mean, variance = layer.running_mean, layer.running_var
        assert mean is not None and variance is not None  # noqa: S101, PT018 -- seen above
        scale = (variance.double() + layer.eps).rsqrt()
        scale = scale if layer.weight is None else scale * layer.weight.detach().double()
        shift = -mean.double() * scale
        return scale, shift if layer.bias is None else shift + layer.bias.detach().double()

    return x.then(Affine(factors))


def _relu(layer: nn.ReLU, x: Token) -> Token | None:
    return None if layer.inplace else x.then(Rectified())


def _pool(layer: nn.AvgPool2d | nn.MaxPool2d, x: Token) -> Token | None:
    sizes = [layer.kernel_size, layer.stride, layer.padding]
    pairs = [(size, size) if isinstance(size, int) else size for size in sizes]
    if any(first != second for first, second in pairs):
        return None
    (kernel, _), (stride, _), (padding, _) = pairs
    if isinstance(layer, nn.MaxPool2d):
        if layer.return_indices or layer.dilation not in (1, (1, 1)):
            return None
    elif (layer.count_include_pad and padding) or layer.divisor_override is not None:
        return None
    height, width = (_pooled_size(size, kernel, stride, padding, layer.ceil_mode) for size in x.shape[1:])
    return x.then(Pooled(isinstance(layer, nn.MaxPool2d), kernel, stride, padding), (x.shape[0], height, width))


def _pooled_size(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    out = (size + 2 * padding - kernel + (stride - 1 if ceil else 0)) // stride + 1
    return out - 1 if ceil and (out - 1) * stride >= size + padding else out


def _factorized(layer: FactorizedReduce, x: Token) -> Token | None:
    norm = _WRITERS.get(type(layer.norm))
    if type(layer.relu) is not nn.ReLU or norm is None or not (_is_plain(layer.even) and _is_plain(layer.odd)):
        return None
    even, odd = layer.even.out_channels, layer.odd.out_channels
    if any(_hooked(part) for part in layer.children()):
        return None

    def weight() -> Tensor:
        whole = torch.zeros((even + odd, layer.even.in_channels, 2, 2), dtype=layer.even.weight.dtype)
        whole[:even, :, :1, :1] = layer.even.weight.detach()
        whole[even:, :, 1:, 1:] = layer.odd.weight.detach()
        return whole

    taps = ((0, even), (0, 0), (0, 0), (even, even + odd))
    shape = (even + odd, -(-x.shape[1] // 2), -(-x.shape[2] // 2))
    return norm(layer.norm, x.then(Rectified()).then(Convolution(weight, (2, 2), 2, taps=taps), shape))


def _pointwise_reduce(layer: PointwiseReduce, x: Token) -> Token | None:
    norm = _WRITERS.get(type(layer.norm))
    if norm is None or not _is_plain(layer.conv) or any(_hooked(part) for part in layer.children()):
        return None
    shape = (layer.conv.out_channels, -(-x.shape[1] // 2), -(-x.shape[2] // 2))
    return norm(layer.norm, x.then(Convolution(lambda: layer.conv.weight, (1, 1), 2), shape))


def _is_plain(layer: nn.Conv2d) -> bool:
    if type(layer) is not nn.Conv2d or layer.bias is not None or layer.groups > 1:
        return False
    return (layer.kernel_size, layer.stride, layer.padding) == ((1, 1), (1, 1), (0, 0))


def _dilated(layer: DilatedDepthwise, x: Token) -> Token | None:
    inner = layer.conv
    plain = type(inner) is nn.Conv2d and inner.bias is None and inner.dilation == inner.stride == (1, 1)
    kernel = inner.kernel_size[0]
    if not plain or _hooked(inner) or inner.kernel_size != (kernel, kernel) or inner.padding != (kernel // 2,) * 2:
        return None
    if not inner.groups == inner.in_channels == inner.out_channels or layer.stride not in (1, 2) or not kernel % 2:
        return None
    shape = (x.shape[0], -(-x.shape[1] // layer.stride), -(-x.shape[2] // layer.stride))
    found = Convolution(lambda: inner.weight, (kernel, kernel), layer.stride, (kernel - 1,) * 2, 2, True)
    return x.then(found, shape)


def _zero(layer: Zero, x: Token) -> Token:
    channels = x.shape[0] if layer.channels is None else layer.channels
    return x.then(Zeros(), (channels, -(-x.shape[1] // layer.stride), -(-x.shape[2] // layer.stride)))


def _noise(layer: Noise, x: Token) -> Token:
    return x.then(Drawn(layer), (x.shape[0], -(-x.shape[1] // layer.stride), -(-x.shape[2] // layer.stride)))


def _linear(layer: nn.Linear, x: Token) -> Token | None:
    if not x.flat or layer.in_features != x.shape[0]:
        return None

    def weight() -> Tensor:
        return layer.weight[:, :, None, None]

    return _shifted(layer, x.then(Convolution(weight, (1, 1)), (layer.out_features, 1, 1)))


_WRITERS: dict[type[nn.Module], Callable[[Any, Token], Token | None]] = {
    nn.Conv2d: _convolution,
    nn.BatchNorm2d: _norm,
    BatchNorm: _norm,
    nn.ReLU: _relu,
    nn.AvgPool2d: _pool,
    nn.MaxPool2d: _pool,
    nn.Identity: lambda _, x: x,
    nn.Linear: _linear,
    FactorizedReduce: _factorized,
    PointwiseReduce: _pointwise_reduce,
    DilatedDepthwise: _dilated,
    Zero: _zero,
    Noise: _noise,
}
"""Exact classes whose layers are written down as what they compute; None where one of them computes something else."""
