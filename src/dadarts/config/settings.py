"""What every configuration is made of: fields with their place in ``--help``, and the base that checks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dadarts.config.refusal import one_line
from dadarts.errors import InputError


def setting(default: Any, group: str, text: str, *aliases: str, usual: bool = False, **constraints: Any) -> Any:
    """A field with its place in the help, the short one too where it is `usual`; with ``...`` it must be given."""
    extra: dict[str, Any] = {"group": group, "aliases": list(aliases), "usual": usual}
    return Field(default, description=text, json_schema_extra=extra, **constraints)


class Settings(BaseModel):
    """Base of all configurations: frozen, no unknown names, and errors of one line.

    Raises:
        InputError: a value is missing, unknown, of the wrong type or out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, ser_json_inf_nan="constants")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise one_line(error, type(self)) from None

    @field_validator("*")
    @classmethod
    def _text_can_be_saved(cls, value: object) -> object:
        if isinstance(value, str | Path):
            as_text(str(value))
        return value


def as_text(name: str) -> str:
    """A name that a file in UTF-8 can hold; raises InputError where it is none."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError("its name has bytes that are no UTF-8; rename it, or link to it by another name") from None
    return name
