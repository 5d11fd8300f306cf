"""What a contestant is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True)
class Given:
    """A task's pictures, and the means.

    Args:
        file: of the task.
        metric: that judges.
        flip: how pictures may be mirrored.
        minutes: of the processor's time, for everything.
        max_parameters: that the network may have; None is no limit.
    """

    file: Path
    metric: str
    flip: str
    minutes: float
    seed: int
    max_parameters: int | None

    def with_minutes(self, minutes: float) -> Given:
        """The same with so many minutes."""
        return replace(self, minutes=minutes)


@dataclass(frozen=True)
class Result:
    """What came of it; `network` is in words, `score` by the task's metric on the test part, in [0, 1]."""

    score: float
    parameters: int
    epochs: float
    network: str


Contestant: TypeAlias = Callable[[Given], Result]
