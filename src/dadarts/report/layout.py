"""Where the parts of a cell stand, so that nothing covers anything.

Columns alternate between states and gaps. An edge owns one slot in every column between its two states: its label
in one gap, a bend elsewhere. Curves change height only in the corridors between columns, so no line runs behind a
label or through a node (the layered drawing of Sugiyama, Tagawa and Toda, 1981). All lengths are inches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import networkx as nx

from dadarts.architecture.genotype import CellGenotype

SWEEPS, SETTLING, STRAIGHTENING = 12, 40, 6
"""Rounds of ordering, of moving towards neighbours, of straightening lines; enough for nothing to move any more."""
HASTE = 4
MANY_SLOTS = 500
"""Beyond this many slots (some 12 nodes) only every HASTE-th round is made, and neighbours are not exchanged."""


@dataclass(frozen=True)
class Link:
    """One arrow: an operation from state to state, or (None) a state's way into the output."""

    source: int
    target: int
    operation: str | None


@dataclass(frozen=True)
class Sizes:
    """Heights of what stands in a column, and the air between two of them."""

    state: float = 0.44
    label: float = 0.25
    bend: float = 0.04
    arrow: float = 0.1
    air: float = 0.13


@dataclass
class Columns:
    """The slots of a cell.

    Slots 0 to `states` - 1 are the states, slot `states` is the output, the rest are labels and bends.

    Args:
        layer: slot -> column; even columns hold states.
        height: slot -> height.
        chains: link -> its slots from source to target.
        labels: link -> the slot of its label; None for a link without operation.
    """

    states: int
    links: tuple[Link, ...]
    layer: list[int]
    height: list[float]
    chains: list[list[int]] = field(default_factory=list)
    labels: list[int | None] = field(default_factory=list)

    @property
    def count(self) -> int:
        return max(self.layer) + 1

    @cached_property
    def before(self) -> list[list[int]]:
        """slot -> its neighbours in the column before."""
        found: list[list[int]] = [[] for _ in self.layer]
        for chain in self.chains:
            for left, right in pairwise(chain):
                found[right].append(left)
        return found

    @cached_property
    def after(self) -> list[list[int]]:
        """slot -> its neighbours in the column behind."""
        found: list[list[int]] = [[] for _ in self.layer]
        for chain in self.chains:
            for left, right in pairwise(chain):
                found[left].append(right)
        return found


def links_of(cell: CellGenotype, inputs: int) -> tuple[Link, ...]:
    """Every edge of the cell in the genotype's order, then one link from each concatenated state to the output."""
    edges = [Link(state, inputs + i, op) for i, node in enumerate(cell.nodes) for op, state in node]
    output = inputs + len(cell.nodes)
    return (*edges, *(Link(state, output, None) for state in cell.concat))


def columns(cell: CellGenotype, inputs: int, sizes: Sizes) -> Columns:
    """Slots for every state, label and bend of a cell."""
    links = links_of(cell, inputs)
    states = inputs + len(cell.nodes)
    depth = [0] * inputs + [1] * (len(cell.nodes) + 1)
    for link in links:  # in the order of their targets, so every source's depth is final
        depth[link.target] = max(depth[link.target], depth[link.source] + 1)
    depth[states] = max(depth[:states]) + 1
    made = Columns(states, links, [2 * d for d in depth], _state_heights(links, inputs, states, sizes))
    place = _label_columns(links, depth)
    for number, link in enumerate(links):
        chain = [link.source]
        made.labels.append(None)
        for layer in range(2 * depth[link.source] + 1, 2 * depth[link.target]):
            slot = len(made.layer)
            is_label = layer == place.get(number)
            if is_label:
                made.labels[number] = slot
            chain.append(slot)
            made.layer.append(layer)
            made.height.append(sizes.label if is_label else sizes.bend)
        made.chains.append([*chain, link.target])
    return made


