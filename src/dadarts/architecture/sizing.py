"""Width and depth within limits: how wide a genotype's network can be at each depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from dadarts.architecture.costs import count_costs
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Macro
from dadarts.errors import InputError

MOST_CHANNELS = 4096

Keeps: TypeAlias = Callable[[Macro], bool]
"""Whether a network of a size keeps to limits; one that does not must not do so when it gets wider."""


@dataclass(frozen=True)
class Within:
    """Whether a genotype's network has at most so many parameters and multiply-adds; None is any number."""

    genotype: Genotype
    parameters: int | None = None
    multiply_adds: int | None = None

    def __call__(self, macro: Macro) -> bool:
        return count_costs(self.genotype, macro).within(self.parameters, self.multiply_adds)


def widest(macro: Macro, keeps: Keeps, most: int = MOST_CHANNELS) -> Macro | None:
    """The network with the most channels that keeps to the limits, all else as it is; None where none does.

    Both parameters and multiply-adds grow with the channels: bisection finds it, and its costs are counted exactly.
    """

    def fits(channels: int) -> bool:
        return keeps(replace(macro, channels=channels))

    if not fits(1):
        return None
    low, high = 1, 2
    while high <= most and fits(high):
        low, high = high, 2 * high
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return replace(macro, channels=low)


def widest_of_each_depth(macro: Macro, keeps: Keeps, layers: Iterable[int]) -> tuple[Macro, ...]:
    """For each number of layers the widest network, where there is one: the sizes that a choice has to be made among.

    Depths are enumerated: with one layer more a network of the darts skeleton halves its pictures elsewhere, and may
    compute less.

    Raises:
        InputError: no network of any of these depths keeps to the limits.
    """
    depths = tuple(layers)
    found = tuple(size for number in depths if (size := widest(replace(macro, layers=number), keeps)) is not None)
    if not found:
        raise InputError(f"no network of 1 channel keeps to the limits with any of {len(depths)} numbers of layers")
    return found
