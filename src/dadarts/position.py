"""Where a run stands within an epoch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Position:
    """The next epoch and step, and the sums of the epoch so far."""

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0

    def add(self, loss: float, correct: int, pictures: int) -> None:
        """Count a step: its mean loss, and how many of its pictures were classified right."""
        self.step += 1
        self.loss += loss * pictures
        self.correct += correct
        self.seen += pictures

    @property
    def mean_loss(self) -> float:
        """Mean cross entropy of the epoch so far."""
        return self.loss / self.seen

    @property
    def top1(self) -> float:
        """Accuracy of the epoch so far, in [0, 1]."""
        return self.correct / self.seen

    def next_epoch(self) -> Position:
        """The beginning of the epoch after this one."""
        return Position(epoch=self.epoch + 1)
