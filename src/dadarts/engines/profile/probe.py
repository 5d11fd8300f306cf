"""Small networks that have every operation where networks have it: whole, they say what operations cost together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from torch import nn

from dadarts.architecture.genotype import random_genotype
from dadarts.architecture.network import FixedNode, Network
from dadarts.architecture.places import Place, places_of, places_of_cells
from dadarts.architecture.skeletons import Cell, Macro
from dadarts.architecture.spaces import SearchSpace

SMALL, WHOLE = 24, 2
"""How many probes there are with as few layers as have all places, and of the size itself."""


@dataclass(frozen=True)
class Probe:
    """A network of random cells, no two of them the same.

    Args:
        network: on a CPU.
        places: of its operations.
        macro: its size.
    """

    network: Network
    places: Counter[Place]
    macro: Macro


def probes(space: SearchSpace, macro: Macro) -> list[Probe]:
    """Networks to measure, the larger ones last."""
    shallow = _shallow(space, macro)
    sizes = [shallow] * SMALL + ([] if shallow == macro else [macro] * WHOLE)
    return [_probe(space, size, number) for number, size in enumerate(sizes)]


def _shallow(space: SearchSpace, macro: Macro) -> Macro:
    """The size of so few layers that its networks have the same places."""
    wanted = set(places_of(space, macro))
    sizes = (replace(macro, layers=layers) for layers in range(1, macro.layers))
    return next((size for size in sizes if wanted <= set(places_of(space, size))), macro)


def _probe(space: SearchSpace, macro: Macro, number: int) -> Probe:
    network = Network(random_genotype(space, number), macro)
    cells = [module for module in network.modules() if isinstance(module, Cell)]
    genotypes = [random_genotype(space, number + 1000 * (index + 1)) for index in range(len(cells))]
    for cell, genotype in zip(cells, genotypes, strict=True):
        numbers = range(cell.first, cell.first + len(cell.nodes))
        edges = genotype.cells[cell.site.kind].nodes
        cell.nodes = nn.ModuleList(FixedNode(space, cell.site, node, edges[node]) for node in numbers)
    return Probe(network, places_of_cells(genotypes, macro), macro)
