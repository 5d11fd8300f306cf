"""Which form of the supernet computes its passes: the readable one, or the one with native kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from dadarts.alphas import Idle, Mixing
from dadarts.errors import InputError
from dadarts.fused import FusedSupernet
from dadarts.native import Kernels, NoCompilerError, library
from dadarts.supernet import Supernet


class Forward(Protocol):
    """A supernet's forward pass: logits (B, classes) of pictures; see `Supernet.forward`."""

    def __call__(self, x_BCHW: Tensor, mixing: Mixing, noise_key: int = 0, idle: Idle | None = None, /) -> Tensor: ...


EngineName = Literal["auto", "reference", "native"]


@dataclass(frozen=True)
class Engine:
    """A form of a supernet's forward pass.

    Args:
        name: reference or native.
        forward: the pass.
        why: how the choice came about.
        note: why a slower form than asked for was taken; None where it was not.
    """

    name: str
    forward: Forward
    why: str
    note: str | None = None

    @property
    def sparse(self) -> bool:
        """Whether its passes may leave out operations of negligible weight; the readable form is exact."""
        return self.name != "reference"


def pick_engine(name: EngineName, supernet: Supernet, device: torch.device) -> Engine:
    """The engine that `-engine` names; ``auto`` takes native kernels on a CPU with a C++ compiler.

    Raises:
        InputError: native kernels are asked for by name and cannot be had.
    """
    if name == "native" and device.type != "cpu":
        raise InputError(f"-engine native computes on a CPU, not on {device}; use -engine reference or -device cpu")
    asked = "as asked for"
    if name == "reference" or device.type != "cpu":
        return Engine(
            "reference", supernet, asked if name == "reference" else f"native kernels are for a CPU, not {device}"
        )
    try:
        why = asked if name == "native" else "a CPU with a C++ compiler"
        return Engine("native", FusedSupernet(supernet, Kernels(library())), why)
    except NoCompilerError as error:
        if name == "native":
            raise InputError(f"-engine native: {error}; use -engine reference") from None
        slow = f"{error}: the readable engine computes instead, two to three times as slowly"
        return Engine("reference", supernet, "no C++ compiler", slow)
