"""The decisions of a race, from what every picture loses: who is dropped, who wins, what waits, and what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from statistics import NormalDist
from typing import NamedTuple, TypeAlias

from torch import Tensor

from dadarts.methods.missed import z

Place: TypeAlias = tuple[int, int]
"""A stacked node and one of its edges"""
QUEUED, PUT_OFF = -2, -1
"""What an outcome has in the place of an operation where none is kept yet"""
NODE = -1
"""What the outcome of a node has in the place of an edge"""


@dataclass(frozen=True)
class Raced:
    """What per-picture losses say of several candidates.

    Args:
        best: the one with the lowest mean loss, the first among equals.
        z: by how many standard errors each loses more than the best on the same pictures; 0 of the best.
        left: those that are not shown to be worse, in their order.
    """

    best: int
    z: Mapping[int, float]
    left: tuple[int, ...]

    @property
    def closest(self) -> float:
        """By how many standard errors the best is before all others; infinite where it is alone."""
        return min((value for name, value in self.z.items() if name != self.best), default=inf)


def raced(losses: Mapping[int, Tensor], level: float) -> Raced:
    """The race of candidates, each with the losses (P,) of the same pictures, at a one-sided level.

    The candidates that are worse than the best are dropped by Holm's step-down over p = 1 - Phi(z).
    """
    best = min(losses, key=lambda name: float(losses[name].mean()))
    scores = {name: 0.0 if name == best else z(own, losses[best]) for name, own in losses.items()}
    p = {name: 1 - NormalDist().cdf(scores[name]) for name in losses if name != best}
    dropped = holm(p, level)
    return Raced(best, scores, tuple(name for name in losses if name not in dropped))


def holm(p: Mapping[int, float], level: float) -> set[int]:
    """The hypotheses that Holm's step-down rejects (Scandinavian Journal of Statistics 6, 1979, pages 65 to 70).

    >>> sorted(holm({7: 0.01, 8: 0.04, 9: 0.03}, 0.05))
    [7]
    """
    rejected: set[int] = set()
    for name in sorted(p, key=lambda name: p[name]):
        if p[name] > level / (len(p) - len(rejected)):
            break
        rejected.add(name)
    return rejected


def winner(race: Raced, missed: Mapping[int, Tensor]) -> int:
    """Who wins: of those that are left the argmax of ``z_loo(o, best) - z_fork(o)``, the best among equals.

    Args:
        missed: the losses (P,) of the mixture without each candidate; z_loo says how much more o is missed than the
            best.
    """
    others = (name for name in race.left if name != race.best)
    return max((race.best, *others), key=lambda name: z(missed[name], missed[race.best]) - race.z[name])


class Outcome(NamedTuple):
    """How a race ended.

    Args:
        node: the stacked node.
        edge: its edge; `NODE` where the node has lost an edge.
        kept: the operation (column) that the edge keeps, `QUEUED` or `PUT_OFF`; of a node the edge that it has lost.
    """

    node: int
    edge: int
    kept: int


@dataclass
class Course:
    """Where a selection stands: a pure function of the outcomes of its races.

    Args:
        choices: the operations that each edge may keep.
        keeps: how many edges a node keeps; None is all.
        kept: the operation of every decided edge, in the order in which they were first decided.
        times: how often each edge was decided.
        queue: what the order of the round has set, as far as it is not decided.
        put_off: the edges that have waited.
        removed: the edges that nodes have lost.
    """

    choices: Mapping[Place, tuple[int, ...]]
    keeps: int | None
    kept: dict[Place, int] = field(default_factory=dict, init=False)
    times: Counter[Place] = field(default_factory=Counter, init=False)
    queue: list[Place] = field(default_factory=list, init=False)
    put_off: set[Place] = field(default_factory=set, init=False)
    removed: set[Place] = field(default_factory=set, init=False)

    def take(self, outcomes: Iterable[Outcome]) -> Course:
        """Go on by these outcomes, and return itself.

        Raises:
            ValueError: no race can have ended so.
        """
        for outcome in outcomes:
            self._take(outcome)
        return self

    def _take(self, outcome: Outcome) -> None:
        place = outcome.node, outcome.edge
        if outcome.edge == NODE:
            lost = outcome.node, outcome.kept
            if outcome.node != self.crowded() or lost not in self.edges_of(outcome.node):
                raise ValueError(f"{lost} cannot be removed")
            self.removed.add(lost)
        elif outcome.kept == QUEUED:
            if place not in self.due() or place in self.queue:
                raise ValueError(f"{place} cannot be next")
            self.queue.append(place)
        elif outcome.kept == PUT_OFF:
            if self.queue[:1] != [place] or not self.may_wait(place):
                raise ValueError(f"{place} cannot wait")
            self.queue.remove(place)
            self.put_off.add(place)
        else:
            expected = self.queue[0] if self.queue else self._again()
            if place != expected or outcome.kept not in self.choices[place]:
                raise ValueError(f"{place} cannot keep {outcome.kept}")
            self.kept[place] = outcome.kept
            self.times[place] += 1
            self.queue = self.queue[1:]

    def due(self) -> list[Place]:
        """The edges that a round may decide: those that have not waited, and then those that have."""
        undecided = [place for place in self.choices if place not in self.kept]
        return [place for place in undecided if place not in self.put_off] or undecided

    def may_wait(self, place: Place) -> bool:
        """Whether an edge may be put off: it has not been, and another that has not is still to be decided."""
        return place not in self.put_off and any(other != place for other in self.due())

    def edges_of(self, node: int) -> list[Place]:
        """The edges that a node still has."""
        return [place for place in self.choices if place[0] == node and place not in self.removed]

    def crowded(self) -> int | None:
        """The first node that has more edges than it keeps, when all edges are decided."""
        if self.keeps is None or self.due():
            return None
        nodes = dict.fromkeys(node for node, _ in self.choices)
        return next((node for node in nodes if len(self.edges_of(node)) > self.keeps), None)

    def again(self, looks: int) -> Place | None:
        """The edge that is looked at again, the first decided first, once nodes have no edge to lose."""
        place = self._again()
        return place if place is not None and self.times[place] <= looks else None

    def _again(self) -> Place | None:
        if self.due() or self.crowded() is not None:
            return None
        places = [place for place in self.kept if len(self.choices[place]) > 1 and place not in self.removed]
        return min(places, key=lambda place: self.times[place], default=None)
