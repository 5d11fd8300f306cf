"""What is missed most of a mixture, by what every picture loses without it, and how sure the worst loss is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal, TypeAlias

from torch import Tensor

Harm: TypeAlias = Tensor
"""float64 (P, 2): the cross entropy of every picture of a split, and 1 where it is classified wrong, else 0."""
By: TypeAlias = Literal["accuracy", "loss"]


@dataclass(frozen=True)
class Missed:
    """What is missed most of several parts that were left out one at a time.

    Args:
        kept: their names, the most missed first.
        dropped: those of the others.
        top1: the accuracy without the first of them.
        z: by how many standard errors the last of them is missed more than the first that is not kept; infinite where
            there is no choice.
    """

    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    top1: float
    z: float


def most_missed(without: Mapping[int, Harm], keep: int, by: By) -> Missed:
    """The parts whose removal harms most: by the mean loss, or by the share of wrong pictures.

    Among equally many wrong pictures the loss decides; equal ones stay in their order.
    """
    column = 0 if by == "loss" else 1

    def rank(name: int) -> tuple[float, ...]:
        loss, wrong = without[name].mean(dim=0).tolist()
        return (loss,) if by == "loss" else (wrong, loss)

    ranked = sorted(without, key=rank, reverse=True)
    top1 = 1 - float(without[ranked[0]][:, 1].mean())
    if len(ranked) <= keep:
        return Missed(tuple(ranked), (), top1, inf)
    last, next_one = without[ranked[keep - 1]], without[ranked[keep]]
    sure = z(last[:, column], next_one[:, column])
    return Missed(tuple(ranked[:keep]), tuple(ranked[keep:]), top1, sure)


def z(first_P: Tensor, second_P: Tensor) -> float:
    """Mean paired difference over pictures in its standard errors, ``mean d / (sd d / sqrt P)``; 0 where all are equal.

    >>> z(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.0, 2.0, 2.0, 2.0]))
    2.449489742783178
    """
    difference = (first_P - second_P).double()
    mean, deviation = float(difference.mean()), float(difference.std()) if len(difference) > 1 else 0.0
    if deviation == 0:
        return inf if mean > 0 else 0.0
    return mean / (deviation / sqrt(len(difference)))


def surest(found: Sequence[Missed]) -> int:
    """Which of several decisions is the surest; the first among equals."""
    return max(range(len(found)), key=lambda number: found[number].z)
