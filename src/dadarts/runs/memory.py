"""Whether a network's weights fit into the memory of the machine, before it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from dadarts import machine
from dadarts.architecture.skeletons import Macro
from dadarts.errors import InputError

_SURELY_FIT = 2**19
_FEW_LAYERS = 6


def refuse_too_large(
    build: Callable[[Macro], nn.Module], macro: Macro, nodes: int, *, copies: int, flags: str, device: torch.device
) -> None:
    """Refuse a network whose weights alone, without any activation, are more than there is memory.

    The parameters of a few layers are counted on the meta device and multiplied up: a cell is as wide as its third of
    the network, however many layers that has.

    Args:
        build: the network of a macro skeleton.
        nodes: intermediate nodes of a cell.
        copies: how many times a run holds the weights: with their gradient, momentum and saved copies.
        flags: what makes the network smaller.

    Raises:
        InputError: they do not fit.
    """
    # Up to there the weights of no space take a gigabyte, and counting them would take as long as building them.
    if macro.layers * (macro.channels * nodes) ** 2 <= _SURELY_FIT:
        return
    few = replace(macro, layers=min(macro.layers, _FEW_LAYERS))
    with torch.device("meta"):
        counted = sum(weight.numel() for weight in build(few).parameters())
    weights = counted * macro.layers // few.layers
    need, there = copies * 4 * weights, total(device)
    if need > there:
        raise InputError(
            f"about {weights:,} weights, with gradient, momentum and copies, need {need / 1e9:,.1f} GB of memory, "
            f"without any activation, and {_name(device)} has {there / 1e9:,.1f} GB; give smaller {flags}"
        )


def total(device: torch.device) -> int:
    """Bytes of memory that a device has."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return machine.total_memory()


def _name(device: torch.device) -> str:
    return f"device {device}" if device.type == "cuda" else "this machine"
