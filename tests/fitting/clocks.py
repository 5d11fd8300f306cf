"""Clocks that tell the seconds that a test wants to have passed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Ticking:
    """A clock that goes on by so many seconds whenever somebody looks at it."""

    step: float
    now: float = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@dataclass
class Told:
    """A clock that stands still until it is told how much later it is."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now
