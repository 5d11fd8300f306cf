"""Whether what a checkpoint holds is a state of the run that goes on from it: asked once, when it is read.

A checkpoint is a file, and whoever can write it can put anything there. What is checked here needs no check below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from dadarts.rundir.history import EPOCH, Row
from dadarts.runs.meter import Position

_LONGEST_NAME = 100
_LARGEST = 1e30
"""No measurement is larger; what is drawn and summed of it stays finite."""


class MisfitError(ValueError):
    """A part of a checkpoint is not what the run has in its place; the text says which."""


def tensor_like(name: str, saved: Any, own: Tensor) -> Tensor:
    """A tensor of the shape and the type of the run's own.

    Raises:
        MisfitError: it is another, is not finite, or is no array of numbers in memory.
    """
    if not isinstance(saved, Tensor) or saved.layout != torch.strided or saved.device.type != "cpu":
        raise MisfitError(f"{name} is no tensor")
    if saved.shape != own.shape or saved.dtype != own.dtype:
        raise MisfitError(
            f"{name} is {_kind(saved)} of shape {tuple(saved.shape)[:8]}, and the run's {_kind(own)} of shape "
            f"{tuple(own.shape)}"
        )
    if _overlaps(saved):
        raise MisfitError(f"{name} has elements that share memory")
    if not bool(saved.isfinite().all()):
        raise MisfitError(f"{name} is not finite")
    return saved


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _overlaps(tensor: Tensor) -> bool:
    """Whether two elements may be the same number in memory, which could not be written in place."""
    need = 1
    for stride, size in sorted((s, n) for s, n in zip(tensor.stride(), tensor.shape, strict=True) if n > 1):
        if stride < need:
            return True
        need = stride * size
    return False


def tensors_like(name: str, saved: Any, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names of the run's own.

    Raises:
        MisfitError: a name is missing or too many, or a tensor is another.
    """
    found = part(name, saved, dict)
    if found.keys() != own.keys():
        missing = next(iter(own.keys() - found.keys()), None)
        raise MisfitError(f"{name} lacks {missing}" if missing is not None else f"{name} has more than the run's")
    return {key: tensor_like(f"{name}.{key}", found[key], tensor) for key, tensor in own.items()}


def list_like(name: str, saved: Any, own: Sequence[Tensor]) -> list[Tensor]:
    """As many tensors as the run's own, one like the other.

    Raises:
        MisfitError: as in `tensors_like`.
    """
    found = part(name, saved, list)
    if len(found) != len(own):
        raise MisfitError(f"{name} has {len(found)} tensors, and the run's {len(own)}")
    return [tensor_like(f"{name}[{place}]", *pair) for place, pair in enumerate(zip(found, own, strict=True))]


def optimizer_like(name: str, saved: Any, own: torch.optim.Optimizer, like: Sequence[str]) -> dict[str, Any]:
    """The state of an optimizer: its moments are the file's, its settings the run's own.

    Args:
        like: names of what it keeps of a parameter, of that one's shape; ``step`` may stand beside it.

    Raises:
        MisfitError: it is not one of this optimizer.
    """
    state = own.state_dict()
    parameters = [parameter for group in own.param_groups for parameter in group["params"]]
    kept = {}
    for index, entry in part(f"{name}.state", part(name, saved, dict).get("state"), dict).items():
        place = f"{name}.state[{index}]" if type(index) is int else f"{name}.state"
        if type(index) is not int or not 0 <= index < len(parameters):
            raise MisfitError(f"{place} is of no parameter of the run")
        if not isinstance(entry, dict) or not set(entry) - {"step"} == set(like):
            raise MisfitError(f"{place} is not {' and '.join(like)}")
        kept[index] = {key: _moment(f"{place}.{key}", entry[key], key, parameters[index]) for key in entry}
    return {**state, "state": kept}


def _moment(name: str, saved: Any, key: str, parameter: Tensor) -> Tensor | None:
    if saved is None and key == "momentum_buffer":
        return None
    found = tensor_like(name, saved, torch.zeros(()) if key == "step" else parameter)
    if key in ("step", "exp_avg_sq") and bool((found < 0).any()):
        raise MisfitError(f"{name} is below 0")
    return found


def rows(name: str, saved: Any) -> list[Row]:
    """The rows of a history, numbered by their epochs.

    Raises:
        MisfitError: they are not.
    """
    for number, row in enumerate(part(name, saved, list)):
        for key, value in part(f"{name}[{number}]", row, dict).items():
            if not isinstance(key, str) or not key.isidentifier() or len(key) > _LONGEST_NAME:
                raise MisfitError(f"{name}[{number}] has a column without a name")
            if value is not None and not _is_measured(value):
                raise MisfitError(f"{name}[{number}].{key} is no number")
        if EPOCH.of(row) != number:
            raise MisfitError(f"{name}[{number}] is not of epoch {number}")
    return list(saved)


def _is_measured(value: Any) -> bool:
    return type(value) in (int, float) and not _LARGEST < abs(value) < math.inf


def position(saved: Any, *, epochs: int, steps: int) -> Position:
    """Where a run stands.

    Args:
        epochs: the last epoch that it may stand at the beginning of.
        steps: how many an epoch has.

    Raises:
        MisfitError: it stands nowhere in such a run.
    """
    found = part("position", saved, dict)
    kinds = {field.name: type(field.default) for field in fields(Position)}
    for key, value in found.items():
        if key not in kinds:
            raise MisfitError("position has more than the run's")
        whole_or_real = (int,) if kinds[key] is int else (int, float)
        if type(value) not in whole_or_real or not 0 <= value <= _LARGEST:
            raise MisfitError(f"position.{key} is not a number from 0 on")
    own = Position(**found)
    if own.epoch > epochs:
        raise MisfitError(f"position.epoch is {own.epoch}, and the run ends with {epochs}")
    if own.step > steps or (own.epoch == epochs and own.step):
        raise MisfitError(f"position.step is {own.step}, and the run's epoch has {steps}")
    if own.step and not (own.seen >= max(own.step, own.correct) and own.seconds > 0):
        raise MisfitError(f"position.seen is {own.seen} after {own.step} steps in {own.seconds:g} seconds")
    return own


def number(name: str, saved: Any, most: float = _LARGEST, *, whole: bool = False) -> Any:
    """A number from 0 to `most`.

    Raises:
        MisfitError: it is none.
    """
    if type(saved) not in ((int,) if whole else (int, float)) or not 0 <= saved <= most:
        raise MisfitError(f"{name} is not a {'whole ' if whole else ''}number from 0 to {most:g}")
    return saved


def scores(name: str, saved: Any) -> list[tuple[float, float]]:
    """(loss, accuracy) pairs.

    Raises:
        MisfitError: they are none.
    """
    for place, pair in enumerate(part(name, saved, list)):
        if type(pair) is not tuple or [type(value) for value in pair] != [float, float]:
            raise MisfitError(f"{name}[{place}] is not a loss and an accuracy")
    return list(saved)


def losses(name: str, saved: Any) -> Tensor:
    """What each of any number of pictures loses, float64 (P, 2).

    Raises:
        MisfitError: it is another.
    """
    pictures = saved.shape[:1] if isinstance(saved, Tensor) else ()
    return tensor_like(name, saved, torch.zeros((*pictures, 2), dtype=torch.float64))


def part(name: str, saved: Any, kind: type) -> Any:
    """A dict or a list.

    Raises:
        MisfitError: it is none.
    """
    if not isinstance(saved, kind):
        raise MisfitError(f"{name} is no {kind.__name__}")
    return saved
