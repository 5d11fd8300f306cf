"""Mixup (arXiv 1710.09412): a picture in training is a mean of two, and so is its loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dadarts.data.loader import Batch
from dadarts.distributed import Processes
from dadarts.seeds import seeded


@dataclass(frozen=True, eq=False)
class Mixed:
    """A batch whose pictures are means of two.

    Args:
        images: ``share x + (1 - share) x'``, float32 (B, C, H, W).
        labels, others: classes of x and of x', int64 (B,).
        share: from 1/2 on, so that a picture is of the first class rather than of the other.
        weights, other_weights: how much x and x' count, float32 (B,); None where all count alike.
    """

    images: Tensor
    labels: Tensor
    others: Tensor
    share: float
    weights: Tensor | None = None
    other_weights: Tensor | None = None

    def loss(self, of: Callable[[Tensor, Tensor, Tensor | None], Tensor], logits: Tensor) -> Tensor:
        """The same mean of the loss `of` logits, classes and weights."""
        first = of(logits, self.labels, self.weights)
        if self.share == 1:
            return first
        return self.share * first + (1 - self.share) * of(logits, self.others, self.other_weights)


def mixed(batch: Batch, alpha: float, processes: Processes) -> Mixed:
    """A batch mixed with itself in another order, its share drawn from Beta(alpha, alpha) and turned to 1/2 or more.

    Order and share follow from the batch's key. Of several processes each mixes its part of the batch with pictures of
    all parts.

    Args:
        alpha: 0 mixes nothing.
    """
    if alpha == 0:
        return Mixed(batch.images, batch.labels, batch.labels, 1.0, batch.weights, batch.weights)
    count = len(batch.labels) * processes.count
    with seeded(batch.key, "mixup"):
        drawn = float(torch.distributions.Beta(alpha, alpha).sample())
        order = torch.randperm(count)
    share, order = max(drawn, 1 - drawn), order[processes.share(count)].to(batch.labels.device)

    def other(part: Tensor) -> Tensor:
        return processes.gathered(part).flatten(0, 1)[order]

    images, labels = other(batch.images), other(batch.labels)
    weights = None if batch.weights is None else other(batch.weights)
    return Mixed(torch.lerp(images, batch.images, share), batch.labels, labels, share, batch.weights, weights)
