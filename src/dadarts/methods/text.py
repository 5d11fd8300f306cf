"""Methods as text: read from their repr as data, and compared part by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, InstanceOf, TypeAdapter, ValidationError

from dadarts.architecture import literal
from dadarts.errors import InputError, unknown
from dadarts.methods.method import Method, Objective
from dadarts.methods.penalties import PENALTIES
from dadarts.methods.relaxations import RELAXATIONS
from dadarts.methods.schedules import Schedule
from dadarts.methods.selection import SELECTIONS, EigenvalueRise


def parts() -> dict[str, type]:
    """Everything that a method's text may name, what has been registered since included."""
    families = (RELAXATIONS, PENALTIES, SELECTIONS)
    fixed = (Method, Objective, *get_args(Schedule), EigenvalueRise)
    return {kind.__name__: kind for kind in (*fixed, *(kind for family in families for kind in family.values()))}


def parse_method(text: str) -> Method:
    """Read a method from its repr, as data.

    >>> parse_method(repr(Method())) == Method()
    True

    Raises:
        InputError: not the repr of a `Method`.
    """
    method = _built(literal.parse(text))
    if not isinstance(method, Method):
        raise InputError(f"not a method: {text[:40]!r}; expected Method(...)")
    return method


def _built(value: literal.Literal) -> Any:
    if isinstance(value, tuple):
        return tuple(_built(item) for item in value)
    if not isinstance(value, literal.Call):
        return value
    known = parts()
    if value.name not in known:
        raise unknown("part of a method", value.name, known)
    kind: Any = known[value.name]
    names = [field.name for field in fields(kind)]
    if len(value.args) > len(names):
        raise InputError(f"{value.name} has {len(names)} fields, not {len(value.args)}")
    given = [*zip(names, value.args, strict=False), *value.keywords]
    if len(dict(given)) != len(given):
        raise InputError(f"{value.name} gives a field twice")
    needed = [field.name for field in fields(kind) if field.default is field.default_factory is MISSING]
    if missing := [name for name in needed if name not in dict(given)]:
        raise InputError(f"{value.name} lacks its field {missing[0]}: give all of {', '.join(needed)}")
    return kind(**{name: _checked(kind, name, _built(item)) for name, item in given})


def _checked(kind: type, name: str, value: Any) -> Any:
    adapters = _adapters(kind)
    if name not in adapters:
        raise unknown(f"field of {kind.__name__}", name, adapters)
    try:
        return adapters[name].validate_python(value, strict=True)
    except ValidationError:
        raise InputError(f"{kind.__name__}, field {name}: {str(value)[:60]!r} is not of its type") from None


def _adapter(hint: Any) -> TypeAdapter[Any]:
    # What a part is made of was checked when it was built; here it is enough of which class it is.
    if is_dataclass(hint):
        return TypeAdapter(InstanceOf[hint])
    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))


@cache
def _adapters(kind: type) -> dict[str, TypeAdapter[Any]]:
    """What reads each field of a part of a method; pydantic takes milliseconds to make one."""
    hints = get_type_hints(kind)
    return {field.name: _adapter(hints[field.name]) for field in fields(kind)}


_FLAGS = {
    "weights.relax": "-hd_on_weights / -topk_on_weights",
    "weights.penalties": "-dal_on_weights",
    "alphas.relax": "-hd_on_alphas / -topk_on_alphas",
    "alphas.penalties": "-dal_on_alphas / -bdarts / a none penalty",
    "look_ahead": "-hd_on_virtualstep / -topk_on_virtualstep",
    "correction": "-preset",
    "order": "-method / -first_order / -single_level_optimization",
    "epsilon": "-finite_difference_epsilon",
    "amended": "-amended_hessian",
    "sparsity": "-sparsity",
    "retain": "-genotype_to_retain",
    "activation": "-method",
    "channel_fraction": "-method",
    "warm_up": "-method / -alpha_warm_up",
    "draws": "-method",
    "restarts": "-method / -restarts",
    "selection": "-selection",
    "stop": "-method",
}
"""What decides a part of a method on a command line, where flags do."""


def differing(saved: str, own: str) -> list[str]:
    """The parts in which two methods differ, by the flags that decide them, each as a phrase.

    A part that no flag decides is named by its place in the method's repr.

    Raises:
        InputError: not the reprs of methods.
    """
    then, now = parse_method(saved), parse_method(own)
    phrases = []
    for path in _parts():
        before, after = attrgetter(path)(then), attrgetter(path)(now)
        if before != after:
            named = _FLAGS.get(path, f"{path} of the method")
            phrases.append(f"{named}: {before!r} in the run and {after!r} here")
    return phrases


def _parts() -> Iterator[str]:
    """The path of every part of a method: its fields, and those of its objectives."""
    hints = get_type_hints(Method)
    for part in fields(Method):
        if hints[part.name] is Objective:
            yield from (f"{part.name}.{own.name}" for own in fields(Objective))
        else:
            yield part.name
