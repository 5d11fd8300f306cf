"""What a network has answered to labelled pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network has answered to N labelled pictures.

    Args:
        labels: int64 (N,).
        predicted: the class with the largest logit, int64 (N,).
        losses: cross entropy in nats, float64 (N,).
        margins: logit of the second class minus that of the first, float64 (N,); of use where there are two.
    """

    labels: Tensor
    predicted: Tensor
    losses: Tensor
    margins: Tensor

    COLUMNS: ClassVar[int] = 4

    @staticmethod
    def rows(logits: Tensor, labels: Tensor) -> Tensor:
        """The answers to a batch, float64 (B, COLUMNS), from logits (B, K) and labels (B,): a row a picture."""
        logits, labels = logits.cpu().double(), labels.cpu()
        losses = logits.logsumexp(dim=1) - logits.gather(1, labels[:, None])[:, 0]
        return torch.stack([labels, logits.argmax(dim=1), losses, logits[:, 1] - logits[:, 0]], dim=1)

    @classmethod
    def of_rows(cls, rows: Tensor) -> Answers:
        """The answers to all pictures, from their `rows`."""
        labels, predicted, losses, margins = rows.unbind(dim=1)
        return cls(labels.long(), predicted.long(), losses, margins)

    def confusion(self, count: int) -> Tensor:
        """How many pictures of each of so many classes (row) were taken for each (column), int64 (K, K)."""
        return torch.bincount(self.labels * count + self.predicted, minlength=count * count).view(count, count)
