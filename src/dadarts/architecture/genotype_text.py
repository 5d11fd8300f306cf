"""How a genotype's text is read: as data, and only where it can mean one architecture."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from dadarts.architecture import literal, verdict
from dadarts.architecture.dialects import compact_of
from dadarts.architecture.indices import spelled
from dadarts.architecture.operations import NAS_BENCH_201_OPS, NAS_BENCH_MACRO_OPS, NONE, OPS
from dadarts.architecture.pasted import pick
from dadarts.architecture.spaces import Syntax
from dadarts.architecture.verdict import Verdict
from dadarts.errors import InputError, unknown

Edge: TypeAlias = tuple[str, int]
"""(operation, state that it reads)"""
Cells: TypeAlias = dict[str, tuple[tuple[tuple[Edge, ...], ...], tuple[int, ...]]]
"""kind -> (node -> its edges, states that form the output)"""

CHOICES = tuple(NAS_BENCH_MACRO_OPS)
"""What the digits of a NAS-Bench-Macro code stand for."""
FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")


@dataclass(frozen=True)
class Spelled:
    """What a text spells: an architecture, and what its search said of it where the text has that."""

    syntax: Syntax
    cells: Cells
    verdict: Verdict | None = None


def read(text: str) -> Spelled:
    """The architecture that a text spells: ``Genotype(normal=..., ...)``, a NAS-Bench-201 string or its six indices, a
    NAS-Bench-Macro code, or our JSON; the text may be a line of a log or an assignment (see `pasted`).

    quark0/darts' flat lists of pairs, NASLib's compact form, ``range(2, 6)`` and numbers as numpy prints them are
    understood.

    Raises:
        InputError: anything that is not one well-formed architecture of known operations.
    """
    text = text.strip().lstrip("\ufeff")
    if len(text) > literal.MAX_LENGTH:
        raise InputError(f"a genotype of {len(text)} characters is too long; at most {literal.MAX_LENGTH}")
    if text.startswith("{"):
        return _from_json(text)
    found = pick(text)
    if found is None and (compact := compact_of(text)) is not None:
        return Spelled("darts", _checked(dict(compact)))
    if found is None and text.startswith("|"):
        return Spelled("nas-bench-201", _from_bench_string(text))
    if found is None and text.isdecimal():
        return Spelled("nas-bench-macro", _from_code(text))
    if found is None:
        raise InputError(
            f"not a genotype: {text[:40]!r}; expected Genotype(normal=..., ...), |op~0|+|...|, six indices in "
            "brackets, or a NAS-Bench-Macro code of 8 digits, each 0, 1 or 2"
        )
    if found.kind == "call":
        return Spelled("darts", _from_call(found.text))
    if found.kind == "code":
        return Spelled("nas-bench-macro", _from_code(found.text))
    if found.kind == "bench":
        return Spelled("nas-bench-201", _from_bench_string(found.text))
    return Spelled("nas-bench-201", _from_bench_string(spelled(found)))


def _from_bench_string(text: str) -> Cells:
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
    return {"normal": (tuple(nodes), (len(nodes),))}


def _from_code(text: str) -> Cells:
    if not re.fullmatch("[012]{8}", text):
        raise InputError(f"not a genotype: {text[:40]!r}; a NAS-Bench-Macro code is 8 digits, each 0, 1 or 2")
    layers = tuple(((CHOICES[int(digit)], state),) for state, digit in enumerate(text))
    return {"normal": (layers, (len(layers),))}


def _from_call(text: str) -> Cells:
    try:
        value = literal.parse(text)
    except InputError as error:
        raise InputError(f"not a genotype: {error.marked}") from None
    if not isinstance(value, literal.Call) or (value.args and len(value.args) != len(FIELDS)):
        raise InputError(f"not a genotype: {text[:40]!r}; expected Genotype(normal=..., ...), |op~0|+|...| or 8 digits")
    given = [*zip(FIELDS, value.args, strict=False), *value.keywords]
    fields = dict(given)
    if len(fields) != len(given) or set(fields) != set(FIELDS):
        lacks, more = sorted(set(FIELDS) - set(fields)), sorted(set(fields) - set(FIELDS)) or ["one of them twice"]
        wrong = f"lacks {', '.join(lacks)}" if lacks else f"has besides {', '.join(more)[:80]}"
        raise InputError(f"a genotype has the fields {', '.join(FIELDS)}; this one {wrong}")
    return _checked({kind: (fields[kind], fields[f"{kind}_concat"]) for kind in ("normal", "reduce")})


def _from_json(text: str) -> Spelled:
    try:
        fields = json.loads(text)
        return Spelled(*_from_fields(fields), verdict.read(fields.get("verdict")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"not a genotype: a JSON genotype has syntax, cells and text ({type(error).__name__})"
        ) from None


def _from_fields(fields: Any) -> tuple[Syntax, Cells]:
    if fields["syntax"] == "nas-bench-201":
        return "nas-bench-201", _from_bench_string(fields["text"])
    if fields["syntax"] == "nas-bench-macro":
        return "nas-bench-macro", _from_code(fields["text"])
    cells = fields["cells"]
    return "darts", _checked({kind: (cells[kind]["nodes"], cells[kind]["concat"]) for kind in ("normal", "reduce")})


def _checked(fields: dict[str, tuple[Any, Any]]) -> Cells:
    cells = {kind: (_nodes(kind, nodes), _concat(concat)) for kind, (nodes, concat) in fields.items()}
    for kind, (nodes, concat) in cells.items():
        last = len(nodes) + 1
        filled = {number + 2 for number, node in enumerate(nodes) if node}
        if not concat or not set(concat) <= filled or len(set(concat)) != len(concat):
            raise InputError(
                f"{kind}_concat must name nodes with edges once each, among 2 to {last}, not {list(concat)[:8]}"
            )
        for number, node in enumerate(nodes):
            for op, state in node:
                if state not in (0, 1) and state not in filled:
                    raise InputError(f"{kind} node {number + 2} reads node {state}, which has no edges ({op})")
    if len({len(nodes) for nodes, _ in cells.values()}) > 1:
        raise InputError("normal and reduce must have the same number of nodes")
    return cells


def _nodes(kind: str, value: Any) -> tuple[tuple[Edge, ...], ...]:
    if not isinstance(value, (list, tuple)) or not 0 < len(value) <= 64:
        raise InputError(f"{kind} must be a list of nodes, each a list of ('operation', input) pairs")
    if all(isinstance(item, (list, tuple)) and item and isinstance(item[0], str) for item in value):
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
            raise InputError(f"{kind} node {state} reads {str(source)[:40]}; its inputs are states 0 to {state - 1}")
        if op == NONE:
            raise InputError(f"{kind} node {state}: a darts genotype leaves edges out rather than name 'none'")
        edges.append((_known(op, "darts"), source))
    return tuple(edges)


def _concat(value: Any) -> tuple[int, ...]:
    if isinstance(value, literal.Call) and value.name == "range" and not value.keywords:
        bounds = value.args
        if 1 <= len(bounds) <= 3 and all(_is_small(bound) for bound in bounds) and bounds[2:] in ((), (1,)):
            return tuple(range(*(bound for bound in bounds if isinstance(bound, int))))
    if isinstance(value, (list, tuple)) and all(_is_small(number) for number in value):
        return tuple(value)
    raise InputError(f"a concat must be a list of node numbers or range(2, 6), not {str(value)[:40]!r}")


def _is_small(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= 99


def _known(op: str, syntax: Syntax) -> str:
    table: Sequence[str] = tuple(OPS if syntax == "darts" else NAS_BENCH_201_OPS)
    if op not in table:
        refusal = unknown("operation", op, table)
        if syntax != "darts":
            raise refusal
        raise InputError(f"{refusal.marked} An operation of a plugin is known where that is loaded (-plugin)")
    return op
