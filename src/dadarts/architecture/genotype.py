"""How an architecture is written, read and converted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Generator, Tensor

from dadarts import files
from dadarts.architecture import dialects
from dadarts.architecture.discretization import Rule, discretize, draw_uniform
from dadarts.architecture.drawing import draw_within
from dadarts.architecture.genotype_text import CHOICES, Edge, read
from dadarts.architecture.operations import ALL_OPS, NONE
from dadarts.architecture.spaces import SearchSpace, Syntax, for_syntax
from dadarts.architecture.verdict import Verdict
from dadarts.errors import InputError
from dadarts.seeds import generator

RETAIN = ("top2", "top2_with_none", "best", "all")
FORMAT = "dadarts-genotype/1"


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
        """Read a genotype: ``Genotype(normal=..., ...)``, a NAS-Bench-201 string or its six indices, a NAS-Bench-Macro
        code, or our JSON; alone, assigned to a name, or in a line of a log. See `genotype_text`.

        Raises:
            InputError: anything that is not one well-formed architecture of known operations.
        """
        spelled = read(text)
        cells = {kind: CellGenotype(*cell) for kind, cell in spelled.cells.items()}
        return Genotype(cells, spelled.syntax, spelled.verdict)

    def __str__(self) -> str:
        if self.syntax == "nas-bench-201":
            nodes = self.cells["normal"].nodes
            return "+".join("|" + "".join(f"{op}~{state}|" for op, state in node) for node in nodes)
        if self.syntax == "nas-bench-macro":
            return "".join(str(CHOICES.index(op)) for op in self.operations())
        parts = []
        for kind, cell in self.cells.items():
            parts.append(f"{kind}={[list(node) for node in cell.nodes]}")
            parts.append(f"{kind}_concat={list(cell.concat)}")
        return f"Genotype({', '.join(parts)})"

    def written(self, dialect: str) -> str:
        """The text that another codebase reads: ``quark0/darts``, ``pt.darts``, ``naslib`` or ``nas-bench-201``.

        `parse` reads all of them.

        >>> Genotype.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|none~2|").written("naslib")
        '[2, 1, 1, 0, 1, 1]'

        Raises:
            InputError: there is no such dialect, or it has no words for this architecture.
        """
        cells = {kind: (cell.nodes, cell.concat) for kind, cell in self.cells.items()}
        return dialects.written(cells, str(self), self.syntax, dialect)

    def __hash__(self) -> int:
        return hash(str(self))

    def _repr_svg_(self) -> str:
        """Its cells, for a notebook that shows pictures."""
        from dadarts.report.page.inline import svg_of

        return svg_of(self)

    def _repr_html_(self) -> str:
        """Its cells and its text, for a notebook."""
        from dadarts.report.page.inline import html_of

        return html_of(self)

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

    @property
    def space(self) -> SearchSpace:
        """The space whose skeleton its network has, with as many nodes."""
        return for_syntax(self.syntax, len(next(iter(self.cells.values())).nodes))

    def operations(self) -> list[str]:
        """The names on all edges of all kinds of cells; `none` counts where the syntax writes it."""
        return [op for cell in self.cells.values() for node in cell.nodes for op, _ in node]

    def share(self, *names: str) -> float:
        """Which part of the edges carries one of these operations, in [0, 1]."""
        chosen = self.operations()
        return sum(op in names for op in chosen) / len(chosen)

    def parameter_free_share(self) -> float:
        """Which part of the edges has no weights: the collapse signal of arXiv 1909.09656."""
        return self.share(*(name for name, op in ALL_OPS.items() if op.parameter_free))

    def parameter_free(self) -> list[str]:
        """The names on those edges."""
        return [op for op in self.operations() if ALL_OPS[op].parameter_free]


def found_in(file: Path, result: str) -> Genotype:
    """What a search has ended with, with its verdict where the file that it has left of its genotype has one.

    Raises:
        InputError: the result is no genotype.
    """
    genotype = Genotype.parse(result)
    with suppress(OSError, ValueError, InputError):
        saved = Genotype.parse(files.read_text(file))
        return saved if saved == genotype else genotype
    return genotype


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
    W_NEO = space.stacked({kind: [W.cpu() for W in weights[kind]] for kind in space.kinds})
    present_NEO = space.stacked({kind: space.present(kind) for kind in space.kinds})
    chosen_NEO = (W_NEO > 0) & present_NEO if retain == "all" else discretize(W_NEO, rules[retain], present_NEO)
    return read_off(space, space.split(chosen_NEO))


def random_genotype(space: SearchSpace, seed: int) -> Genotype:
    """A uniform draw from exactly the genotypes that `discretize` can return in this space."""
    return derive(space, draw_scores(space, generator(seed, "random-genotype")))


def draw_scores(space: SearchSpace, draw: Generator) -> dict[str, tuple[Tensor, ...]]:
    """Scores of 0 and 1, kind -> node -> (E, O), that `discretize` leaves as they are: `random_genotype`'s draw."""
    if space.limits:
        present_NEO = space.stacked({kind: space.present(kind) for kind in space.kinds})
        return space.split(draw_within(present_NEO, space.rule, draw).float())
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
