"""Where an operation stands, as far as its cost depends on it, and all such places of a network or a space."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from dadarts.architecture.counting import Counting, Shape, count_parameters
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.operations import NONE
from dadarts.architecture.skeletons import Cell, Macro, Site, applied, build_backbone
from dadarts.architecture.spaces import SearchSpace

Named: TypeAlias = Callable[[Site, int], Sequence[tuple[str, int]]]
"""(site, number of a node) -> names of its operations, and the states that they read, counted from the first."""


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
    inputs: Shape
    channels: int
    stride: int


class Choice(NamedTuple):
    """An operation on an edge: what all cells of a kind have there.

    Args:
        kind: of the cells.
        node: its number.
        edge: which of the states that the node reads, counted from the first.
        operation: its name.
    """

    kind: str
    node: int
    edge: int
    operation: str


@dataclass(frozen=True)
class Walked:
    """What a network is made of.

    Args:
        made_by: the places that every choice makes, and how often.
        parameters, multiply_adds: of what stands around them: its stem, what prepares cells' inputs, its classifier.
    """

    made_by: Mapping[Choice, Counter[Place]]
    parameters: int
    multiply_adds: int

    @property
    def places(self) -> Counter[Place]:
        """All places of operations, and how often each is there."""
        total: Counter[Place] = Counter()
        for own in self.made_by.values():
            total.update(own)
        return total


def places_of(space: SearchSpace, macro: Macro) -> list[Place]:
    """Every place that a network of a space may have at a size, once, in order."""
    return sorted(walked_space(space, macro).places)


def places_of_genotype(genotype: Genotype, macro: Macro) -> Counter[Place]:
    """The places of a genotype's network, and how often each is there."""
    return walked(genotype, macro).places


def walked_space(space: SearchSpace, macro: Macro) -> Walked:
    """What the networks of a space are made of, with every candidate on every edge."""

    def candidates(site: Site, number: int) -> list[tuple[str, int]]:
        edges = space.candidates[site.kind][number]
        return [(name, edge) for edge, names in enumerate(edges) for name in names]

    return _walked(space, macro, candidates, dict.fromkeys(space.kinds, space.joined))


def walked(genotype: Genotype, macro: Macro) -> Walked:
    """What a genotype's network is made of; nothing is allocated."""
    return _walked_cells(genotype, macro, lambda site: genotype)


def places_of_cells(genotypes: Sequence[Genotype], macro: Macro) -> Counter[Place]:
    """The places of a network of which every cell is that of another genotype, all of one space."""
    return _walked_cells(genotypes[0], macro, lambda site: genotypes[site.index]).places


def _walked_cells(first: Genotype, macro: Macro, at: Callable[[Site], Genotype]) -> Walked:
    space = first.space

    def chosen(site: Site, number: int) -> list[tuple[str, int]]:
        begin = space.reads(site.kind, number).start
        return [(name, state - begin) for name, state in at(site).cells[site.kind].nodes[number]]

    return _walked(space, macro, chosen, {kind: cell.concat for kind, cell in first.cells.items()})


def _walked(space: SearchSpace, macro: Macro, named: Named, concat: Mapping[str, Sequence[int]]) -> Walked:
    found: defaultdict[Choice, Counter[Place]] = defaultdict(Counter)

    def run(cell: Cell, inputs: Sequence[Tensor]) -> Tensor:
        site = cell.site

        def node(number: int, _: nn.Module, states: list[Tensor]) -> Tensor:
            for name, state in named(site, number):
                stride = site.input_stride if state < space.inputs else 1
                channels, height, width = states[state].shape[1:]
                if name != NONE:
                    place = Place(name, (channels, height, width), site.channels, stride)
                    found[Choice(site.kind, number, state, name)][place] += 1
            # Whatever stands on an edge, its windows are padded so that a size becomes ceil(size / stride).
            height, width = (-(-size // site.input_stride) for size in states[0].shape[2:])
            return torch.empty((1, site.channels, height, width))

        out: Tensor = cell(inputs, node)
        return out

    with torch.device("meta"), Counting() as counter, torch.no_grad():
        nothing = nn.Identity()
        backbone = build_backbone(space, macro, lambda site, number: nothing, concat, affine=True).eval()
        features = backbone.features(torch.empty((1, *macro.image_shape)), run, applied)
        backbone.classify(features[-1])
    return Walked(found, count_parameters(backbone), counter.multiply_adds)
