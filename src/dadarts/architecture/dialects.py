"""How other codebases write an architecture, and what they can write.

quark0/darts has a flat list of two pairs a node, pt.darts a list for each node, both the output's states as a range;
NAS-Bench-201 its string, ``|op~0|+|op~0|op~1|+...``; NASLib six indices of a NAS-Bench-201 cell, and of a darts cell
its `compact` form: (input, index of the operation), two pairs a node, the normal cell and then the reduction cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from dadarts.architecture import literal
from dadarts.architecture.indices import ORDERS, USUAL
from dadarts.errors import InputError, unknown

Nodes: TypeAlias = tuple[tuple[tuple[str, int], ...], ...]
Cells: TypeAlias = Mapping[str, tuple[Nodes, tuple[int, ...]]]
"""kind -> (node -> its (operation, input) edges, the states that form the output)"""

COMPACT = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The operations that NASLib's compact form counts."""
_KNOWN = frozenset({*COMPACT, "sep_conv_7x7", "conv_7x1_1x7"})
"""The operations of quark0/darts and pt.darts."""
_NODES, _PAIRS = 4, 2
_COMPACT_BEGINS = re.compile(r"(?:\w{1,80}\s*=\s*)?[(\[]\s*[(\[]\s*[(\[]\s*\d")


def written(cells: Cells, text: str, syntax: str, dialect: str) -> str:
    """An architecture as a dialect writes it.

    Args:
        text: as we write it.

    Raises:
        InputError: there is no such dialect, or it has no words for this architecture.
    """
    if dialect not in DIALECTS:
        raise unknown("dialect", dialect, DIALECTS)
    write = DIALECTS[dialect].get(syntax)
    if write is None:
        raise InputError(f"{dialect} has no words for a {syntax} genotype; it writes {', '.join(DIALECTS[dialect])}")
    return write(cells, text)


def compact_of(text: str) -> Cells | None:
    """The cells that a text in NASLib's compact form spells; None where it is in another.

    Raises:
        InputError: it begins as one, and is none.
    """
    if not _COMPACT_BEGINS.match(text):
        return None
    try:
        value = literal.parse(text.partition("=")[2] or text)
    except InputError as error:
        raise InputError(f"not a genotype: {error.marked}") from None
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise InputError("not a genotype: NASLib's compact form is a normal cell and a reduction cell")
    concat = tuple(range(2, 2 + _NODES))
    return {kind: (_from_pairs(kind, cell), concat) for kind, cell in zip(("normal", "reduce"), value, strict=True)}


def _from_pairs(kind: str, cell: Any) -> Nodes:
    if not isinstance(cell, list | tuple) or len(cell) != _NODES * _PAIRS:
        raise InputError(f"not a genotype: the {kind} cell of NASLib's compact form has {_NODES * _PAIRS} pairs")
    edges = []
    for pair in cell:
        match pair:
            case (int() as source, int() as place) | [int() as source, int() as place] if type(
                place
            ) is int and 0 <= place < len(COMPACT):
                edges.append((COMPACT[place], source))
            case _:
                raise InputError(
                    f"not a genotype: {kind} has {str(pair)[:40]}; NASLib's compact form has (input, operation), "
                    f"operations 0 to {len(COMPACT) - 1}"
                )
    return tuple(tuple(edges[first : first + _PAIRS]) for first in range(0, len(edges), _PAIRS))


def _flat(cells: Cells, _: str) -> str:
    _refuse_others(cells, "quark0/darts", _KNOWN)
    _refuse_uneven(cells, "quark0/darts")
    return _call({kind: [edge for node in nodes for edge in node] for kind, (nodes, _) in cells.items()}, cells)


def _nested(cells: Cells, _: str) -> str:
    _refuse_others(cells, "pt.darts", _KNOWN)
    return _call({kind: [list(node) for node in nodes] for kind, (nodes, _) in cells.items()}, cells)


def _call(spelled: Mapping[str, list[Any]], cells: Cells) -> str:
    parts = []
    for kind, (_, concat) in cells.items():
        whole = tuple(range(concat[0], concat[-1] + 1))
        joined = f"range({whole[0]}, {whole[-1] + 1})" if concat == whole else str(list(concat))
        parts += [f"{kind}={spelled[kind]}", f"{kind}_concat={joined}"]
    return f"Genotype({', '.join(parts)})"


def _compact(cells: Cells, _: str) -> str:
    _refuse_others(cells, "naslib", frozenset(COMPACT))
    _refuse_uneven(cells, "naslib")
    for kind, (nodes, concat) in cells.items():
        if len(nodes) != _NODES or concat != tuple(range(2, 2 + _NODES)):
            raise InputError(f"naslib has cells of {_NODES} nodes, all of which form the output; {kind} is another")
    pairs = (
        tuple((source, COMPACT.index(name)) for node in nodes for name, source in node) for nodes, _ in cells.values()
    )
    return str(tuple(pairs))


def _indices(cells: Cells, _: str) -> str:
    nodes, _concat = cells["normal"]
    edges, names = ORDERS[USUAL]
    if len(nodes) != 3:
        raise InputError(f"naslib has cells of 3 nodes; this one has {len(nodes)}")
    return str([names.index(nodes[target - 1][source][0]) for source, target in edges])


def _refuse_others(cells: Cells, dialect: str, known: frozenset[str]) -> None:
    names = {name for nodes, _ in cells.values() for node in nodes for name, _ in node}
    if others := sorted(names - known):
        raise InputError(f"{dialect} has no operation {', '.join(others)}")


def _refuse_uneven(cells: Cells, dialect: str) -> None:
    if any(len(node) != _PAIRS for nodes, _ in cells.values() for node in nodes):
        raise InputError(f"{dialect} has nodes of {_PAIRS} edges each; this genotype has others")


def _own(_: Cells, text: str) -> str:
    return text


DIALECTS: Mapping[str, Mapping[str, Callable[[Cells, str], str]]] = MappingProxyType(
    {
        "quark0/darts": {"darts": _flat},
        "pt.darts": {"darts": _nested},
        "naslib": {"darts": _compact, "nas-bench-201": _indices},
        "nas-bench-201": {"nas-bench-201": _own},
    }
)
"""Dialect -> the syntaxes that it can write, and how."""
