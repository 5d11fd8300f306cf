"""How a number moves with the progress of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from dadarts.seeds import derive


class Progress(NamedTuple):
    """Where a run stands: epoch e of E, counted from 0.

    Args:
        key: names the step, for relaxations that draw: equal keys give equal draws. None is without a draw: such a
            relaxation then gives what it tends to without noise, as in validations.
    """

    epoch: int
    epochs: int
    key: int | None = None

    @property
    def fraction(self) -> float:
        """e / E, in [0, 1)."""
        return self.epoch / self.epochs

    def within(self, parts: int) -> Progress:
        """The same place in the one of several equal parts of the run that it lies in, counted from that part's start.

        >>> Progress(epoch=7, epochs=10).within(2)
        Progress(epoch=2, epochs=5, key=None)
        """
        length = self.epochs // parts
        return self._replace(epoch=self.epoch % length, epochs=length)

    def at_step(self, seed: int, step: int) -> Progress:
        """The same place with the draws of a step of this epoch, in a run of a seed."""
        return self._replace(key=derive(seed, "relaxation", self.epoch, step))

    def apart(self, purpose: str) -> Progress:
        """The same place with draws of its own for a purpose."""
        return self if self.key is None else self._replace(key=derive(self.key, purpose))


@dataclass(frozen=True)
class Constant:
    """The same value throughout."""

    value: float

    def __call__(self, progress: Progress) -> float:
        return self.value

    @property
    def ends(self) -> tuple[float, ...]:
        """The values between which it moves."""
        return (self.value,)


@dataclass(frozen=True)
class Linear:
    """``start + (end - start) * e / E``: the value `end` is approached, never reached within the run.

    >>> Linear(0, 200)(Progress(epoch=25, epochs=50))
    100.0
    """

    start: float
    end: float

    def __call__(self, progress: Progress) -> float:
        return self.start + (self.end - self.start) * progress.fraction

    @property
    def ends(self) -> tuple[float, ...]:
        """The values between which it moves."""
        return (self.start, self.end)


@dataclass(frozen=True)
class Late:
    """0 in the first `begin` of the run, then ``end * e / E``.

    >>> Late(0.5, 10)(Progress(epoch=24, epochs=50)), Late(0.5, 10)(Progress(epoch=25, epochs=50))
    (0.0, 5.0)
    """

    begin: float
    end: float

    def __call__(self, progress: Progress) -> float:
        return self.end * progress.fraction if progress.fraction >= self.begin else 0.0

    @property
    def ends(self) -> tuple[float, ...]:
        """The values between which it moves."""
        return (0.0, self.end)


Schedule: TypeAlias = Constant | Late | Linear


def one_cycle(peak: float, step: int, steps: int, warm_up: float, *, linear: bool = False) -> float:
    """The rate of a step of one cycle (arXiv 1708.07120): up to `peak` in a straight line, then down towards 0.

    Down by half a cosine, or `linear` in a straight line too. The rate is 0 only before the first step and after the
    last one, so that none of them is lost.

    Args:
        step: counted from 0.
        steps: of the whole run.
        warm_up: the part of the steps in which the rate rises.

    >>> [round(one_cycle(1, step, 4, 0.5, linear=True), 2) for step in range(4)]
    [0.5, 1.0, 0.67, 0.33]
    """
    rising = max(1, round(warm_up * steps))
    if step < rising:
        return peak * (step + 1) / rising
    fraction = (step + 1 - rising) / (steps + 1 - rising)
    return peak * ((1 - fraction) if linear else (1 + math.cos(math.pi * fraction)) / 2)


def cosine(start: float, end: float, progress: Progress) -> float:
    """Cosine annealing per epoch (arXiv 1608.03983, equation 5, one cycle): `start` at epoch 0."""
    return end + (start - end) * (1 + math.cos(math.pi * progress.fraction)) / 2
