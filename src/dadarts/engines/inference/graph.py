"""What a network computes, operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from dadarts.architecture.operations import Noise

Shape: TypeAlias = tuple[int, int, int]
"""Channels, height and width."""
Weight: TypeAlias = Callable[[], Tensor]
"""The weights that a layer has now."""


@dataclass(frozen=True)
class Convolution:
    """A convolution without bias: its weight (out, in / groups, height, width) and window.

    Args:
        taps: of every tap, row by row, the first and the last output channel that it counts for; None: all.
    """

    weight: Weight
    kernel: tuple[int, int]
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    dilation: int = 1
    depthwise: bool = False
    taps: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True)
class Affine:
    """``x * scale + shift`` per channel; the function gives both, float64."""

    factors: Callable[[], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Rectified:
    """ReLU."""


@dataclass(frozen=True)
class Pooled:
    """A pool over what of its windows lies in the picture."""

    maximum: bool
    kernel: int
    stride: int
    padding: int


@dataclass(frozen=True)
class Sum:
    """The sum of two inputs."""


@dataclass(frozen=True)
class Joined:
    """Channels of the inputs, one after the other."""


@dataclass(frozen=True)
class Zeros:
    """Zeros, whatever the input."""


@dataclass(frozen=True)
class Mean:
    """The mean over all pixels: (channels, 1, 1)."""


@dataclass(frozen=True)
class Drawn:
    """A tensor that depends on the batch's size and key alone."""

    noise: Noise


@dataclass(frozen=True)
class Given:
    """The pictures."""


@dataclass(frozen=True)
class Opaque:
    """Any other layer, computed by torch; of (B, C) tensors where it is flat."""

    module: nn.Module
    flat: bool


Operation: TypeAlias = Convolution | Affine | Rectified | Pooled | Sum | Joined | Zeros | Mean | Drawn | Given | Opaque


@dataclass(frozen=True)
class Node:
    """An operation on the outputs of earlier nodes, by their numbers, and the shape of its own."""

    operation: Operation
    inputs: tuple[int, ...]
    shape: Shape


class Graph:
    """The nodes of a network, each behind its inputs; the last is the output."""

    def __init__(self, shape: Shape) -> None:
        self.nodes = [Node(Given(), (), shape)]

    def add(self, operation: Operation, inputs: Sequence[Token], shape: Shape) -> Token:
        """Append a node."""
        self.nodes.append(Node(operation, tuple(token.number for token in inputs), shape))
        return Token(self, len(self.nodes) - 1)


class Token:
    """Stands for a node's output where a forward pass is written down, (B, C, H, W) or, where it is flat, (B, C)."""

    def __init__(self, graph: Graph, number: int, flat: bool = False) -> None:
        self.graph = graph
        self.number = number
        self.flat = flat

    @property
    def shape(self) -> Shape:
        return self.graph.nodes[self.number].shape

    def then(self, operation: Operation, shape: Shape | None = None) -> Token:
        """An operation on this output; without a shape it has the same."""
        out = self.graph.add(operation, [self], self.shape if shape is None else shape)
        out.flat = self.flat
        return out

    def __add__(self, other: Token) -> Token:
        return self.graph.add(Sum(), [self, other], self.shape)

    def mean(self, dim: tuple[int, int]) -> Token:
        if dim != (2, 3):
            raise NotImplementedError(f"a mean over {dim}")
        out = self.then(Mean(), (self.shape[0], 1, 1))
        out.flat = True
        return out

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, given: Any, options: Any = None) -> Token:
        if function is not torch.cat or options != {"dim": 1}:
            raise NotImplementedError(str(function))
        parts: Sequence[Token] = given[0]
        _, height, width = parts[0].shape
        return parts[0].graph.add(Joined(), parts, (sum(part.shape[0] for part in parts), height, width))
