"""How an architecture is written, read and converted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from torch import Generator, Tensor

from dadarts import literal, verdict
from dadarts.discretization import Rule, discretize, draw_uniform
from dadarts.errors import InputError, unknown
from dadarts.ops import ALL_OPS, NAS_BENCH_201_OPS, NAS_BENCH_MACRO_OPS, NONE, OPS
from dadarts.seeds import generator
from dadarts.spaces import SearchSpace, Syntax
from dadarts.verdict import Verdict

Edge: TypeAlias = tuple[str, int]
"""(operation, state that it reads)"""

RETAIN = ("top2", "top2_with_none", "best", "all")
FORMAT = "dadarts-genotype/1"
_CHOICES = tuple(NAS_BENCH_MACRO_OPS)
_PARAMETER_FREE = tuple(name for name, op in ALL_OPS.items() if op.parameter_free)


@dataclass(frozen=True)
class CellGenotype:
    """One kind of cell: node -> its (operation, input state) edges, and the states that form the output."""

    nodes: tuple[tuple[Edge, ...], ...]
    concat: tuple[int, ...]


@dataclass(frozen=True)
class Genotype:
    """A discrete architecture: kind -> cell, in one of three syntaxes, and perhaps what its search said of it.

    >>> print(Genotype.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|"))
    |nor_conv_3x3~0|+|none~0|skip_connect~1|
    """

    cells: Mapping[str, CellGenotype]
    syntax: Syntax
    verdict: Verdict | None = field(default=None, compare=False)

    @staticmethod
    def parse(text: str) -> Genotype:
        """Read a genotype: ``Genotype(normal=..., ...)``, a NAS-Bench-201 string, a NAS-Bench-Macro code, or our JSON.

        Text is data: nothing in it is run. quark0/darts' flat lists of pairs and ``range(2, 6)`` are understood.

        Raises:
            InputError: anything that is not a well-formed architecture of known operations.
        """
        text = text.strip()
        if len(text) > literal.MAX_LENGTH:
            raise InputError(f"a genotype of {len(text)} characters is too long; at most {literal.MAX_LENGTH}")
        if text.startswith("{"):
            return _from_json(text)
        if text.startswith("|"):
            return _from_bench_string(text)
        if text.isdecimal():
            return _from_code(text)
        return _from_call(text)

    def __str__(self) -> str:
        if self.syntax == "nas-bench-201":
            nodes = self.cells["normal"].nodes
            return "+".join("|" + "".join(f"{op}~{state}|" for op, state in node) for node in nodes)
        if self.syntax == "nas-bench-macro":
            return "".join(str(_CHOICES.index(op)) for op in self.operations())
        parts = []
        for kind, cell in self.cells.items():
            parts.append(f"{kind}={[list(node) for node in cell.nodes]}")
            parts.append(f"{kind}_concat={list(cell.concat)}")
        return f"Genotype({', '.join(parts)})"

    def __hash__(self) -> int:
        return hash(str(self))

    def to_json(self, **extra: str) -> str:
        """JSON text that `parse` reads back; `extra` (the space's name, ...) is for people and programs."""
        cells = {
            kind: {
                "nodes": [[list(edge) for edge in node] for node in cell.nodes],
                "concat": list(cell.concat),
            }
            for kind, cell in self.cells.items()
        }
        fields: dict[str, Any] = {
            "format": FORMAT,
            **extra,
            "syntax": self.syntax,
            "cells": cells,
            "text": str(self),
            **({} if self.verdict is None else {"verdict": self.verdict.to_json()}),
        }
        return json.dumps(fields, indent=1) + "\n"

    def operations(self) -> list[str]:
        """The names on all edges of all kinds of cells; `none` counts where the syntax writes it."""
        return [op for cell in self.cells.values() for node in cell.nodes for op, _ in node]

    def share(self, *names: str) -> float:
        """Which part of the edges carries one of these operations, in [0, 1]."""
        chosen = self.operations()
        return sum(op in names for op in chosen) / len(chosen)

    def parameter_free_share(self) -> float:
        """Which part of the edges has no weights: the collapse signal of arXiv 1909.09656."""
        return self.share(*_PARAMETER_FREE)

    def parameter_free(self) -> list[str]:
        """The names on those edges."""
        return [op for op in self.operations() if op in _PARAMETER_FREE]


def read_off(space: SearchSpace, chosen: Mapping[str, tuple[Tensor, ...]]) -> Genotype:
    """The genotype that a discretization spells: bool (E, O) places per kind and node.

    An edge whose chosen operation is `none` is left out where the syntax has no word for it (darts), and so are
    nodes that nothing reaches. Such an edge carries zeros, so leaving it out changes no number.

    Raises:
        InputError: a cell is left without any edge.
    """
    cells = {}
    for kind in space.kinds:
        nodes: list[tuple[Edge, ...]] = []
        for names, places in zip(space.table(kind), chosen[kind], strict=True):
            states = space.reads(kind, len(nodes))
            picked = [(names[e][o], states[e]) for e, o in places.nonzero().tolist()]
            nodes.append(tuple((name, state) for name, state in picked if name is not None))
        whole = CellGenotype(tuple(nodes), (space.inputs + len(nodes) - 1,))
        cells[kind] = _reachable(kind, nodes, space) if space.syntax == "darts" else whole
    return Genotype(cells, space.syntax)


def derive(space: SearchSpace, weights: Mapping[str, tuple[Tensor, ...]], retain: str = "top2") -> Genotype:
    """The genotype of mixing weights W (kind -> node -> (E, O)) under one of the `-genotype_to_retain` rules.

    ``top2`` is the space's own discretization, the network that the hard pass computes. The others are for reading:
    ``top2_with_none`` lets `none` win an edge, ``best`` keeps every edge, ``all`` every non-zero weight.
    """
    if retain == "all" and space.syntax != "darts":
        raise InputError(
            f"a {space.syntax} genotype has one operation an edge: -genotype_to_retain all cannot be written"
        )
    rules = {"top2": space.rule, "top2_with_none": Rule(space.edges), "best": Rule(None)}
    return read_off(
        space,
        {
            kind: tuple(
                (W.cpu() > 0) & present if retain == "all" else discretize(W.cpu(), rules[retain], present)
                for W, present in zip(weights[kind], space.present(kind), strict=True)
            )
            for kind in space.kinds
        },
    )


def random_genotype(space: SearchSpace, seed: int) -> Genotype:
    """A uniform draw from exactly the genotypes that `discretize` can return in this space."""
    return derive(space, draw_scores(space, generator(seed, "random-genotype")))


def draw_scores(space: SearchSpace, draw: Generator) -> dict[str, tuple[Tensor, ...]]:
    """Scores of 0 and 1, kind -> node -> (E, O), that `discretize` leaves as they are: `random_genotype`'s draw."""
    return {k: tuple(draw_uniform(p, space.rule, draw).float() for p in space.present(k)) for k in space.kinds}


def _reachable(kind: str, nodes: list[tuple[Edge, ...]], space: SearchSpace) -> CellGenotype:
    kept: list[tuple[Edge, ...]] = []
    filled = set(range(space.inputs))
    for number, node in enumerate(nodes):
        edges = tuple((op, state) for op, state in node if op != NONE and state in filled)
        kept.append(edges)
        if edges:
            filled.add(space.inputs + number)
    concat = tuple(sorted(filled - set(range(space.inputs))))
    if not concat:
        raise InputError(f"the {kind} cell is left without any edge; choose -genotype_to_retain top2")
    return CellGenotype(tuple(kept), concat)


def _from_bench_string(text: str) -> Genotype:
    nodes = []
    for number, part in enumerate(text.split("+")):
        if not re.fullmatch(r"\|(?:[a-z0-9_]{1,32}~\d{1,3}\|)+", part):
            raise InputError(
                f"node {number + 1} of a NAS-Bench-201 genotype must look like |op~0|op~1|, not {part[:40]!r}"
            )
        pairs = [edge.split("~") for edge in part.strip("|").split("|")]
        edges = tuple((_known(op, "nas-bench-201"), int(state)) for op, state in pairs)
        if [state for _, state in edges] != list(range(number + 1)):
            raise InputError(f"node {number + 1} of a NAS-Bench-201 genotype must read states 0 to {number} in order")
        nodes.append(edges)
    return Genotype({"normal": CellGenotype(tuple(nodes), (len(nodes),))}, "nas-bench-201")


def _from_code(text: str) -> Genotype:
    if not re.fullmatch("[012]{8}", text):
        raise InputError(f"not a genotype: {text[:40]!r}; a NAS-Bench-Macro code is 8 digits, each 0, 1 or 2")
    layers = tuple(((_CHOICES[int(digit)], state),) for state, digit in enumerate(text))
    return Genotype({"normal": CellGenotype(layers, (len(layers),))}, "nas-bench-macro")


def _from_call(text: str) -> Genotype:
    try:
        value = literal.parse(text)
    except InputError as error:
        raise InputError(f"not a genotype: {error.marked}") from None
    if not isinstance(value, literal.Call) or value.name != "Genotype" or value.args:
        raise InputError(f"not a genotype: {text[:40]!r}; expected Genotype(normal=..., ...), |op~0|+|...| or 8 digits")
    fields = dict(value.keywords)
    expected = {"normal", "normal_concat", "reduce", "reduce_concat"}
    if len(fields) != len(value.keywords) or set(fields) != expected:
        lacks, more = sorted(expected - set(fields)), sorted(set(fields) - expected) or ["one of them twice"]
        wrong = f"lacks {', '.join(lacks)}" if lacks else f"has besides {', '.join(more)}"
        raise InputError(f"a genotype has the fields {', '.join(sorted(expected))}; this one {wrong}")
    return _checked({kind: (fields[kind], fields[f"{kind}_concat"]) for kind in ("normal", "reduce")})


def _from_json(text: str) -> Genotype:
    try:
        fields = json.loads(text)
        return replace(_from_fields(fields), verdict=verdict.read(fields.get("verdict")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"not a genotype: a JSON genotype has syntax, cells and text ({type(error).__name__})"
        ) from None


def _from_fields(fields: Any) -> Genotype:
    if fields["syntax"] == "nas-bench-201":
        return _from_bench_string(fields["text"])
    if fields["syntax"] == "nas-bench-macro":
        return _from_code(fields["text"])
    return _checked(
        {kind: (fields["cells"][kind]["nodes"], fields["cells"][kind]["concat"]) for kind in ("normal", "reduce")}
    )


def _checked(fields: dict[str, tuple[Any, Any]]) -> Genotype:
    cells = {kind: CellGenotype(_nodes(kind, nodes), _concat(concat)) for kind, (nodes, concat) in fields.items()}
    for kind, cell in cells.items():
        last = len(cell.nodes) + 1
        filled = [number + 2 for number, node in enumerate(cell.nodes) if node]
        if not cell.concat or not set(cell.concat) <= set(filled) or len(set(cell.concat)) != len(cell.concat):
            raise InputError(
                f"{kind}_concat must name nodes with edges once each, among 2 to {last}, not {list(cell.concat)[:8]}"
            )
        for number, node in enumerate(cell.nodes):
            for op, state in node:
                if state not in (0, 1, *filled):
                    raise InputError(f"{kind} node {number + 2} reads node {state}, which has no edges ({op})")
    if len({len(cell.nodes) for cell in cells.values()}) > 1:
        raise InputError("normal and reduce must have the same number of nodes")
    return Genotype(cells, "darts")


def _nodes(kind: str, value: Any) -> tuple[tuple[Edge, ...], ...]:
    if not isinstance(value, list) or not 0 < len(value) <= 64:
        raise InputError(f"{kind} must be a list of nodes, each a list of ('operation', input) pairs")
    if all(isinstance(item, tuple) and item and isinstance(item[0], str) for item in value):
        # quark0/darts writes two pairs a node in one flat list.
        if len(value) % 2:
            raise InputError(f"{kind} is a flat list of {len(value)} pairs; two pairs make a node")
        value = [value[i : i + 2] for i in range(0, len(value), 2)]
    return tuple(_node(kind, number + 2, node) for number, node in enumerate(value))


def _node(kind: str, state: int, value: Any) -> tuple[Edge, ...]:
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{kind} node {state} must be a list of ('operation', input) pairs")
    edges = []
    for pair in value:
        match pair:
            case (str() as op, int() as source) | [str() as op, int() as source] if not isinstance(source, bool):
                pass
            case _:
                raise InputError(f"{kind} node {state}: expected ('operation', input), got {str(pair)[:40]!r}")
        if not 0 <= source < state:
            raise InputError(f"{kind} node {state} reads {source}; its inputs are states 0 to {state - 1}")
        if op == NONE:
            raise InputError(f"{kind} node {state}: a darts genotype leaves edges out rather than name 'none'")
        edges.append((_known(op, "darts"), source))
    return tuple(edges)


def _concat(value: Any) -> tuple[int, ...]:
    if isinstance(value, literal.Call) and value.name == "range" and not value.keywords:
        bounds = value.args
        if 1 <= len(bounds) <= 2 and all(isinstance(b, int) and 0 <= b <= 99 for b in bounds):
            return tuple(range(*(b for b in bounds if isinstance(b, int))))
    if isinstance(value, (list, tuple)) and all(isinstance(n, int) and not isinstance(n, bool) for n in value):
        return tuple(value)
    raise InputError(f"a concat must be a list of node numbers or range(2, 6), not {str(value)[:40]!r}")


def _known(op: str, syntax: Syntax) -> str:
    table = OPS if syntax == "darts" else NAS_BENCH_201_OPS
    if op not in table:
        raise unknown("operation", op, table)
    return op
