"""The search spaces: which operations may stand where, and in which skeleton."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from dadarts.architecture.discretization import Limit, Rule
from dadarts.architecture.operations import NAS_BENCH_201_OPS, NAS_BENCH_MACRO_OPS, NONE, OPS, Operation
from dadarts.errors import InputError, unknown

Syntax = Literal["darts", "nas-bench-201", "nas-bench-macro"]
CellCandidates: TypeAlias = tuple[tuple[tuple[str, ...], ...], ...]
"""node -> edge -> names of candidate operations"""


@dataclass(frozen=True)
class Size:
    """Initial channels and layers (nas-bench-201: cells a stage; nas-bench-macro: blocks that share a choice)."""

    channels: int
    layers: int


@dataclass(frozen=True)
class SearchSpace:
    """Which operations may stand on which edge of which cell.

    Args:
        name: the word that `-search_space` takes.
        syntax: how genotypes are written; also names the macro skeleton.
        ops: the operations that candidates are built from.
        inputs: how many states a cell is given; node i has edges from the last of the i + inputs states before it,
            as many as it has candidates for: in a cell from all of them, in a chain of layers from one.
        candidates: kind -> node -> edge -> operation names; `none`, where it is a candidate, last.
        edges: how many incoming edges of a node a discretization keeps; None keeps all.
        bans_none: whether a discretization may not choose `none`.
        search_size: default size of the supernet.
        train_size: default size of the discrete network.
        limits: what its networks may cost: those that cost more are none of the space.
    """

    name: str
    syntax: Syntax
    ops: Mapping[str, Operation]
    inputs: int
    candidates: Mapping[str, CellCandidates]
    edges: int | None
    bans_none: bool
    search_size: Size
    train_size: Size
    limits: tuple[Limit, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self.candidates)

    @property
    def nodes(self) -> int:
        return len(next(iter(self.candidates.values())))

    @property
    def joined(self) -> tuple[int, ...]:
        """The states that the output of a supernet's cell is the concatenation of: all nodes', or the last."""
        states = range(self.inputs, self.inputs + self.nodes)
        return tuple(states) if self.syntax == "darts" else (states[-1],)

    def reads(self, kind: str, number: int) -> range:
        """The states that the edges of a node come from, edge by edge."""
        last = self.inputs + number
        return range(last - len(self.candidates[kind][number]), last)

    @property
    def columns(self) -> int:
        """O: how many columns alphas and mixing weights have."""
        return max(len(edge) for cell in self.candidates.values() for node in cell for edge in node)

    @property
    def rule(self) -> Rule:
        """What `discretize` may choose in this space; a banned `none` always stands in the last column."""
        has_none = any(NONE in edge for cell in self.candidates.values() for node in cell for edge in node)
        return Rule(self.edges, (self.columns - 1,) if has_none and self.bans_none else (), self.limits)

    @property
    def none_everywhere(self) -> bool:
        """Whether every edge can be closed by `none`, which no discretization may choose."""
        return self.bans_none and all(
            NONE in edge for cell in self.candidates.values() for node in cell for edge in node
        )

    def table(self, kind: str) -> tuple[tuple[tuple[str | None, ...], ...], ...]:
        """node -> edge -> column -> name; None is padding, which stands before a `none` and else at the end."""
        return tuple(tuple(_padded(edge, self.columns) for edge in node) for node in self.candidates[kind])

    def present(self, kind: str) -> tuple[Tensor, ...]:
        """node -> bool (E, O): which places of its table have an operation, False at padding."""
        return tuple(torch.tensor([[name is not None for name in edge] for edge in node]) for node in self.table(kind))

    def places_of(self, operation: str, kind: str) -> tuple[Tensor, ...]:
        """node -> bool (E, O): where that operation stands."""
        return tuple(torch.tensor([[name == operation for name in edge] for edge in node]) for node in self.table(kind))

    def stacked(self, nodes: Mapping[str, Sequence[Tensor]]) -> Tensor:
        """kind -> node -> (E, O) as one tensor of all nodes, (N, E, O), padded with zeros."""
        every = [node for kind in self.kinds for node in nodes[kind]]
        edges = max(len(node) for node in every)
        return torch.stack([F.pad(node, (0, 0, 0, edges - len(node))) for node in every])

    def split(self, stacked_NEO: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """Undo the stacking: kind -> node -> (E, O)."""
        rows = iter(stacked_NEO)
        return {kind: tuple(next(rows)[: len(node)] for node in self.candidates[kind]) for kind in self.kinds}

    def normed(self, kind: str) -> tuple[Tensor, ...]:
        """node -> bool (E, O): which places have an operation that ends in a batch norm."""
        return tuple(
            torch.tensor([[name is not None and self.ops[name].normed for name in edge] for edge in node])
            for node in self.table(kind)
        )


def _padded(edge: tuple[str, ...], columns: int) -> tuple[str | None, ...]:
    gap = (None,) * (columns - len(edge))
    return (*edge[:-1], *gap, NONE) if edge[-1] == NONE else (*edge, *gap)


def _uniform(names: tuple[str, ...], inputs: int, nodes: int) -> CellCandidates:
    return tuple((names,) * (node + inputs) for node in range(nodes))


def _darts_like(name: str, candidates: Mapping[str, CellCandidates]) -> SearchSpace:
    return SearchSpace(name, "darts", OPS, 2, candidates, 2, True, Size(16, 8), Size(36, 20))


def _same_on_every_edge(name: str, *names: str) -> Callable[[int], SearchSpace]:
    def build(nodes: int) -> SearchSpace:
        return _darts_like(name, dict.fromkeys(("normal", "reduce"), _uniform(names, 2, nodes)))

    return build


def _nas_bench_201(nodes: int) -> SearchSpace:
    names = ("nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "skip_connect", NONE)
    cell = {"normal": _uniform(names, 1, nodes)}
    return SearchSpace(
        "nas-bench-201", "nas-bench-201", NAS_BENCH_201_OPS, 1, cell, None, False, Size(16, 5), Size(16, 5)
    )


def _nas_bench_macro(nodes: int) -> SearchSpace:
    if nodes != 8:
        raise InputError(f"a nas-bench-macro network has 8 layers, its nodes, not {nodes}; leave -nodes out")
    layer = (tuple(NAS_BENCH_MACRO_OPS),)
    chain = {"normal": (layer,) * nodes}
    return SearchSpace(
        "nas-bench-macro", "nas-bench-macro", NAS_BENCH_MACRO_OPS, 1, chain, None, False, Size(32, 1), Size(32, 1)
    )


_S1 = {
    "normal": """
        skip_connect+dil_conv_3x3 skip_connect+dil_conv_5x5
        skip_connect+dil_conv_5x5 skip_connect+sep_conv_3x3 skip_connect+dil_conv_3x3
        max_pool_3x3+skip_connect skip_connect+sep_conv_3x3 skip_connect+sep_conv_3x3 skip_connect+dil_conv_3x3
        skip_connect+sep_conv_3x3 max_pool_3x3+skip_connect skip_connect+dil_conv_3x3 dil_conv_3x3+dil_conv_5x5
        dil_conv_3x3+dil_conv_5x5""",
    "reduce": """
        max_pool_3x3+avg_pool_3x3 max_pool_3x3+dil_conv_3x3
        max_pool_3x3+avg_pool_3x3 max_pool_3x3+avg_pool_3x3 skip_connect+dil_conv_5x5
        max_pool_3x3+avg_pool_3x3 max_pool_3x3+sep_conv_3x3 skip_connect+dil_conv_3x3 skip_connect+dil_conv_5x5
        max_pool_3x3+avg_pool_3x3 max_pool_3x3+avg_pool_3x3 skip_connect+dil_conv_5x5 skip_connect+dil_conv_5x5
        skip_connect+dil_conv_5x5""",
}
"""RobustDARTS' S1, node by node (facts: automl/RobustDARTS, src/spaces.py, Apache-2.0; arXiv 1909.09656)."""


