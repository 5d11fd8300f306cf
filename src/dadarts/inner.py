"""The step of w that a second-order architecture step looks through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Inner:
    """The inner step ``w' = w - xi (momentum * buffer + grad + decay * w)``, which the gradient looks through."""

    xi: float
    momentum: float
    decay: float
    buffers: Sequence[Tensor]

    @torch.no_grad()
    def direction(self, w: Sequence[Tensor], gradient: Sequence[Tensor]) -> list[Tensor]:
        """``momentum * buffer + grad + decay * w``: the step moves w by -xi times this."""
        return [
            self.momentum * buffer + g + self.decay * weight
            for buffer, g, weight in zip(self.buffers, gradient, w, strict=True)
        ]
