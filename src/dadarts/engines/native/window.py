"""The pictures that the compiled kernels read, and the windows that they slide over them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SUFFIXES = {torch.float32: "f32", torch.float64: "f64"}
"""What the names of the functions of each type end in."""
KERNELS, DILATIONS, STRIDES = (3, 5), (1, 2), (1, 2)
"""The windows of depthwise convolutions that were compiled; a pool's has 3x3 pixels and no dilation."""


class _Window(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_long) for name in ("pictures", "channels", "height", "width", "kernel", "dilation", "stride")
    ]


@dataclass(frozen=True)
class Window:
    """A kernel x kernel window that slides over a picture, padded so that sizes become ceil(size / stride)."""

    kernel: int
    dilation: int = 1
    stride: int = 1

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS or self.dilation not in DILATIONS or self.stride not in STRIDES:
            raise ValueError(f"{self}: kernels are 3 or 5 wide, dilation and stride 1 or 2")

    def over(self, x: Tensor) -> Any:
        """What a kernel must know of the window and the pictures."""
        check(x)
        return ctypes.byref(_Window(*x.shape, self.kernel, self.dilation, self.stride))

    def pool_over(self, x: Tensor) -> Any:
        """The same for a pool.

        Raises:
            ValueError: the window is not one of pools.
        """
        if (self.kernel, self.dilation) != (3, 1):
            raise ValueError(f"{self}: pools are 3 wide, without dilation")
        return self.over(x)

    def output(self, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """An empty tensor of the result's shape."""
        batch, channels, height, width = x.shape
        size = (batch, channels, -(-height // self.stride), -(-width // self.stride))
        return torch.empty(size, dtype=dtype or x.dtype, memory_format=torch.channels_last)


def check(x: Tensor) -> None:
    """Refuse what the kernels cannot read.

    Raises:
        TypeError: it is no float32 or float64 on a CPU.
        ValueError: it is not channels_last.
    """
    if x.device.type != "cpu" or x.dtype not in SUFFIXES:
        raise TypeError(f"native kernels compute float32 and float64 on a CPU, not {x.dtype} on {x.device}")
    if not x.is_contiguous(memory_format=torch.channels_last):
        raise ValueError("native kernels read channels_last pictures")