def _s1(nodes: int) -> SearchSpace:
    if nodes != 4:
        raise InputError(f"search space S1 is defined for 4 nodes, not {nodes}; leave -nodes out")
    pairs = {kind: iter(text.split()) for kind, text in _S1.items()}
    return _darts_like(
        "S1",
        {
            kind: tuple(tuple(tuple(next(words).split("+")) for _ in range(node + 2)) for node in range(4))
            for kind, words in pairs.items()
        },
    )


@dataclass(frozen=True)
class Entry:
    """How a space is built for a number of nodes, and the number that it has where none is asked for."""

    build: Callable[[int], SearchSpace]
    nodes: int = 4


SPACES: dict[str, Entry] = {
    "darts": Entry(
        _same_on_every_edge(
            "darts",
            "sep_conv_3x3",
            "sep_conv_5x5",
            "dil_conv_3x3",
            "dil_conv_5x5",
            "avg_pool_3x3",
            "max_pool_3x3",
            "skip_connect",
            NONE,
        )
    ),
    "nas-bench-201": Entry(_nas_bench_201, nodes=3),
    "connect-nas-bench": Entry(_same_on_every_edge("connect-nas-bench", "nor_conv_3x3", "skip_connect", NONE)),
    "S1": Entry(_s1),
    "S2": Entry(_same_on_every_edge("S2", "sep_conv_3x3", "skip_connect")),
    "S3": Entry(_same_on_every_edge("S3", "sep_conv_3x3", "skip_connect", NONE)),
    "S4": Entry(_same_on_every_edge("S4", "sep_conv_3x3", "noise")),
    "nas-bench-macro": Entry(_nas_bench_macro, nodes=8),
}
"""Every search space by name, with its default number of intermediate nodes."""


def space(name: str, nodes: int | None = None) -> SearchSpace:
    """The search space of that name, with `nodes` intermediate nodes (None: the space's own number).

    >>> space("darts").columns, space("nas-bench-201").nodes
    (8, 3)

    Raises:
        InputError: no such space, or not with so many nodes.
    """
    if name not in SPACES:
        raise unknown("search space", name, SPACES)
    entry = SPACES[name]
    if nodes is not None and nodes < 1:
        raise InputError(f"a cell has at least 1 node, not {nodes}")
    return entry.build(entry.nodes if nodes is None else nodes)


def for_syntax(syntax: Syntax, nodes: int | None = None) -> SearchSpace:
    """The space whose skeleton and default sizes a genotype of that syntax is trained with."""
    return space(syntax, nodes)
