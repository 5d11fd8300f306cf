"""The predictions of a discrete network by one compiled call for a batch."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dadarts.engines.inference.graph import Drawn, Opaque, Shape
from dadarts.engines.inference.lower import Lowering
from dadarts.engines.inference.program import Library, Program, assembled, carried
from dadarts.engines.inference.record import recorded
from dadarts.engines.inference.steps import Kind, Step
from dadarts.engines.inference.weights import Weights

_LINE = 64


class _Outside(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p)] + [(name, ctypes.c_long) for name in ("picture", "channel", "row", "column")]


@dataclass(frozen=True)
class _Stage:
    program: Program
    layer: tuple[Opaque, int, int] | None
    leaves: tuple[tuple[int, Shape], ...]


class Predictor:
    """A network, or a layer of one, in evaluation mode, its batch norms folded; the same function of the same pictures.

    Weights may change between calls, by whatever means, or be replaced: they are folded anew where they have. Every
    picture's numbers are the same bits in every batch and on any number of threads, each of which takes whole pictures:
    one is worth a thread's start, and a part of one is not worth waiting for the others after every step.

    Args:
        network: the readable definition, on a CPU.
        library: the compiled functions.
    """

    def __init__(self, network: nn.Module, library: Library) -> None:
        self.network = network
        self._library = library
        self._weights = Weights(network, library.digest)
        self._programs: dict[tuple[Shape, torch.dtype], _Compiled] = {}

    def __call__(self, x_BCHW: Tensor, noise_key: int = 0, threads: int | None = None) -> Tensor:
        """The output (B, C, H, W); logits are (B, classes, 1, 1).

        Args:
            threads: at most so many; None: as many as torch has.

        Raises:
            NotImplementedError: the network's pass cannot be compiled.
        """
        key = ((x_BCHW.shape[1], x_BCHW.shape[2], x_BCHW.shape[3]), x_BCHW.dtype)
        if key not in self._programs:
            self._programs[key] = _Compiled(self.network, *key, self._library)
        most = torch.get_num_threads() if threads is None else threads
        return self._programs[key](x_BCHW, noise_key, min(most, len(x_BCHW)), self._weights.digest())


class _Compiled:
    """A predictor for pictures of one shape and type."""

    def __init__(self, network: nn.Module, picture: Shape, dtype: torch.dtype, library: Library) -> None:
        nodes = recorded(network, picture)
        lowered = Lowering(nodes, library.width[dtype])
        steps, self._slots = carried(lowered.stages, len(lowered.slots))
        self._library, self._dtype = library, dtype
        self._stages = [
            _Stage(assembled(own, library.width[dtype]), stage.layer, _leaving(own))
            for own, stage in zip(steps, lowered.stages, strict=True)
        ]
        self._draws = [
            (lowered.slots[number], node.operation.noise, nodes[node.inputs[0]].shape)
            for number, node in enumerate(nodes)
            if isinstance(node.operation, Drawn)
        ]
        self._out = lowered.out
        self._size = max(library.arena(stage.program, dtype) for stage in self._stages)
        self._folded: tuple[int | None, list[Tensor]] = (None, [])
        # Kept between calls, since fresh memory costs more than a picture; each call takes one or makes it.
        self._arenas: list[Tensor] = []

    def __call__(self, x: Tensor, noise_key: int, threads: int, digest: int) -> Tensor:
        known, constants = self._folded
        if digest != known:
            constants = [stage.program.constants(self._dtype) for stage in self._stages]
            self._folded = digest, constants
        slots: list[Tensor | None] = [None] * self._slots
        slots[0] = x
        for slot, noise, shape in self._draws:
            noise.key = noise_key
            slots[slot] = noise(torch.zeros((), dtype=x.dtype).expand(len(x), *shape))
        arenas = self._arena(threads)
        for stage, numbers in zip(self._stages, constants, strict=True):
            self._run(stage, numbers, slots, arenas[:threads])
        self._arenas.append(arenas)
        out = slots[self._out]
        assert out is not None  # noqa: S101 -- the last stage has written it
        return out

    def _arena(self, threads: int) -> Tensor:
        """An arena for each of so many threads, or more, that no other call is using."""
        try:
            arenas = self._arenas.pop()
        except IndexError:
            arenas = None
        if arenas is not None and len(arenas) >= threads:
            return arenas
        size = -(-self._size // _LINE) * _LINE
        memory = torch.empty(threads * size + _LINE, dtype=self._dtype)
        begin = -memory.data_ptr() % _LINE // memory.element_size()
        return memory[begin : begin + threads * size].view(threads, size)

    def _run(self, stage: _Stage, constants: Tensor, slots: list[Tensor | None], arenas: Tensor) -> None:
        x = slots[0]
        assert x is not None  # noqa: S101 -- the pictures
        for slot, shape in stage.leaves:
            slots[slot] = torch.empty((len(x), *shape), dtype=self._dtype, memory_format=torch.channels_last)
        if stage.program.steps:
            self._library.run(stage.program, constants, _outsides(slots), len(x), arenas)
        if stage.layer is not None:
            operation, begin, end = stage.layer
            given = slots[begin]
            assert given is not None  # noqa: S101 -- an earlier stage has written it
            slots[end] = (
                operation.module(given.flatten(1))[:, :, None, None] if operation.flat else operation.module(given)
            )


def _outsides(slots: Sequence[Tensor | None]) -> Any:
    found = (_Outside * len(slots))()
    for place, tensor in zip(found, slots, strict=True):
        if tensor is not None:
            place.at = tensor.data_ptr()
            place.picture, place.channel, place.row, place.column = tensor.stride()
    return found


def _leaving(steps: Sequence[Step]) -> tuple[tuple[int, Shape], ...]:
    """The slots that steps write, and the shapes of what they write there."""
    return tuple(
        (step.slot, (step.reads.channels, step.reads.height, step.reads.width))
        for step in steps
        if step.kind is Kind.LEAVE
    )
