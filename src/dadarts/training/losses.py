"""The loss of a classifier whose classes may have very different numbers of pictures, which need not count alike."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class CrossEntropy:
    """Mean over a batch of ``-v sum_k t_k u_k log p_k``.

    t is 1 - s for the picture's class, and s / K more for every one (label smoothing: arXiv 1512.00567, section 7);
    v is how much a picture counts.

    Args:
        weights: u, float32 (K,); None is 1 for every class.
        smoothing: s.
    """

    weights: Tensor | None = None
    smoothing: float = 0.0

    def __call__(self, logits: Tensor, labels: Tensor, counting: Tensor | None = None) -> Tensor:
        """The loss of logits (B, K) and labels (B,), in nats.

        Args:
            counting: v, float32 (B,), of mean 1 over all pictures; None is 1 for every one.
        """
        if counting is not None:
            each_B = F.cross_entropy(
                logits, labels, weight=self.weights, reduction="none", label_smoothing=self.smoothing
            )
            return (counting * each_B).mean()
        if self.weights is None:
            return F.cross_entropy(logits, labels, label_smoothing=self.smoothing)
        # Not over the sum of the batch's weights: they would do nothing in a batch of one class, and the mean over
        # processes would not be that of the batch that they share.
        total = F.cross_entropy(logits, labels, weight=self.weights, reduction="sum", label_smoothing=self.smoothing)
        return total / len(labels)


def balanced(labels: Tensor, count: int, counting: Tensor | None = None) -> Tensor:
    """``u_c = n / (K n_c)``, so that every class counts the same and the mean over pictures is 1; float32 (count,).

    K are the classes that have a picture; one that has none, which no batch holds, gets 0. As scikit-learn's
    ``class_weight="balanced"`` (King & Zeng, "Logistic regression in rare events data", 2001).

    Args:
        counting: how much each picture counts, float32 (N,): n and n_c are then their sums; None is 1 for every one.
    """
    pictures = torch.bincount(labels, counting, minlength=count).double()
    share = pictures.sum() / (int((pictures > 0).sum()) * pictures)
    return torch.where(pictures > 0, share, 0).float()
