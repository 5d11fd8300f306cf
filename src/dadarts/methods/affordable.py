"""Decisions one by one under limits: which of them leave a network that keeps to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from dadarts.architecture.discretization import least
from dadarts.errors import InputError
from dadarts.methods.alphas import Candidates

Place: TypeAlias = tuple[int, int]
"""A stacked node and one of its edges"""


@dataclass(frozen=True)
class Purse:
    """What may still be chosen.

    Args:
        candidates: of the search, with its rule.
        open: bool (N, E, O), on the CPU: the places that no decision has closed.
    """

    candidates: Candidates
    open: Tensor

    @property
    def is_enough(self) -> bool:
        """Whether a network of what is open keeps to all limits."""
        try:
            least(self.candidates.rule, self.open)
        except InputError:
            return False
        return True

    def after(self, kept: Mapping[Place, int], removed: Iterable[Place] = ()) -> Purse:
        """What is open where these edges keep an operation each, unless a later decision drops them, and others are
        removed."""
        places = self.open.clone()
        for place, operation in kept.items():
            places[place] = False
            places[(*place, operation)] = True
        for place in removed:
            places[place] = False
        return Purse(self.candidates, places)
