"""Passes in bfloat16 where they gain from it: weights and batch norms' statistics stay float32."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor

from dadarts.architecture.supernet import Forward, Idle, Mixing


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Where `precision` is bf16, convolutions and products in bfloat16; else nothing changes."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


class Lowered:
    """A pass in torch's own operations under autocast to bfloat16.

    Args:
        forward: the pass.
        device: where it is.
    """

    def __init__(self, forward: Forward, device: torch.device) -> None:
        self.forward = forward
        self.device = device

    def __call__(self, x_BCHW: Tensor, mixing: Mixing, noise_key: int = 0, idle: Idle | None = None, /) -> Tensor:
        """Logits (B, classes) in float32; see `Supernet.forward`."""
        with autocast("bf16", self.device):
            logits = self.forward(x_BCHW, mixing, noise_key, idle)
        return logits.float()
