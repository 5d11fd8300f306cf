"""Steps as the compiled program reads them: one list of whole numbers, with every buffer's place in the arena."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dadarts.engines.inference.lower import Stage
from dadarts.engines.inference.steps import Held, Kind, Step
from dadarts.engines.native.window import SUFFIXES

SOURCE = Path(__file__).with_name("predict.cpp")
_HEADER = 20
"""Numbers of `struct Step` in blocks.hpp."""


@dataclass(frozen=True)
class Program:
    """A stage's steps, laid out.

    Args:
        code: as blocks.hpp reads it.
        steps: how many.
        arena: numbers that a thread needs beside its scratch.
        values: the steps that have numbers, in order.
    """

    code: Any
    steps: int
    arena: int
    values: tuple[Step, ...]

    def constants(self, dtype: torch.dtype) -> Tensor:
        """All numbers of the steps, of the weights as they are now."""
        folded = [step.values.folded() for step in self.values if step.values is not None]
        return torch.cat(folded).to(dtype) if folded else torch.empty(0, dtype=dtype)


def assembled(steps: Sequence[Step], width: int) -> Program:
    """The program of a stage's steps, for vectors of a width."""
    begins, arena = _places(steps, width)
    code: list[int] = []
    values = 0
    for step in steps:
        words = _words(step, begins, values, width)
        code += [len(words) + 1, *words]
        values += 0 if step.values is None else len(step.values.index)
    array = (ctypes.c_long * len(code))(*code)
    return Program(array, len(steps), arena, tuple(step for step in steps if step.values is not None))


def _words(step: Step, begins: dict[int, int], values: int, width: int) -> list[int]:
    out, reads, geometry = step.out, step.reads, step.geometry

    def at(held: Held) -> list[int]:
        size = held.height * held.width * width
        return [begins[block.buffer] + block.place * size for block in held.blocks]

    header = [
        step.kind, len(reads.blocks), len(out.blocks), reads.height, reads.width, out.height, out.width,
        *geometry.kernel, geometry.stride, geometry.dilation, *geometry.padding, *map(int, step.rectifies),
        int(step.added is not None), step.slot, values,
    ]  # fmt: skip
    assert len(header) + 1 == _HEADER  # noqa: S101 -- blocks.hpp has as many
    added = [] if step.added is None else at(step.added)
    return [*header, *at(reads), *reads.counts, *at(out), *added, *step.groups]


def _places(steps: Sequence[Step], width: int) -> tuple[dict[int, int], int]:
    """Where every buffer begins, and how long the arena is: each takes the first gap while it is needed."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for at, step in enumerate(steps):
        for held in (step.reads, step.out, step.added):
            for block in () if held is None else held.blocks:
                assert held is not None  # noqa: S101 -- it has blocks
                first.setdefault(block.buffer, at)
                last[block.buffer] = at
                size = (block.place + 1) * held.height * held.width * width
                sizes[block.buffer] = max(size, sizes.get(block.buffer, 0))
    begins: dict[int, int] = {}
    arena = 0
    for buffer in sorted(first, key=lambda each: first[each]):
        taken = sorted(
            (begins[other], begins[other] + _rounded(sizes[other])) for other in begins if last[other] >= first[buffer]
        )
        begin = 0
        for start, end in taken:
            if begin + sizes[buffer] <= start:
                break
            begin = max(begin, end)
        begins[buffer] = begin
        arena = max(arena, begin + _rounded(sizes[buffer]))
    return begins, arena


def _rounded(size: int) -> int:
    """In whole cache lines, whatever the type."""
    return -(-size // 16) * 16


def carried(stages: Sequence[Stage], slots: int) -> tuple[list[list[Step]], int]:
    """The steps of every stage, with what a later one reads of an earlier one leaving it and entering again.

    Returns:
        The steps, and how many slots there are now.
    """
    made: dict[int, tuple[int, Held]] = {}
    out: list[list[Step]] = [[] for _ in stages]
    slot_of: dict[int, int] = {}
    for number, stage in enumerate(stages):
        entered: set[int] = set()
        for step in stage.steps:
            read = [*step.reads.blocks, *(() if step.added is None else step.added.blocks)]
            for buffer in dict.fromkeys(block.buffer for block in read):
                if buffer in made and made[buffer][0] != number and buffer not in entered:
                    home, whole = made[buffer]
                    if buffer not in slot_of:
                        slot_of[buffer] = slots
                        out[home].append(Step(Kind.LEAVE, whole, replace(whole, blocks=()), slot=slots))
                        slots += 1
                    out[number].append(Step(Kind.ENTER, whole, whole, slot=slot_of[buffer]))
                    entered.add(buffer)
            out[number].append(step)
            for block in step.out.blocks:
                made.setdefault(block.buffer, (number, step.out))
    return out, slots


class Library:
    """The compiled functions that carry programs out.

    Args:
        library: the compiled source, loaded.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._run: dict[torch.dtype, Any] = {}
        self._scratch: dict[torch.dtype, Any] = {}
        self.width: dict[torch.dtype, int] = {}
        pointer, long = ctypes.c_void_p, ctypes.c_long
        for dtype, suffix in SUFFIXES.items():
            run = self._run[dtype] = library[f"predict_{suffix}"]
            run.argtypes = [pointer, long, pointer, pointer, long, pointer, long, ctypes.c_int]
            run.restype = None
            scratch = self._scratch[dtype] = library[f"scratch_{suffix}"]
            scratch.argtypes, scratch.restype = [pointer, long], long
            width = library[f"width_{suffix}"]
            width.argtypes, width.restype = [], long
            self.width[dtype] = width()
        self.digest = library["digest"]
        self.digest.argtypes, self.digest.restype = [pointer, pointer, long], ctypes.c_uint64

    def arena(self, program: Program, dtype: torch.dtype) -> int:
        """Numbers that each thread needs."""
        return program.arena + int(self._scratch[dtype](program.code, program.steps))

    def run(self, program: Program, constants: Tensor, outsides: Any, pictures: int, arenas: Tensor) -> None:
        """Carry a program out; `arenas` is (threads, numbers)."""
        self._run[constants.dtype](
            program.code, program.steps, constants.data_ptr(), outsides, pictures,
            arenas.data_ptr(), arenas.shape[1], arenas.shape[0],
        )  # fmt: skip
