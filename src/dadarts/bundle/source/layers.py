"""Layers of a network. Their weights are named as in the file that dadarts writes."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution, batch norm."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
        )


class CrossConv(nn.Sequential):
    """ReLU, a 1 x k and a k x 1 convolution, batch norm."""

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        pad = kernel // 2
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, pad), bias=False),
            nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (pad, 0), bias=False),
            nn.BatchNorm2d(channels),
        )


class SepConv(nn.Sequential):
    """Twice: ReLU, depthwise and pointwise convolution, batch norm."""

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        layers: list[nn.Module] = []
        for step in (stride, 1):
            layers += [
                nn.ReLU(),
                nn.Conv2d(channels, channels, kernel, step, kernel // 2, groups=channels, bias=False),
                nn.Conv2d(channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            ]
        super().__init__(*layers)


class DilConv(nn.Sequential):
    """ReLU, depthwise convolution of every second pixel, pointwise convolution, batch norm."""

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        wide = nn.Conv2d(channels, channels, kernel, stride, kernel - 1, dilation=2, groups=channels, bias=False)
        super().__init__(
            nn.ReLU(),
            nn.Sequential(OrderedDict(conv=wide)),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )


class AveragePool(nn.Sequential):
    """The mean of 3 x 3 pixels, batch norm without weights."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__(
            nn.AvgPool2d(3, stride, padding=1, count_include_pad=False), nn.BatchNorm2d(channels, affine=False)
        )


class MaxPool(nn.Sequential):
    """The largest of 3 x 3 pixels, batch norm without weights."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__(nn.MaxPool2d(3, stride, padding=1), nn.BatchNorm2d(channels, affine=False))


class FactorizedReduce(nn.Module):
    """Half the size: one 1x1 convolution of the even pixels, one of the odd ones, batch norm."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(c_in, c_out // 2, 1, bias=False)
        self.odd = nn.Conv2d(c_in, c_out - c_out // 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        even, odd = x[:, :, ::2, ::2], F.pad(x, (0, 1, 0, 1))[:, :, 1::2, 1::2]
        out: Tensor = self.norm(torch.cat((self.even(even), self.odd(odd)), dim=1))
        return out


class PointwiseReduce(nn.Module):
    """Half the size: a 1x1 convolution of the even pixels, batch norm."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(x[:, :, ::2, ::2]))
        return out


class InvertedResidual(nn.Module):
    """MobileNetV2's block: widen, depthwise convolution, narrow; at stride 1 beside the input itself."""

    def __init__(self, c_in: int, c_out: int, kernel: int, expansion: int, stride: int = 1) -> None:
        super().__init__()
        wide = expansion * c_in
        self.has_shortcut = stride == 1
        self.residual = nn.Sequential(
            nn.Conv2d(c_in, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.Conv2d(wide, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.residual(x)
        return out + x if self.has_shortcut else out


class ResidualReduction(nn.Module):
    """Half the size: two 3x3 convolutions beside an average pool and a 1x1 convolution."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(c_in, c_out, 3, stride=2)
        self.conv_b = ReLUConvBN(c_out, c_out, 3)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False), nn.Conv2d(c_in, c_out, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv_b(self.conv_a(x)) + self.shortcut(x)
        return out


class Noise(nn.Module):
    """Standard normal numbers, whatever the picture: the same for every batch of one size."""

    def __init__(self, *place: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        digest = blake2b(repr((0, "noise", *place)).encode(), digest_size=8).digest()
        self.seed = int.from_bytes(digest, "big") >> 1

    def forward(self, x: Tensor) -> Tensor:
        shape = x[:, :, :: self.stride, :: self.stride].shape
        return torch.randn(shape, generator=torch.Generator().manual_seed(self.seed))


class Layer(nn.Module):
    """One operation, under the name that its weights have."""

    def __init__(self, name: str, operation: nn.Module) -> None:
        super().__init__()
        self.nodes = nn.ModuleList([nn.ModuleDict({name: operation})])

    def forward(self, x: Tensor) -> Tensor:
        for node in self.nodes:
            for operation in node.children():
                x = operation(x)
        return x
