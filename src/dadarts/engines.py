"""Which form of the supernet computes its passes: the readable one, or the one with native kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from dadarts.alphas import Idle, Mixing
from dadarts.errors import InputError
from dadarts.fused import FusedSupernet
from dadarts.lowered import Lowered
from dadarts.native import Kernels, NoCompilerError, library
from dadarts.supernet import Supernet


class Forward(Protocol):
    """A supernet's forward pass: logits (B, classes) of pictures; see `Supernet.forward`."""

    def __call__(self, x_BCHW: Tensor, mixing: Mixing, noise_key: int = 0, idle: Idle | None = None, /) -> Tensor: ...


PrecisionName = Literal["float32", "tf32", "bf16"]
EngineName = Literal["auto", "reference", "native"]


@dataclass(frozen=True)
class Engine:
    """A form of a supernet's forward pass.

    Args:
        name: reference or native.
        forward: the pass.
        exact: the pass in float32, where finite differences are taken.
        why: how the choice came about.
        note: why a slower form than asked for was taken; None where it was not.
    """

    name: str
    forward: Forward
    exact: Forward
    why: str
    note: str | None = None

    @property
    def sparse(self) -> bool:
        """Whether its passes may leave out operations of negligible weight; the readable form is exact."""
        return self.name != "reference"


def pick_engine(
    name: EngineName, supernet: Supernet, device: torch.device, precision: PrecisionName = "float32"
) -> Engine:
    """The engine that `-engine` names; ``auto`` takes native kernels on a CPU with a C++ compiler.

    Raises:
        InputError: native kernels are asked for by name and cannot be had.
    """
    if name == "native" and device.type != "cpu":
        raise InputError(f"-engine native computes on a CPU, not on {device}; use -engine reference or -device cpu")
    asked = "as asked for"
    if name == "reference" or device.type != "cpu":
        forward = Lowered(supernet, device) if precision == "bf16" else supernet
        why = asked if name == "reference" else f"native kernels are for a CPU, not {device}"
        return Engine("reference", forward, supernet, why)
    try:
        fused = FusedSupernet(supernet, Kernels(library()))
        return Engine("native", fused, fused, asked if name == "native" else "a CPU with a C++ compiler")
    except NoCompilerError as error:
        if name == "native":
            raise InputError(f"-engine native: {error}; use -engine reference") from None
        slow = f"{error}: the readable engine computes instead, two to three times as slowly"
        return Engine("reference", supernet, supernet, "no C++ compiler", slow)
