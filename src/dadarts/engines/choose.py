"""Which form of the supernet computes its passes: the readable one, or the fast one with torch's or native kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from dadarts.architecture.network import DropPath, Network
from dadarts.architecture.supernet import Forward, Supernet
from dadarts.distributed import ALONE, Processes
from dadarts.engines.autocast import Lowered
from dadarts.engines.inference import Inference
from dadarts.engines.native import Kernels, NoCompilerError, library
from dadarts.engines.native.engine import FusedSupernet
from dadarts.engines.native.network import FusedNetwork
from dadarts.engines.torch_engine import SharedSupernet
from dadarts.errors import InputError

PrecisionName = Literal["float32", "tf32", "bf16"]
EngineName = Literal["auto", "reference", "torch", "native"]
TrainingEngineName = Literal["auto", "reference", "native"]


@dataclass(frozen=True)
class Engine:
    """A form of a supernet's forward pass.

    Args:
        name: reference, torch or native.
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
    name: EngineName,
    supernet: Supernet,
    device: torch.device,
    precision: PrecisionName = "float32",
    processes: Processes = ALONE,
) -> Engine:
    """The engine that `-engine` names; ``auto`` takes the fastest that the machine has.

    That is native kernels on a CPU with a C++ compiler, and torch's own operations anywhere else.

    Several processes share batch statistics, which native kernels do not.

    Raises:
        InputError: the engine that is asked for by name cannot be had.
    """
    if name == "auto":
        return _fastest(supernet, device, precision, processes)
    why = "as asked for"
    if name == "reference":
        return Engine("reference", *_in(precision, supernet, device), why)
    if name == "torch":
        return Engine("torch", *_in(precision, SharedSupernet(supernet), device), why)
    if processes.several:
        raise InputError("-engine native computes in one process; use -engine torch with several")
    if supernet.channel_fraction > 1:
        raise InputError("-engine native has no kernels for partial channels; use -engine torch")
    if device.type != "cpu":
        raise InputError(f"-engine native computes on a CPU, not on {device}; use -engine torch or -device cpu")
    try:
        return _native(supernet, why)
    except NoCompilerError as error:
        raise InputError(f"-engine native: {error}; use -engine torch") from None


def _fastest(supernet: Supernet, device: torch.device, precision: PrecisionName, processes: Processes) -> Engine:
    shared = _in(precision, SharedSupernet(supernet), device)
    if device.type != "cpu":
        return Engine("torch", *shared, f"native kernels are for a CPU, not {device}")
    if processes.several:
        return Engine("torch", *shared, "native kernels are for one process")
    if supernet.channel_fraction > 1:
        return Engine("torch", *shared, "native kernels are for whole channels")
    try:
        return _native(supernet, "a CPU with a C++ compiler")
    except NoCompilerError as error:
        slow = f"{error}: torch's own operations compute instead, about half as fast as native kernels"
        return Engine("torch", *shared, "no C++ compiler", slow)


def _in(precision: PrecisionName, forward: Forward, device: torch.device) -> tuple[Forward, Forward]:
    """The pass in a precision, and exact."""
    return (Lowered(forward, device) if precision == "bf16" else forward), forward


def _native(supernet: Supernet, why: str) -> Engine:
    fused = FusedSupernet(supernet, Kernels(library()))
    return Engine("native", fused, fused, why)


class Trainable(Protocol):
    """A form of a network's passes in training mode."""

    def __call__(self, x_BCHW: Tensor, drop_path: DropPath | None = None, noise_key: int = 0) -> Tensor:
        """See `Network.forward`."""

    def forward_with_auxiliary(
        self, x_BCHW: Tensor, drop_path: DropPath | None, noise_key: int
    ) -> tuple[Tensor, Tensor | None]:
        """See `Network.forward_with_auxiliary`."""


@dataclass(frozen=True)
class TrainingEngine:
    """A form of a network's passes.

    Args:
        name: reference or native.
        forward: the passes in training mode.
        answer: pictures and their noise's key to logits, in evaluation mode and without gradients.
        why, note: as of an `Engine`.
    """

    name: str
    forward: Trainable
    answer: Callable[[Tensor, int], Tensor]
    why: str
    note: str | None = None


def pick_training_engine(
    name: TrainingEngineName,
    network: Network,
    device: torch.device,
    processes: Processes = ALONE,
    precision: PrecisionName = "float32",
) -> TrainingEngine:
    """The engine that a training's `-engine` names; ``auto`` takes the faster.

    That is native kernels on a CPU with a C++ compiler, in float32 and in one process, and the network itself anywhere
    else.

    Raises:
        InputError: the engine that is asked for by name cannot be had.
    """

    def answer(x_BCHW: Tensor, noise_key: int) -> Tensor:
        logits: Tensor = network(x_BCHW, noise_key=noise_key)
        return logits

    if name == "reference":
        return TrainingEngine("reference", network, answer, "as asked for")
    is_asked = name == "native"
    if device.type != "cpu":
        if is_asked:
            raise InputError(f"-engine native computes on a CPU, not on {device}; use -engine reference or -device cpu")
        return TrainingEngine("reference", network, answer, f"native kernels are for a CPU, not {device}")
    if processes.several:
        if is_asked:
            raise InputError("-engine native computes in one process; use -engine reference with several")
        return TrainingEngine("reference", network, answer, "native kernels are for one process")
    if precision == "bf16":
        if is_asked:
            raise InputError("-engine native computes in float32; use -engine reference with -precision bf16")
        return TrainingEngine("reference", network, Inference(network), "native kernels are for float32")
    try:
        fused = FusedNetwork(network, Kernels(library()))
    except NoCompilerError as error:
        if is_asked:
            raise InputError(f"-engine native: {error}; use -engine reference") from None
        slow = f"{error}: torch's own operations compute instead, about half as fast as native kernels"
        return TrainingEngine("reference", network, answer, "no C++ compiler", slow)
    why = "as asked for" if is_asked else "a CPU with a C++ compiler"
    return TrainingEngine("native", fused, Inference(network), why)
