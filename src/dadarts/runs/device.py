"""Where a run computes: the device, and how many threads."""

from __future__ import annotations

import os
import platform
from typing import TypeVar

import torch
from torch import nn

from dadarts.config.run import RunSettings
from dadarts.distributed import ALONE, LAUNCHER, Processes
from dadarts.errors import InputError
from dadarts.machine import keep_freed_memory
from dadarts.runs.threads import Threads, by_size


def pick_device(device: str, gpus: str | None = None, processes: Processes = ALONE) -> torch.device:
    """The device that `-device` (cpu, cuda, mps or auto) and `-gpus` name; auto takes CUDA, then MPS, then the CPU.

    Several processes take a CUDA device each.

    Raises:
        InputError: this machine has no such device, or not one for every process.
    """
    if device in ("cpu", "mps") and gpus is not None:
        raise InputError(f"-gpus {gpus} is the index of a CUDA device, and does not go with -device {device}: give one")
    if device == "cpu":
        return torch.device("cpu")
    if gpus is not None:
        return _cuda(gpus.split(","), gpus, processes)
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        return _cuda([str(rank) for rank in range(processes.count)], None, processes)
    has_mps = torch.backends.mps.is_available() and not processes.several
    if device == "mps" and not has_mps:
        raise InputError("-device mps: this machine has no MPS device for every process; use -device cpu")
    return torch.device("mps" if has_mps else "cpu")


def _cuda(indices: list[str], given: str | None, processes: Processes) -> torch.device:
    for index in indices:
        if not index.isdecimal() or len(index) > 4:
            raise InputError(f"-gpus {given}: give the index of a CUDA device, such as 0, or 0,1 for two processes")
    if len(set(indices)) != processes.count:
        raise InputError(
            f"-gpus {given}: a process computes on one device, and there {_are(processes.count)}; "
            f"to search on {len(indices)} devices run `{' '.join(LAUNCHER)} {len(indices)} search.py ... -gpus {given}`"
        )
    count = torch.cuda.device_count()
    for index in indices:
        if int(index) >= count:
            raise InputError(
                f"CUDA device {index}: this machine has {count}; use -device cpu"
                if not count or given is None
                else f"-gpus {given}: this machine has CUDA devices 0 to {count - 1}"
            )
    return torch.device("cuda", int(indices[processes.rank]))


def cuda_devices(device: str) -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES calls the devices that processes of a `-device` can be divided among, if it is CUDA."""
    count = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return tuple(visible.split(",")[:count] if visible else map(str, range(count)))


def _are(count: int) -> str:
    return "is 1 process" if count == 1 else f"are {count} processes"


def pick_threads(config: RunSettings, pixels: int, channels: int, batch: int, processes: Processes = ALONE) -> Threads:
    """How many CPU threads a process uses: `-threads`, or the rule of sizes."""
    if config.threads is not None:
        return Threads(config.threads, "as asked for")
    return by_size(pixels * channels * batch // processes.count, processes.count)


def lowers_well(device: torch.device) -> bool:
    """Whether it is a CPU that multiplies bfloat16: matrices of it (Intel's AMX), or vectors (AVX512-BF16)."""
    return device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def prepare(device: torch.device, threads: int, precision: str, trains: bool = False) -> None:
    """Make this process compute with so many threads, in this precision, and the same sums every time.

    Args:
        trains: whether a discrete network is trained, which bf16 is faster for on some CPUs.

    Raises:
        InputError: the precision is for another device.
    """
    lowers = precision == "bf16" and trains and lowers_well(device)
    if precision != "float32" and device.type != "cuda" and not lowers:
        some = ", or a training on a CPU with AMX or AVX512-BF16" if precision == "bf16" and trains else ""
        raise InputError(
            f"-precision {precision} is for CUDA{some}, where it is faster; on {device} leave it out (float32 is the "
            "default)"
        )
    torch.set_num_threads(threads)
    if device.type == "cpu":
        keep_freed_memory()
    if device.type == "cuda":
        # Torch lets convolutions round to TF32 unless told; a float32 search is to be one.
        torch.backends.cudnn.allow_tf32 = precision != "float32"
        torch.backends.cuda.matmul.allow_tf32 = precision != "float32"
        torch.cuda.set_device(device)
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
