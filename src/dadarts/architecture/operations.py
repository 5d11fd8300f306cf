"""The candidate operations: what a supernet mixes and a discrete network is built from.

Every builder takes ``(channels, stride, affine)`` and returns a module that maps (B, C, H, W) to
(B, C, ceil(H / stride), ceil(W / stride)), odd sizes included. Convolutions have no bias, so an operation maps
zeros to zeros. Batch norm always uses batch statistics in a supernet (``affine=False``); in a discrete network
(``affine=True``) it is affine and keeps running statistics. Pools are followed by a batch norm that is affine-free
in both, so that a pool has no parameters (arXiv 1806.09055, section 3.1; counts of quark0/darts).
The operations of NAS-Bench-Macro double the channels where they halve sizes: there `channels` are the output's.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dadarts.architecture.norms import batch_norm, pool_norm
from dadarts.architecture.synchronised import Synchronised
from dadarts.distributed import ALONE
from dadarts.seeds import generator

NONE = "none"


class ReLUConvBN(nn.Sequential):
    """ReLU, k x k convolution without bias, batch norm; pads to keep ceil(size / stride)."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, affine: bool) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
            batch_norm(c_out, affine),
        )


class CrossConv(nn.Sequential):
    """ReLU, a 1 x k and a k x 1 convolution between all channels, batch norm; each strides along its own axis."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool) -> None:
        pad = kernel // 2
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, pad), bias=False),
            nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (pad, 0), bias=False),
            batch_norm(channels, affine),
        )


class DilatedDepthwise(nn.Module):
    """A depthwise convolution of dilation 2, computed as one of dilation 1 on every second pixel.

    Output pixel (2i + a, 2j + b) reads only pixels of its own parity (a, b): the four parities become four times as
    many channels, convolved without dilation, and with stride 2 only the even parity is asked for. The sums are
    those of ``Conv2d(..., dilation=2)``, whose backward pass takes 2 to 10 times as long on a CPU.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            even: Tensor = self.conv(x[:, :, ::2, ::2])
            return even
        batch, channels, height, width = x.shape
        # Zeros below and right make sizes even; zeros are what lies outside of the picture anyway.
        rows, columns = (height + 1) // 2, (width + 1) // 2
        x_BHWC = F.pad(x, (0, 2 * columns - width, 0, 2 * rows - height)).permute(0, 2, 3, 1)
        parities = x_BHWC.reshape(batch, rows, 2, columns, 2, channels).transpose(2, 3)
        wide = parities.reshape(batch, rows, columns, 4 * channels).permute(0, 3, 1, 2)
        kernel = self.conv.weight.repeat(4, 1, 1, 1)
        out = F.conv2d(wide, kernel, padding=self.conv.padding, groups=4 * channels).permute(0, 2, 3, 1)
        joined = out.reshape(batch, rows, columns, 2, 2, channels).transpose(2, 3)
        y_BHWC = joined.reshape(batch, 2 * rows, 2 * columns, channels)
        return y_BHWC.permute(0, 3, 1, 2)[:, :, :height, :width]


