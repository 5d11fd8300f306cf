"""What a run must remember, and how it is kept: tensors and plain values, loaded as data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from dadarts import files
from dadarts.errors import CheckpointError, RunError, shortened

State: TypeAlias = dict[str, Any]
"""Tensors, numbers, strings, lists and dicts of them"""

VERSION = 1


def save(path: Path, kind: str, settings: dict[str, Any], state: State) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        RunError: the disk is full, or a tensor is not finite; the checkpoint before is kept.
    """
    if not all(bool(tensor.isfinite().all()) for tensor in _tensors(state)):
        # A run that went on from such a checkpoint could only fail again.
        position = state["position"]
        raise RunError(
            f"weights or alphas are not finite before epoch {position['epoch'] + 1}, step {position['step'] + 1}; "
            f"lower the learning rate. The last good checkpoint is {path}"
        )
    payload = {"version": VERSION, "kind": kind, "settings": settings, "state": state}
    files.write(path, lambda temporary: torch.save(payload, temporary))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _is_setting(item: tuple[Any, Any]) -> bool:
    """Whether a name and a value are as JSON has them."""
    name, value = item
    values = value if isinstance(value, list) else [value]
    return isinstance(name, str) and all(value is None or isinstance(value, str | int | float) for value in values)


def load(path: Path, kind: str) -> tuple[dict[str, Any], State]:
    """The settings and the state of a checkpoint; nothing in the file is run.

    Raises:
        CheckpointError: no such file, not a checkpoint, damaged, or one with code in it.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is not there: nothing to resume; leave -resume out or give another -name")
    try:
        with files.open_bytes(path) as file:
            payload = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(payload, dict):
            raise TypeError("not a mapping")
        version, there, settings, state = (payload[name] for name in ("version", "kind", "settings", "state"))
        if type(version) is not int or not isinstance(there, str):
            raise TypeError("neither a version nor a kind")
        if version != VERSION or there != kind:
            raise CheckpointError(f"{path} is a {shortened(there, 40)} checkpoint of version {shortened(version, 40)}")
        if not isinstance(state, dict) or not isinstance(settings, dict) or not all(map(_is_setting, settings.items())):
            raise TypeError("neither settings nor a state")
        return settings, state
    except CheckpointError:
        raise
    except Exception as error:
        # A damaged or hostile file can fail anywhere in the reader; whatever it was, the file is no checkpoint.
        raise CheckpointError(
            f"{path} is damaged or holds more than data, and is not loaded ({type(error).__name__})"
        ) from None
