"""What races cost, those that are run and those to come, so that a person who waits is told how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dadarts.methods.racing import NODE, PUT_OFF, QUEUED, Course, Outcome, Place
from dadarts.methods.terms import Terms

_AROUND = 0.4
"""The part of a step under the whole mixture that costs the same however many operations are active."""
_WAITING = 0.5
"""The part of edges that wait, and run their first rung twice."""


@dataclass(frozen=True)
class Bill:
    """In pictures of a forward pass under the whole mixture; a training step's passes are three.

    Args:
        choices: how many operations are raced on each edge before all are decided.
        terms: what races are run by.
        batch: pictures of a step.
    """

    choices: Mapping[Place, int]
    terms: Terms
    batch: int

    def race(self, forks: int, active: int, rungs: int | None = None) -> float:
        """A race of so many forks where so many operations are active, or its first rungs; nothing of one alone."""
        if forks < 2:
            return 0.0
        entering = self.terms.entering(forks)[:rungs]
        judged = self.terms.pictures or 3 * self.terms.steps * self.batch
        steps = sum(count * self.terms.steps_of(rung) for rung, count in enumerate(entering))
        return self._weight(active) * (3 * self.batch * steps + judged * sum(entering))

    def order(self, undecided: Iterable[Place], active: int) -> float:
        """The order of some edges: a measurement without each operation of each that has a choice."""
        tried = sum(self.choices[place] for place in undecided if self.choices[place] > 1)
        return self._weight(active) * tried * self.terms.order_pictures

    def active(self, undecided: Iterable[Place], removed: int) -> int:
        """Operations of a mixture in which edges are undecided: all of those, and one of each decided edge."""
        undecided = list(undecided)
        return sum(self.choices[place] for place in undecided) + len(self.choices) - len(undecided) - removed

    def spent(self, outcomes: Sequence[Outcome]) -> float:
        """What races have cost that have ended so."""
        undecided, total = set(self.choices), 0.0
        edges, lost = Counter(node for node, _ in self.choices), 0
        for before, (node, edge, kept) in pairwise([Outcome(0, 0, PUT_OFF), *outcomes]):
            active, place = self.active(undecided, lost), (node, edge)
            if edge == NODE:
                total += self.race(edges[node], active)
                edges[node], lost = edges[node] - 1, lost + 1
            elif kept == QUEUED:
                # Of several edges that are next one order was measured.
                total += self.order(undecided, active) if before.kept != QUEUED else 0.0
            else:
                own = self.active(undecided - {place}, lost)
                total += self.race(self.choices[place], own, 1 if kept == PUT_OFF else None)
                undecided -= {place} if kept != PUT_OFF else set()
        return total

    def left(self, course: Course) -> float:
        """What is still to come, as far as that is known."""
        undecided = [*course.queue, *(place for place in self.choices if place not in {*course.kept, *course.queue})]
        a_round, total, removed = self.terms.a_round(len(course.choices)), 0.0, len(course.removed)
        for number, place in enumerate(undecided):
            active = self.active(undecided[number + 1 :], removed)
            total += self.race(self.choices[place], active)
            if place not in course.put_off:
                total += _WAITING * self.race(self.choices[place], active, 1)
            if number >= len(course.queue) and (number - len(course.queue)) % a_round == 0:
                total += self.order(undecided[number:], self.active(undecided[number:], removed))
        staying = [place for place in self.choices if place not in course.removed]
        if course.keeps is not None:
            for node in {node for node, _ in self.choices}:
                edges = [place for place in staying if place[0] == node]
                total += sum(self.race(count, len(staying)) for count in range(len(edges), course.keeps, -1))
                staying = [place for place in staying if place not in edges[course.keeps :]]
        looks = [(max(0, self.terms.looks + 1 - max(1, course.times[place])), place) for place in staying]
        total += sum(count * self.race(self.choices[place], len(staying)) for count, place in looks)
        closing = sum(course.times[place] <= self.terms.looks + 1 for place in staying) if self.terms.none else 0
        return total + closing * self.race(2, len(staying))

    def _weight(self, active: int) -> float:
        return _AROUND + (1 - _AROUND) * active / sum(self.choices.values())
