"""How a value that a configuration cannot take is refused: what was given, and what is accepted, in one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from dadarts.errors import InputError, unknown

_HOW_TO_BEGIN = ("resume", "overwrite")
_ELSEWHERE = {
    "learning_rate": ("lr", "w_lr"),
    "lr": ("w_lr",),
    "momentum": ("w_momentum",),
    "weight_decay": ("w_weight_decay",),
    "channels": ("init_channels",),
    "width": ("init_channels",),
    "depth": ("layers",),
    "num_workers": ("workers",),
    "data": ("dataset",),
    "path": ("dataset",),
    "epochs": ("minutes",),
}
"""What others call settings."""


def one_line(error: ValidationError, model: type[BaseModel]) -> InputError:
    """The first complaint of pydantic in our words."""
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError) and first["loc"] in ((), ("method",)):
        return cause
    field = str(first["loc"][0])
    if first["type"] == "missing":
        return InputError(f"-{field} must be given")
    if first["type"] == "extra_forbidden":
        if field in _HOW_TO_BEGIN:
            return InputError(f"{field} is no setting; give it to dadarts.search or dadarts.train, after the settings")
        return unknown("setting", field, model.model_fields, elsewhere(model.model_fields))
    given = " ".join(str(first.get("input")).split()) or "''"
    said = cause.marked if isinstance(cause, InputError) else accepted(model.model_fields[field])
    said = said or first["msg"][0].lower() + first["msg"][1:]
    return InputError(f"-{field} {given[:60] + '...' if len(given) > 60 else given}: {said}")


def elsewhere(known: Iterable[str]) -> dict[str, str]:
    """What others call some of these settings.

    >>> elsewhere(["w_lr", "epochs"])["learning_rate"]
    'w_lr'
    """
    own = set(known)
    found = {name: next((each for each in ours if each in own), None) for name, ours in _ELSEWHERE.items()}
    return {name: each for name, each in found.items() if each}


def accepted(field: FieldInfo) -> str:
    """What a setting takes, as an advice; empty where its type says nothing.

    >>> from dadarts.config import SearchConfig
    >>> accepted(SearchConfig.model_fields["epochs"]), accepted(SearchConfig.model_fields["w_momentum"])
    ('give a whole number from 1 to 1000000', 'give a number from 0 to below 1')
    """
    types = [field.annotation, *get_args(field.annotation)]
    choices = [str(word) for kind in types if get_origin(kind) is Literal for word in get_args(kind)]
    if bounded := next((kind for kind in types if get_origin(kind) is Annotated), None):
        number = FieldInfo.from_annotation(bounded)
        return " or ".join([accepted(number), *choices])
    if bool in types:
        return f"give {', '.join(['True', *choices]) if choices else 'True'} or False"
    if choices:
        return f"give {' or '.join(filter(None, (', '.join(choices[:-1]), choices[-1])))}"
    if any(get_origin(kind) is tuple for kind in types):
        return "give names, as a,b,c"
    if int in types:
        return f"give a whole number {_bounds(field, whole=True)}"
    return f"give a number {_bounds(field, whole=False)}" if float in types else ""


def _bounds(field: FieldInfo, whole: bool) -> str:
    bounds = {name: getattr(bound, name) for bound in field.metadata for name in _BOUNDS if hasattr(bound, name)}
    if whole:
        # Among whole numbers a bound that is left out has a neighbour that is not.
        bounds = {name[0] + "e": value + {"gt": 1, "lt": -1}.get(name, 0) for name, value in bounds.items()}
    words = [text.format(_plain(bounds[name])) for name, text in _BOUNDS.items() if name in bounds]
    return " ".join(words).replace("above 0 to", "above 0 and up to")


def _plain(bound: float) -> str:
    return str(int(bound) if bound == int(bound) else bound)


_BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "to below {}"}
