"""The peers' networks, as anybody writes them in plain torch: nothing of dadarts here.

A ResNet-20 (arXiv 1512.03385, section 4.2) and a network of MobileNetV2's blocks (arXiv 1801.04381) for small pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn


def _conv(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(c_out))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is projected where shapes change."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = _conv(c_in, c_out, 3, stride), _conv(c_out, c_out, 3)
        self.shortcut = nn.Identity() if (c_in, stride) == (c_out, 1) else _conv(c_in, c_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


class InvertedResidual(nn.Module):
    """Widen, depthwise, narrow; added to its input where shapes allow."""

    def __init__(self, c_in: int, c_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * c_in
        widened = [_conv(c_in, wide, 1), nn.ReLU6()] if expansion > 1 else []
        self.body = nn.Sequential(*widened, _conv(wide, wide, 3, stride, wide), nn.ReLU6(), _conv(wide, c_out, 1))
        self.adds = (c_in, stride) == (c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.adds else y


def resnet(colours: int, classes: int, width: int) -> nn.Module:
    """ResNet-20 with `width` channels in its first stage."""
    blocks: list[nn.Module] = [_conv(colours, width, 3), nn.ReLU()]
    c = width
    for stage in range(3):
        for number in range(3):
            wide = width << stage
            blocks.append(BasicBlock(c, wide, 2 if stage and not number else 1))
            c = wide
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))


_ROWS = ((1, 2, 1, 1), (6, 3, 2, 1), (6, 4, 2, 2), (6, 8, 2, 2), (6, 12, 1, 1))
"""Expansion, channels in eighths of the network's, blocks, stride: MobileNetV2's rows but its deepest, which pictures
of 32 pixels and hundreds of them have no use for."""


def mobilenet(colours: int, classes: int, width: int) -> nn.Module:
    """MobileNetV2's blocks; `width` is an eighth of its 64 channels at width 1.0, so 8 is 1.0 and 4 is 0.5."""
    c = 4 * width
    blocks: list[nn.Module] = [_conv(colours, c, 3), nn.ReLU6()]
    for expansion, eighths, count, stride in _ROWS:
        for number in range(count):
            wide = eighths * width
            blocks.append(InvertedResidual(c, wide, 1 if number else stride, expansion))
            c = wide
    last = max(64, 32 * width)
    head = [_conv(c, last, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, classes)]
    return nn.Sequential(*blocks, *head)


Build = Callable[[int, int, int], nn.Module]
"""Colours, classes and width to a network."""

NETWORKS: Mapping[str, tuple[Build, int]] = MappingProxyType({"resnet-20": (resnet, 16), "mobilenet": (mobilenet, 4)})
"""By name, with the usual width."""


def parameters(network: nn.Module) -> int:
    """How many it has."""
    return sum(parameter.numel() for parameter in network.parameters())


def built(name: str, colours: int, classes: int, most: int | None) -> nn.Module:
    """A peer at its usual width, or at the largest one with no more than `most` parameters where that is given.

    Raises:
        ValueError: the narrowest has more.
    """
    build, width = NETWORKS[name]
    if most is None:
        return build(colours, classes, width)
    with torch.device("meta"):
        widths = [each for each in range(1, 2 * width) if parameters(build(colours, classes, each)) <= most]
    if not widths:
        raise ValueError(f"{name} has more than {most:,} parameters at every width")
    return build(colours, classes, widths[-1])