class DilConv(nn.Sequential):
    """ReLU, dilated depthwise then pointwise convolution, batch norm."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool) -> None:
        super().__init__(
            nn.ReLU(),
            DilatedDepthwise(channels, kernel, stride),
            nn.Conv2d(channels, channels, 1, bias=False),
            batch_norm(channels, affine),
        )


class SepConv(nn.Sequential):
    """Two depthwise separable convolutions in a row, the first one strided."""

    def __init__(self, channels: int, kernel: int, stride: int, affine: bool) -> None:
        layers: list[nn.Module] = []
        for step in (stride, 1):
            layers += [
                nn.ReLU(),
                nn.Conv2d(channels, channels, kernel, step, kernel // 2, groups=channels, bias=False),
                nn.Conv2d(channels, channels, 1, bias=False),
                batch_norm(channels, affine),
            ]
        super().__init__(*layers)


class FactorizedReduce(nn.Module):
    """Halves both sizes with two interleaved 1x1 convolutions (ceil for odd sizes).

    The second path sees the picture shifted by one; it is padded below and right, which even sizes never read.
    Every other pixel is picked before the convolution: the backward pass of oneDNN's strided 1x1 convolution writes
    outside its memory where a channels_last input has fewer than 8 channels (torch 2.13).
    """

    def __init__(self, c_in: int, c_out: int, affine: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(c_in, c_out // 2, 1, bias=False)
        self.odd = nn.Conv2d(c_in, c_out - c_out // 2, 1, bias=False)
        self.norm = batch_norm(c_out, affine)

    def halves(self, x: Tensor) -> Tensor:
        """The output before its batch norm."""
        x = self.relu(x)
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        return torch.cat((self.even(x[:, :, ::2, ::2]), self.odd(shifted[:, :, ::2, ::2])), dim=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.halves(x))
        return out


class PointwiseReduce(nn.Module):
    """What an identity becomes in NAS-Bench-Macro where shapes change: a 1x1 convolution of stride 2, batch norm.

    Every other pixel is picked before the convolution, as in `FactorizedReduce` and for its reason.
    """

    def __init__(self, c_in: int, c_out: int, affine: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.norm = batch_norm(c_out, affine)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(x[:, :, ::2, ::2]))
        return out


class InvertedResidual(nn.Module):
    """MobileNetV2's block (arXiv 1801.04381) as NAS-Bench-Macro has it, with ReLU: widen, depthwise, narrow.

    ``residual`` is the three convolutions, each with its batch norm; at stride 1 the input is added to it.
    """

    def __init__(self, channels: int, stride: int, kernel: int, expansion: int, affine: bool) -> None:
        super().__init__()
        c_in = channels // stride
        wide = expansion * c_in
        self.has_shortcut = stride == 1
        self.residual = nn.Sequential(
            nn.Conv2d(c_in, wide, 1, bias=False),
            batch_norm(wide, affine),
            nn.ReLU(),
            nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False),
            batch_norm(wide, affine),
            nn.ReLU(),
            nn.Conv2d(wide, channels, 1, bias=False),
            batch_norm(channels, affine),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.residual(x)
        return out + x if self.has_shortcut else out


class Zero(nn.Module):
    """The operation `none`: zeros of the output's shape; `channels` is None where those stay as they are."""

    def __init__(self, stride: int, channels: int | None = None) -> None:
        super().__init__()
        self.stride = stride
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        zeros = torch.zeros_like(x[:, :, :: self.stride, :: self.stride])
        if self.channels in (None, zeros.shape[1]):
            return zeros
        return zeros[:, :1].expand(-1, self.channels, -1, -1)


