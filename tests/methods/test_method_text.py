"""No part of a method is passed over where two methods are compared, whatever parts there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from itertools import islice
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from dadarts.config import SearchConfig
from dadarts.methods.method import Method, Objective
from dadarts.methods.penalties import PENALTIES, Penalty
from dadarts.methods.relaxations import RELAXATIONS, Gibbs, Relaxation
from dadarts.methods.schedules import Schedule
from dadarts.methods.selection import SELECTIONS, EigenvalueRise, Selection
from dadarts.methods.text import _FLAGS, differing, parts

FAMILIES: dict[Any, Any] = {Relaxation: RELAXATIONS, Penalty: PENALTIES, Selection: SELECTIONS}


def values_of(hint: Any) -> Iterator[Any]:
    """Values of a type: of each kind that it may be one, of numbers and words two."""
    kinds = get_args(hint)
    if get_origin(hint) is Literal:
        yield from kinds
    elif get_origin(hint) is tuple:
        yield ()
        yield from ((item,) for item in values_of(kinds[0]))
    elif kinds:
        for kind in kinds:
            yield from values_of(kind)
    elif hint in FAMILIES:
        for kind in FAMILIES[hint].values():
            yield from values_of(kind)
    elif hint is NoneType:
        yield None
    elif is_dataclass(hint):
        yield example(hint)
        yield from (other for _, other in islice(changed(example(hint)), 1))
    else:
        yield from {bool: (False, True), int: (3, 7), float: (0.25, 0.5), str: ("normal", "reduce")}[hint]


def example(kind: Any) -> Any:
    hints = get_type_hints(kind)
    needed = [field.name for field in fields(kind) if field.default is field.default_factory is MISSING]
    return kind(**{name: next(iter(values_of(hints[name]))) for name in needed})


def changed(value: Any) -> Iterator[tuple[str, Any]]:
    """The name of a field, and a copy of a dataclass that has another value there."""
    hints = get_type_hints(type(value))
    for field in fields(value):
        others = [other for other in values_of(hints[field.name]) if other != getattr(value, field.name)]
        assert others, f"no other value of {type(value).__name__}.{field.name} is known"
        yield from ((field.name, replace(value, **{field.name: other})) for other in others)


def placed(part: Any) -> tuple[str, Method]:
    """A method with a part of a method in it, and where."""
    if isinstance(part, Method):
        return "", part
    if isinstance(part, Objective):
        return "alphas", Method(alphas=part)
    if isinstance(part, Relaxation):
        return "alphas.relax", Method(alphas=Objective(part))
    if isinstance(part, Penalty):
        return "alphas.penalties", Method(alphas=Objective(penalties=(part,)))
    if isinstance(part, get_args(Schedule)):
        return "alphas.relax.temperature", Method(alphas=Objective(Gibbs(part)))
    if isinstance(part, Selection):
        return "selection", Method(selection=part)
    assert isinstance(part, EigenvalueRise)
    return "stop", Method(stop=part)


PARTS = sorted(parts())


@pytest.mark.parametrize("part", PARTS)
def test_a_run_does_not_go_on_where_any_field_of_its_method_is_another(part: str) -> None:
    before = example(parts()[part])
    where, own = placed(before)
    assert differing(repr(own), repr(own)) == []
    for name, other in changed(before):
        (phrase,) = differing(repr(own), repr(placed(other)[1]))
        path = f"{where}.{name}".lstrip(".")
        flags = [flags for named, flags in _FLAGS.items() if is_within(named, path) or is_within(path, named)]
        assert any(phrase.startswith(f"{named}: ") for named in (*flags, f"{path} of the method")), phrase


def is_within(path: str, whole: str) -> bool:
    return f"{path}.".startswith(f"{whole}.")


@pytest.mark.parametrize("unlisted", sorted(_FLAGS))
def test_a_part_that_no_flag_decides_is_refused_by_its_place(unlisted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(_FLAGS, unlisted)
    *parents, name = unlisted.split(".")
    whole = Objective() if parents else Method()
    other = next(other for field, other in changed(whole) if field == name)
    now = replace(Method(), **{parents[0]: other}) if parents else other
    (phrase,) = differing(repr(Method()), repr(now))
    assert phrase.startswith(f"{unlisted} of the method: ")


def test_a_difference_in_a_method_is_a_difference_of_the_run() -> None:
    own = SearchConfig(name="a", dataset="digits")
    saved = {**own.to_json(), "method": repr(replace(own.method, retain="all"))}
    (phrase,) = own.differences(saved)
    assert phrase == "-genotype_to_retain: 'all' in the run and 'top2' here"
