"""Where an operation stands, as far as its cost depends on it, and all such places of a network or a space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.operations import NONE
from dadarts.architecture.skeletons import Macro, Site, applied, build_backbone
from dadarts.architecture.spaces import SearchSpace, for_syntax

Named = Callable[[str, int], Sequence[tuple[str, int]]]
"""(kind, number of a node) -> names of its operations, and the states that they read, counted from the first."""


@dataclass(frozen=True, order=True)
class Place:
    """An operation by name, the pictures that it is given, and the step of its windows.

    Args:
        operation: its name in its space.
        inputs: (C, H, W) of what it reads.
        channels: what it is built with; those of its output.
        stride: 1 or 2.
    """

    operation: str
    inputs: tuple[int, int, int]
    channels: int
    stride: int


def places_of(space: SearchSpace, macro: Macro) -> list[Place]:
    """Every place that a network of a space may have at a size, once, in order."""

    def candidates(kind: str, number: int) -> list[tuple[str, int]]:
        edges = space.candidates[kind][number]
        return [(name, edge) for edge, names in enumerate(edges) for name in names]

    return sorted(_walked(space, macro, candidates, dict.fromkeys(space.kinds, space.joined)))


def places_of_genotype(genotype: Genotype, macro: Macro) -> Counter[Place]:
    """The places of a genotype's network, and how often each is there."""
    space = for_syntax(genotype.syntax, len(next(iter(genotype.cells.values())).nodes))

    def chosen(kind: str, number: int) -> list[tuple[str, int]]:
        first = space.reads(kind, number).start
        return [(name, state - first) for name, state in genotype.cells[kind].nodes[number]]

    return _walked(space, macro, chosen, {kind: cell.concat for kind, cell in genotype.cells.items()})


def _walked(space: SearchSpace, macro: Macro, named: Named, concat: dict[str, Sequence[int]]) -> Counter[Place]:
    found: Counter[Place] = Counter()

    def node(site: Site, number: int, _: nn.Module, states: list[Tensor]) -> Tensor:
        for name, state in named(site.kind, number):
            stride = site.input_stride if state < space.inputs else 1
            channels, height, width = states[state].shape[1:]
            found[Place(name, (channels, height, width), site.channels, stride)] += name != NONE
        # Whatever stands on an edge, its windows are padded so that a size becomes ceil(size / stride).
        height, width = (-(-size // site.input_stride) for size in states[0].shape[2:])
        return torch.empty((1, site.channels, height, width))

    with torch.device("meta"), torch.no_grad():
        backbone = build_backbone(space, macro, lambda site, number: nn.Identity(), concat, affine=True).eval()
        picture = torch.empty((1, *macro.image_shape))
        backbone.features(picture, lambda cell, inputs: cell(inputs, partial(node, cell.site)), applied)
    return +found
