"""Where a run stands within an epoch, and what its time went to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from dadarts.rundir import history
from dadarts.rundir.history import Values

Item = TypeVar("Item")


def timed(items: Iterator[Item]) -> Iterator[tuple[Item, float]]:
    """Each item with the seconds that were spent waiting for it."""
    began = time.monotonic()
    for item in items:
        yield item, time.monotonic() - began
        began = time.monotonic()


@dataclass
class Position:
    """The next epoch and step, and the sums of the epoch so far.

    Args:
        seconds: of all steps: loading, the architecture step and the weight step.
        loading: seconds of those that were spent waiting for batches.
        architecture: seconds of those that were spent in architecture steps.
        measuring: seconds after the last step, on validation.
    """

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    loading: float = 0.0
    architecture: float = 0.0
    measuring: float = 0.0

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

    def shares(self) -> Values:
        """Columns of history: the part of the epoch's time that each phase took, in [0, 1]."""
        whole = self.seconds + self.measuring
        weights = self.seconds - self.loading - self.architecture
        return {
            history.SECONDS_VALIDATION: self.measuring,
            history.SHARE_LOADING: self.loading / whole,
            history.SHARE_ARCHITECTURE: self.architecture / whole,
            history.SHARE_WEIGHTS: weights / whole,
            history.SHARE_VALIDATION: self.measuring / whole,
        }

    def next_epoch(self) -> Position:
        """The beginning of the epoch after this one."""
        return Position(epoch=self.epoch + 1)
