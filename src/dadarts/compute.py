"""Where a run computes: the device, and how many threads."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from dadarts.config import RunConfig
from dadarts.errors import InputError

_ELEMENTS_FOR_MANY_THREADS = 2**18


def pick_device(config: RunConfig) -> torch.device:
    """The device that `-device` and `-gpus` name; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        InputError: this machine has no such device.
    """
    if config.gpus is not None and config.device != "cpu":
        return _cuda(config.gpus)
    if config.device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if config.device == "cuda":
        return _cuda("0")
    if config.device == "mps" and not torch.backends.mps.is_available():
        raise InputError("-device mps: this machine has no MPS device; use -device cpu")
    return torch.device(config.device)


def _cuda(index: str) -> torch.device:
    count = torch.cuda.device_count()
    if not index.isdecimal() or len(index) > 4:
        raise InputError(f"-gpus {index}: give the index of one CUDA device, such as 0")
    if int(index) >= count:
        raise InputError(
            f"CUDA device {index}: this machine has {count}; use -device cpu"
            if not count
            else f"-gpus {index}: this machine has CUDA devices 0 to {count - 1}"
        )
    return torch.device("cuda", int(index))


@dataclass(frozen=True)
class Threads:
    """How many CPU threads a run uses, and why."""

    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.count} thread{'s' if self.count > 1 else ''} ({self.why})"


def pick_threads(config: RunConfig, pixels: int, channels: int, batch: int) -> Threads:
    """How many CPU threads to use: `-threads`, or a rule.

    The rule looks at sizes only and never at a clock, because sums depend on the number of threads and a seed must
    give the same genotype twice: one thread where a state of the network has fewer than 2^18 numbers (small
    operations run slower on two threads than on one), else one a core.
    """
    if config.threads is not None:
        return Threads(config.threads, "as asked for")
    numbers = pixels * channels * batch
    if numbers < _ELEMENTS_FOR_MANY_THREADS:
        return Threads(1, f"a state of {numbers:,} numbers is too small for more")
    return Threads(_cores(), "one a core")


def _cores() -> int:
    # Not every system says which cores a process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare(device: torch.device, threads: int, precision: str) -> None:
    """Make this process compute with so many threads, in this precision, and the same sums every time.

    Raises:
        InputError: the precision is for CUDA, and the device is another.
    """
    if precision != "float32" and device.type != "cuda":
        raise InputError(
            f"-precision {precision} is for CUDA, where it is faster; on {device} leave it out (float32 is the default)"
        )
    torch.set_num_threads(threads)
    if device.type == "cuda":
        # Torch lets convolutions round to TF32 unless told; a float32 search is to be one.
        torch.backends.cudnn.allow_tf32 = precision != "float32"
        torch.backends.cuda.matmul.allow_tf32 = precision != "float32"
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True


Placed = TypeVar("Placed", bound=nn.Module)


def placed(network: Placed, device: torch.device) -> Placed:
    """Move a network to a device, its kernels in the memory format that loaders give pictures in."""
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def versions(device: torch.device) -> dict[str, str | int]:
    """The machine and the software that a run's numbers may depend on."""
    from importlib.metadata import version

    return {
        "dadarts": version("dadarts"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
    }
