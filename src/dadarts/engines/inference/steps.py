"""A prediction's steps: what the compiled program does one after the other, and the numbers that each needs.

A state is held in blocks of one vector of channels (blocks.hpp); the last block of each part that was written at once
may have fewer. The numbers of a step are gathered from its folded weights by an index that is made once: weights may
change, the layout does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dadarts.engines.inference.graph import Convolution

Index = NDArray[np.int64]
GROUP = 2
"""Output vectors that are summed up at a time."""


class Kind(IntEnum):
    """The functions of predict.hpp, in its order."""

    DENSE = 0
    POINTWISE = 1
    SEPARABLE = 2
    AVERAGE = 3
    MAXIMUM = 4
    SCALE = 5
    FILL = 6
    MEAN = 7
    ENTER = 8
    LEAVE = 9


@dataclass(frozen=True)
class Block:
    """A vector of channels of a buffer, and how many of them count."""

    buffer: int
    place: int
    count: int


@dataclass(frozen=True)
class Held:
    """A node's output as it is held: its blocks, height and width."""

    blocks: tuple[Block, ...]
    height: int
    width: int

    @property
    def channels(self) -> int:
        return sum(block.count for block in self.blocks)

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(block.count for block in self.blocks)


@dataclass(frozen=True)
class Geometry:
    """A window as it slides: (height, width) of its kernel and padding, stride and dilation."""

    kernel: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    stride: int = 1
    dilation: int = 1

    @classmethod
    def of(cls, convolution: Convolution) -> Geometry:
        return cls(convolution.kernel, convolution.padding, convolution.stride, convolution.dilation)


@dataclass(frozen=True)
class Values:
    """The numbers of a step: float64 weights as they are now, and where in (0, weights) each number stands."""

    fold: Callable[[], Tensor]
    index: Tensor

    def folded(self) -> Tensor:
        """The numbers, float64."""
        weights = self.fold()
        return torch.cat((weights.new_zeros(1), weights)).index_select(0, self.index)


@dataclass(frozen=True)
class Step:
    """One function of predict.hpp and all that it is given.

    Args:
        kind: which.
        reads, out: its input and output.
        added: what is added to the output.
        geometry: of its window.
        rectifies: the input, what is between depthwise and pointwise convolution, the output.
        groups: of a matrix, as `each_group` of blocks.hpp reads them.
        slot: of what enters or leaves, its place among the tensors outside.
        values: its numbers.
    """

    kind: Kind
    reads: Held
    out: Held
    added: Held | None = None
    geometry: Geometry = field(default_factory=Geometry)
    rectifies: tuple[bool, bool, bool] = (False, False, False)
    groups: tuple[int, ...] = ()
    slot: int = 0
    values: Values | None = None

    def into(self, out: Held, added: Held | None, rectified: bool) -> Step:
        """The step with another output, what is added to it, and whether it is rectified."""
        return replace(self, out=out, added=added, rectifies=(*self.rectifies[:2], rectified))


Factors = Callable[[], tuple[Tensor, Tensor]]
"""Scale and shift per channel."""


@dataclass(frozen=True)
class Layer:
    """A convolution and what is folded into it."""

    convolution: Convolution
    factors: Factors | None

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias, float64."""
        weight = self.convolution.weight().detach().double()
        if self.factors is None:
            return weight, weight.new_zeros(weight.shape[0])
        scale, shift = self.factors()
        return weight * scale[:, None, None, None], shift


@dataclass(frozen=True)
class Packing:
    """Where numbers go, for vectors of a width."""

    width: int

    def dense(self, layer: Layer, reads: Held, channels: int) -> tuple[tuple[int, ...], Values]:
        """Groups and values of a dense convolution: a bias, then the matrix."""
        groups, matrix = self._matrix(layer.convolution, reads.counts, channels, 1)
        size = reads.channels * channels * int(np.prod(layer.convolution.kernel))
        bias = self._vectors(np.arange(channels), 1 + size, self._regular(channels))

        def fold() -> Tensor:
            return torch.cat([part.flatten() for part in layer.folded()])

        return groups, Values(fold, torch.from_numpy(np.concatenate((bias, matrix))))

    def separable(self, wide: Layer, narrow: Layer, reads: Held, channels: int) -> tuple[tuple[int, ...], Values]:
        """The same of a depthwise convolution and the pointwise one behind it: taps, both biases, then the matrix."""
        own, taps = reads.channels, int(np.prod(wide.convolution.kernel))
        depthwise = self._vectors(np.arange(own) * taps, 1, reads.counts).reshape(-1, 1, self.width)
        # A lane without a channel has no taps.
        kernel = np.where(depthwise > 0, depthwise + np.arange(taps)[:, None], 0)
        inner = self._vectors(np.arange(own), 1 + own * taps, reads.counts)
        begin = 1 + own * (taps + 1)
        groups, matrix = self._matrix(narrow.convolution, reads.counts, channels, begin)
        outer = self._vectors(np.arange(channels), begin + own * channels, self._regular(channels))

        def fold() -> Tensor:
            return torch.cat([part.flatten() for layer in (wide, narrow) for part in layer.folded()])

        return groups, Values(fold, torch.from_numpy(np.concatenate((kernel.ravel(), inner, outer, matrix))))

    def affine(self, factors: Factors | None, reads: Held) -> Values:
        """Scale and shift of every block."""
        channels = reads.channels
        parts = [self._vectors(np.arange(channels), begin, reads.counts) for begin in (1, 1 + channels)]

        def fold() -> Tensor:
            if factors is None:
                return torch.cat((torch.ones(channels), torch.zeros(channels))).double()
            return torch.cat(factors())

        return Values(fold, torch.from_numpy(np.concatenate(parts)))

    def _regular(self, channels: int) -> tuple[int, ...]:
        return tuple(min(self.width, channels - first) for first in range(0, channels, self.width))

    def _vectors(self, numbers: Index, begin: int, counts: tuple[int, ...]) -> Index:
        """A number a channel, block by block; lanes without a channel have 0."""
        lanes = np.zeros((len(counts), self.width), dtype=np.int64)
        lanes[np.arange(self.width) < np.array(counts)[:, None]] = numbers + begin
        return lanes.ravel()

    def _matrix(
        self, convolution: Convolution, counts: tuple[int, ...], channels: int, begin: int
    ) -> tuple[tuple[int, ...], Index]:
        """The groups of a matrix, whose weight (out, in, height, width) begins at `begin`, and its places."""
        taps, blocks = int(np.prod(convolution.kernel)), -(-channels // self.width)
        ranges = convolution.taps or ((0, channels),) * taps
        firsts = np.cumsum((0, *counts))
        groups: list[int] = []
        places: list[Index] = [np.zeros(0, dtype=np.int64)]
        for block in range(0, blocks, GROUP):
            vectors = min(GROUP, blocks - block)
            out = block * self.width + np.arange(vectors * self.width)
            read = [tap for tap in range(taps) if ranges[tap][0] <= out[-1] and out[0] < ranges[tap][1]]
            groups += [vectors, len(read) * len(counts)]
            for tap in read:
                for number, count in enumerate(counts):
                    groups += [tap, number]
                    rows = (firsts[number] + np.arange(count))[:, None]
                    found = begin + (out * firsts[-1] + rows) * taps + tap
                    places.append(np.where(out < channels, found, 0).ravel())
        return tuple(groups), np.concatenate(places)
