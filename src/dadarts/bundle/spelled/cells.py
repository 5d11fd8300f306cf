"""What the cells of a network hold and compute, as lines of Python."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent

from dadarts.architecture.network import FixedNode, Network
from dadarts.architecture.operations import NONE
from dadarts.architecture.skeletons import Cell
from dadarts.bundle.spelled.layers import OPERATIONS

_WIDTH = 116


def operations(given: Network, cell: Cell, number: int, channels: str) -> list[tuple[str, str]]:
    """The operations of a node of a cell: the names of their modules, and how they are written."""
    spellings = OPERATIONS[given.genotype.syntax]
    node = cell.nodes[number]
    assert isinstance(node, FixedNode)  # noqa: S101 -- nn.ModuleList forgets the type of what it holds
    chosen = [name for name, _ in given.genotype.cells[cell.site.kind].nodes[cell.first + number] if name != NONE]
    found = []
    for name, (state, module) in zip(chosen, node.edges, strict=True):
        stride = cell.site.input_stride if state < len(cell.preprocess) else 1
        # Noise is drawn by its place: cell, node, input, and which of equal edges it is.
        place = ", ".join(["index", str(number), str(state), *module.split("-")[2:]])
        found.append((module, spellings[name](place if name == "noise" else channels, stride)))
    return found


def nodes(given: Network, cell: Cell, channels: str) -> list[str]:
    """The line that makes the modules of a cell's nodes."""
    made = []
    for number in range(len(cell.nodes)):
        edges = [f'"{name}": {written}' for name, written in operations(given, cell, number, channels)]
        short = f"nn.ModuleDict({{{', '.join(edges)}}})"
        if len(short) + 16 > _WIDTH:
            lines = "".join(f"\n        {edge}," for edge in edges)
            short = f"nn.ModuleDict(\n    {{{lines}\n    }}\n)"
        made.append(short)
    return [f"self.nodes = nn.ModuleList({listed(made)})"]


def sums(cell: Cell) -> list[str]:
    """What every state that is read is the sum of, line by line."""
    edges = _edges(cell)
    read = states_read(cell)
    filled = [state for state in sorted(edges) if state in read and edges[state]]
    lines = []
    if filled:
        every = len(filled) == len(edges)
        inputs = len(cell.preprocess)
        taken = "self.nodes" if every else ", ".join(f"self.nodes[{state - inputs}]" for state in filled)
        names = ", ".join(f"n{state}" for state in filled)
        lines = [f"({names},) = {taken}" if every and len(filled) == 1 else f"{names} = {taken}"]
    for state in sorted(set(edges) & read):
        terms = [f'n{state}["{module}"](s{source})' for source, module in edges[state]]
        line = f"s{state} = {' + '.join(terms) or 'torch.zeros_like(s0)'}"
        if len(line) + 8 > _WIDTH:
            line = f"s{state} = (\n    " + "\n    + ".join(terms) + "\n)"
        lines.append(line)
    return lines


def _edges(cell: Cell) -> dict[int, list[tuple[int, str]]]:
    """State -> the states that its node's operations read, and their names."""
    found = {}
    for state, node in enumerate(cell.nodes, start=len(cell.preprocess)):
        assert isinstance(node, FixedNode)  # noqa: S101 -- nn.ModuleList forgets the type of what it holds
        found[state] = node.edges
    return found


def states_read(cell: Cell) -> set[int]:
    """The states that the output is made of, whether or not at once; nodes of zeros read the first input's shape."""
    edges, read = _edges(cell), set(cell.concat)
    for state in sorted(edges, reverse=True):
        if state in read:
            read |= {source for source, _ in edges[state]} or {0}
    return read


def joined(cell: Cell) -> str:
    """What a cell gives."""
    if len(cell.concat) == 1:
        return f"s{cell.concat[0]}"
    return f"torch.cat(({', '.join(f's{state}' for state in cell.concat)}), dim=1)"


def listed(items: Sequence[str]) -> str:
    """A list, an item a line, where an assignment within `__init__` takes one."""
    lines = "".join(f"{indent(item, '        ')},\n" for item in items)
    return f"\n    [\n{lines}    ]\n"
