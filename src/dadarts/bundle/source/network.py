"""Stands for the network that model.py spells out."""

from __future__ import annotations

from torch import Tensor, nn


class Network(nn.Module):
    """Logits (B, classes) of normalised pictures (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))