class Noise(Synchronised, nn.Module):
    """Standard normal noise in place of its input (RobustDARTS S4, arXiv 1909.09656, section 3).

    The draw is a function of `key` (which batch of which step) and `site` (which edge), so that every pass over one
    batch sees the same noise and finite differences stay differences. Both are set by the network that owns it.
    In training mode it is the share of `processes` in what one process would draw; `synchronise` sets them.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.site: tuple[int, ...] = ()
        self.key = 0

    def forward(self, x: Tensor) -> Tensor:
        own, *shape = x[:, :, :: self.stride, :: self.stride].shape
        processes = self.processes if self.training else ALONE
        size = own * processes.count
        source = generator(self.key, "noise", *self.site)
        draw = torch.randn((size, *shape), generator=source, dtype=torch.float32, device="cpu")
        return draw[processes.share(size)].to(x.device, x.dtype)


Builder: TypeAlias = Callable[[int, int, bool], nn.Module]
"""``(channels, stride, affine)`` to a module."""


def noises(network: nn.Module) -> list[Noise]:
    """The noise operations of a network, whose key its forward pass sets."""
    return [module for module in network.modules() if isinstance(module, Noise)]


@dataclass(frozen=True)
class Operation:
    """One candidate operation.

    Args:
        build: ``(channels, stride, affine)`` to a module.
        parameter_free: counts towards the collapse signal of arXiv 1909.09656 (skip_connect does, although at
            stride 2 it has the weights of a factorized reduction).
        label: what pictures write on an edge.
        normed: whether, at any stride, it ends in a batch norm, which is affine-free in a supernet: a channel of its
            output then has a mean square of at most 1.
    """

    build: Builder
    parameter_free: bool
    label: str
    normed: bool = False


def _pool(pool: type[nn.AvgPool2d] | type[nn.MaxPool2d], norm: bool) -> Builder:
    def build(channels: int, stride: int, affine: bool) -> nn.Module:
        options = {"count_include_pad": False} if pool is nn.AvgPool2d else {}
        window = pool(3, stride, padding=1, **options)
        return nn.Sequential(window, pool_norm(channels, affine)) if norm else window

    return build


def _skip(channels: int, stride: int, affine: bool) -> nn.Module:
    return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)


OPS: dict[str, Operation] = {
    "sep_conv_3x3": Operation(lambda c, s, affine: SepConv(c, 3, s, affine), False, "sep 3x3", normed=True),
    "sep_conv_5x5": Operation(lambda c, s, affine: SepConv(c, 5, s, affine), False, "sep 5x5", normed=True),
    "sep_conv_7x7": Operation(lambda c, s, affine: SepConv(c, 7, s, affine), False, "sep 7x7", normed=True),
    "dil_conv_3x3": Operation(lambda c, s, affine: DilConv(c, 3, s, affine), False, "dil 3x3", normed=True),
    "dil_conv_5x5": Operation(lambda c, s, affine: DilConv(c, 5, s, affine), False, "dil 5x5", normed=True),
    "nor_conv_1x1": Operation(lambda c, s, affine: ReLUConvBN(c, c, 1, s, affine), False, "conv 1x1", normed=True),
    "nor_conv_3x3": Operation(lambda c, s, affine: ReLUConvBN(c, c, 3, s, affine), False, "conv 3x3", normed=True),
    "conv_7x1_1x7": Operation(lambda c, s, affine: CrossConv(c, 7, s, affine), False, "1x7 7x1", normed=True),
    "avg_pool_3x3": Operation(_pool(nn.AvgPool2d, norm=True), True, "avg 3x3", normed=True),
    "max_pool_3x3": Operation(_pool(nn.MaxPool2d, norm=True), True, "max 3x3", normed=True),
    "skip_connect": Operation(_skip, True, "skip"),
    "noise": Operation(lambda c, s, affine: Noise(s), True, "noise"),
    NONE: Operation(lambda c, s, affine: Zero(s), True, "none"),
}
"""The operations of the DARTS family; a space names its candidates among them, a network may hold any of them.

`sep_conv_7x7` and `conv_7x1_1x7` stand in the NASNet-A and AmoebaNet-A cells that quark0/darts trains.
"""

NAS_BENCH_201_OPS: Mapping[str, Operation] = {
    **{name: OPS[name] for name in ("nor_conv_1x1", "nor_conv_3x3")},
    "avg_pool_3x3": Operation(_pool(nn.AvgPool2d, norm=False), True, "avg 3x3"),
    **{name: OPS[name] for name in ("skip_connect", NONE)},
}
"""The five operations of NAS-Bench-201 (arXiv 2001.00326), whose pool has no batch norm."""

NAS_BENCH_MACRO_OPS: Mapping[str, Operation] = {
    "identity": Operation(
        lambda c, s, affine: nn.Identity() if s == 1 else PointwiseReduce(c // s, c, affine), True, "identity"
    ),
    "mb3_k3": Operation(lambda c, s, affine: InvertedResidual(c, s, 3, 3, affine), False, "MB3 3x3"),
    "mb6_k5": Operation(lambda c, s, affine: InvertedResidual(c, s, 5, 6, affine), False, "MB6 5x5"),
}
"""The choices of NAS-Bench-Macro's layers (arXiv 2103.11922) in the order of their digits."""

ALL_OPS: Mapping[str, Operation] = ChainMap(OPS, dict(NAS_BENCH_MACRO_OPS))
"""Every operation by name, for what does not depend on the space: its label, and whether it is free of parameters."""
