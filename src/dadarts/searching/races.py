"""What a search remembers of the races that end it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from dadarts.methods.missed import Harm
from dadarts.runs import fitting

Outcome: TypeAlias = tuple[int, int, int]
"""What a selection concludes, in whole numbers that it gives a meaning"""
_MOST = 10**5
"""No search has as many outcomes, nor a race as many forks."""


@dataclass
class Races:
    """Races so far.

    Args:
        outcomes: how each has ended, three whole numbers.
        losses: what every picture has lost, (P, 2), of each fork of the race that is run that has been measured.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    losses: list[Harm] = field(default_factory=list)

    def conclude(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes; what was measured for them is done with."""
        # Plain tuples: a checkpoint holds no classes.
        self.outcomes += [(first, second, third) for first, second, third in outcomes]
        self.losses = []

    def to_checkpoint(self) -> dict[str, Any]:
        """What `read` takes back."""
        return {"outcomes": list(self.outcomes), "losses": list(self.losses)}

    @classmethod
    def read(cls, saved: Any) -> Races:
        """Races of a checkpoint.

        Raises:
            MisfitError: they are none.
        """
        found = fitting.part("races", saved, dict)
        if found.keys() != {"outcomes", "losses"}:
            raise fitting.MisfitError("races are not outcomes and losses")
        outcomes, losses = (fitting.part(f"races.{name}", found[name], list) for name in ("outcomes", "losses"))
        if max(len(outcomes), len(losses)) > _MOST:
            raise fitting.MisfitError(f"races has more than {_MOST} of them")
        for place, outcome in enumerate(outcomes):
            if type(outcome) is not tuple or [type(part) for part in outcome] != [int, int, int]:
                raise fitting.MisfitError(f"races.outcomes[{place}] is not three whole numbers")
        return cls(list(outcomes), [fitting.losses(f"races.losses[{place}]", one) for place, one in enumerate(losses)])