def _state_heights(links: Sequence[Link], inputs: int, states: int, sizes: Sizes) -> list[float]:
    """The height of each state; inputs and output grow with the arrows that they hold."""
    tall = [sizes.state] * (states + 1)
    for slot in (*range(inputs), states):
        arrows = sum(slot in (link.source, link.target) for link in links)
        tall[slot] = max(sizes.state, sizes.arrow * (arrows + 1))
    return tall


def _label_columns(links: Sequence[Link], depth: Sequence[int]) -> dict[int, int]:
    """link -> the gap of its label: the emptiest one that it crosses, the short links choosing first."""
    filled: dict[int, int] = {}
    place = {}
    named = [number for number, link in enumerate(links) if link.operation is not None]
    for number in sorted(named, key=lambda n: depth[links[n].target] - depth[links[n].source]):
        gaps = range(2 * depth[links[number].source] + 1, 2 * depth[links[number].target], 2)
        gap = min(gaps, key=lambda layer: filled.get(layer, 0))
        filled[gap] = filled.get(gap, 0) + 1
        place[number] = gap
    return place


def ordered(made: Columns) -> list[list[int]]:
    """column -> slots from top to bottom, with few crossings; the inputs keep their order."""
    order = _first_order(made)
    best, fewest = [list(column) for column in order], _crossings(made, order)
    for sweep in range(SWEEPS if len(made.layer) <= MANY_SLOTS else SWEEPS // HASTE):
        forward = sweep % 2 == 0
        layers = range(1, made.count) if forward else range(made.count - 2, 0, -1)
        for layer in layers:
            _sort_by_neighbours(order, layer, made.before if forward else made.after, -1 if forward else 1)
        if len(made.layer) <= MANY_SLOTS:
            _exchange(made, order)
        crossings = _crossings(made, order)
        if crossings < fewest:
            best, fewest = [list(column) for column in order], crossings
    return best


def _first_order(made: Columns) -> list[list[int]]:
    graph = nx.DiGraph()
    for slot, layer in enumerate(made.layer):
        graph.add_node(slot, layer=layer)
    spot = nx.multipartite_layout(graph, subset_key="layer")
    order: list[list[int]] = [[] for _ in range(made.count)]
    for slot in sorted(graph, key=lambda slot: (spot[slot][1], slot)):
        order[made.layer[slot]].append(slot)
    return order


def _sort_by_neighbours(order: list[list[int]], layer: int, beside: list[list[int]], step: int) -> None:
    rank = {slot: position for position, slot in enumerate(order[layer + step])}
    own = {slot: position for position, slot in enumerate(order[layer])}

    def centre(slot: int) -> float:
        near = beside[slot]
        return sum(rank[other] for other in near) / len(near) if near else own[slot]

    order[layer].sort(key=centre)


def _inversions(upper: Sequence[int], lower: Sequence[int]) -> int:
    return sum(a > b for a in upper for b in lower)


def _crossings(made: Columns, order: list[list[int]]) -> int:
    total = 0
    for left, right in pairwise(order):
        rank = {slot: position for position, slot in enumerate(right)}
        seen: list[int] = []
        for slot in left:
            ends = [rank[other] for other in made.after[slot]]
            total += _inversions(seen, ends)
            seen += ends
    return total


def _exchange(made: Columns, order: list[list[int]]) -> None:
    """Swap neighbours in a column wherever that removes crossings."""
    for layer in range(1, made.count):
        column = order[layer]
        sides = [(made.before, {s: p for p, s in enumerate(order[layer - 1])})]
        if layer + 1 < made.count:
            sides.append((made.after, {s: p for p, s in enumerate(order[layer + 1])}))
        for place in range(len(column) - 1):
            a, b = column[place], column[place + 1]
            ends = [([rank[n] for n in near[a]], [rank[n] for n in near[b]]) for near, rank in sides]
            if sum(_inversions(x, y) for x, y in ends) > sum(_inversions(y, x) for x, y in ends):
                column[place], column[place + 1] = b, a


def heights(made: Columns, order: Sequence[Sequence[int]], sizes: Sizes) -> dict[int, float]:
    """slot -> its centre's distance from the top of the highest slot: near its neighbours, never on another one."""
    y: dict[int, float] = {}
    for column in order:
        offsets = _offsets(made, column, sizes)
        y |= {slot: offset - offsets[-1] / 2 for slot, offset in zip(column, offsets, strict=True)}
    for sweep in range(SETTLING if len(made.layer) <= MANY_SLOTS else SETTLING // HASTE):
        for column in order if sweep % 2 == 0 else reversed(order):
            _settle(made, column, y, [_wish(made, column, slot, y) for slot in column], sizes)
    for _ in range(STRAIGHTENING):
        level = _levels(made, y)
        for column in order:
            # A bend that gives way makes a line wavy, a state that gives way does not.
            wishes = [(level[slot], 9.0) if slot in level else _stay(made, column, slot, y) for slot in column]
            _settle(made, column, y, wishes, sizes)
    top = min(y[slot] - made.height[slot] / 2 for slot in y)
    return {slot: height - top for slot, height in y.items()}


def _wish(made: Columns, column: Sequence[int], slot: int, y: Mapping[int, float]) -> tuple[float, float]:
    """The mean height of a slot's neighbours, and the weight of this wish."""
    near = [*made.before[slot], *made.after[slot]]
    return (sum(y[other] for other in near) / len(near), 1.0) if near else _stay(made, column, slot, y)


def _stay(made: Columns, column: Sequence[int], slot: int, y: Mapping[int, float]) -> tuple[float, float]:
    """The wish to stay; what no link touches follows the slot above it (or below), pushing nothing away."""
    if made.before[slot] or made.after[slot]:
        return y[slot], 1.0
    place = column.index(slot)
    beside = column[place - 1] if place else column[min(1, len(column) - 1)]
    return y[beside], 1e-6


def _levels(made: Columns, y: Mapping[int, float]) -> dict[int, float]:
    """slot -> the mean height of the bends and labels of its link."""
    inner = [chain[1:-1] for chain in made.chains]
    return {slot: sum(y[other] for other in chain) / len(chain) for chain in inner for slot in chain}


def _offsets(made: Columns, column: Sequence[int], sizes: Sizes) -> list[float]:
    """Distances from the first slot of a column when all stand as close as they may."""
    offsets = [0.0]
    for upper, lower in pairwise(column):
        offsets.append(offsets[-1] + (made.height[upper] + made.height[lower]) / 2 + sizes.air)
    return offsets


def _settle(
    made: Columns, column: Sequence[int], y: dict[int, float], wishes: Sequence[tuple[float, float]], sizes: Sizes
) -> None:
    """Least-squares move of a column towards its wishes (height, weight), keeping order and distances.

    Subtracting the closest stacking turns the distances into an order, so this is isotonic regression, solved by
    pooling adjacent violators.
    """
    offsets = _offsets(made, column, sizes)
    pools: list[tuple[float, float, int]] = []
    for (wish, weight), offset in zip(wishes, offsets, strict=True):
        mean, size = wish - offset, 1
        while pools and pools[-1][0] > mean:
            other, mass, many = pools.pop()
            mean = (mean * weight + other * mass) / (weight + mass)
            weight, size = weight + mass, size + many
        pools.append((mean, weight, size))
    moved = [mean for mean, _, size in pools for _ in range(size)]
    y.update({slot: base + offset for slot, base, offset in zip(column, moved, offsets, strict=True)})


def column_centres(made: Columns, widths: Sequence[float], corridor: float) -> list[float]:
    """column -> x of its centre, for columns of these widths with a corridor between any two."""
    centres: list[float] = []
    right = 0.0
    for layer in range(made.count):
        centres.append(right + widths[layer] / 2)
        right += widths[layer] + corridor
    return centres
