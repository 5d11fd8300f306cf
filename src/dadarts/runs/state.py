"""What a run is made of between two steps, and what a step adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dadarts.config.run import Computed
from dadarts.rundir.history import Row
from dadarts.runs import checkpoint
from dadarts.runs.meter import Position
from dadarts.runs.setup import Foundation


@dataclass(frozen=True)
class Taken:
    """A step that has been taken.

    Args:
        loss: mean over the batch.
        correct: how many of its pictures were classified right.
        pictures: how many there were.
        loading: seconds that the step waited for them.
        architecture: seconds that the architecture step took.
    """

    loss: float
    correct: int
    pictures: int
    loading: float
    architecture: float = 0.0


class State(Protocol):
    """What a run is made of between two steps."""

    foundation: Foundation
    position: Position
    history: list[Row]

    @property
    def computed(self) -> Computed:
        """What its sums depend on besides settings."""
        ...

    @property
    def epochs(self) -> int:
        """How many it has in all; what is asked behind an epoch may change it."""
        ...

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        ...

    @property
    def settled(self) -> Mapping[str, float | str]:
        """Settings that the configuration may leave open, as the data decides them: what the run is saved with."""
        ...

    @property
    def images_per_second(self) -> float:
        """Mean of the epoch so far."""
        ...

    def to_checkpoint(self) -> checkpoint.State:
        """Tensors and plain values that `restore` takes back."""
        ...

    def restore(self, saved: checkpoint.State) -> None:
        """Take the state of a checkpoint of the same configuration."""
        ...
