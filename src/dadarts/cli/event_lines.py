"""``--json`` of a run: every event as a line of JSON on stdout, for programs that start runs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from dadarts.cli import configs, streams
from dadarts.cli.early import prints
from dadarts.errors import in_python
from dadarts.runs.events import Event, RunStarted, SearchDone

Tell = Callable[[Mapping[str, Any]], None]
"""Takes an event as JSON values."""


def telling(values: dict[str, str]) -> Tell | None:
    """What prints events where a command's words ask for it; of several processes the first one prints.

    Raises:
        InputError: the value of the flag is neither True nor False.
    """
    if not configs.truth("json", values):
        return None
    return _print if prints() else _swallow


def as_values(event: Event) -> dict[str, Any]:
    """An event as JSON values: its name as ``event``, and what it holds.

    >>> from dadarts.runs.events import ValidationStep
    >>> as_values(ValidationStep(epoch=0, epochs=2, step=1, steps=3))
    {'event': 'validation_step', 'epoch': 0, 'epochs': 2, 'step': 1, 'steps': 3}
    """
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    held = {field.name: _plain(getattr(event, field.name)) for field in fields(event) if field.repr}
    match event:
        case RunStarted():
            held["data"] = in_python(event.data)
        case SearchDone(genotype=genotype):
            verdict = genotype.verdict
            held |= {
                "verdict": verdict.word if verdict else None,
                "warnings": list(verdict.warnings) if verdict else [],
            }
        case _:
            pass
    return {"event": name, **held}


def _plain(value: Any) -> Any:
    """A value as JSON has it; what is not finite is null, and what JSON does not know is its text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return str(value)


def _print(values: Mapping[str, Any]) -> None:
    try:
        print(json.dumps(values, allow_nan=False), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise streams.unwritten(error) from None


def _swallow(values: Mapping[str, Any]) -> None:
    del values
