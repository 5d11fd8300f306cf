"""Selection by races: every rounding is trained through on a fork of the weights before it is decided."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from dadarts.architecture.supernet import Mixing
from dadarts.methods.affordable import Purse
from dadarts.methods.alphas import Candidates
from dadarts.methods.bill import Bill
from dadarts.methods.missed import most_missed
from dadarts.methods.perturbation import Decision, without_each
from dadarts.methods.racing import NODE, PUT_OFF, QUEUED, Course, Outcome, Place, Raced, raced, winner
from dadarts.methods.searched import Searched
from dadarts.methods.terms import Terms
from dadarts.pacing import counted

_Race: TypeAlias = Generator[Any, None, tuple[Raced, dict[int, float]]]
"""Events, and at the end what is raced and the mean loss of each"""


def choices_of(
    candidates: Candidates, table: Sequence[Sequence[Sequence[str | None]]], none: bool
) -> dict[Place, tuple[int, ...]]:
    """The operations that are raced on each edge that may keep any; a `none` where asked for, or where alone."""
    found = {}
    for node, edge in candidates.open.any(dim=-1).nonzero().tolist():
        columns = candidates.open[node, edge].nonzero().flatten().tolist()
        named = [column for column in columns if none or table[node][edge][column] != "none"]
        found[node, edge] = tuple(named or columns)
    return found


def one_hot(M: Tensor, W: Tensor, place: Place, operation: int) -> Tensor:
    """M with one operation alone on an edge, as loud as the edge's mixture W was: ``M_e = onehot(o) ||W_e||``.

    Outputs of unit variance that depend on nothing but themselves have the standard deviation ||W_e|| when they are
    mixed, 1 / sqrt(k) where all k weights are equal.
    """
    found = M.clone()
    found[place] = 0
    found[(*place, operation)] = W[place].norm()
    return found


@dataclass(frozen=True)
class Racing:
    """The races that end a search.

    Args:
        search: the search that they end.
        wanted: what they are run by, as far as the search is long enough for it.
    """

    search: Searched
    wanted: Terms

    def scores(self) -> Generator[Any, None, Mixing]:
        """Events, and at the end the mixing weights of what was decided."""
        if self.terms.steps < self.wanted.steps and not self.search.outcomes:
            steps = counted(self.terms.steps, "step")
            yield self.search.said(f"forks are trained for {steps} each, not {self.wanted.steps}: the search was short")
        while True:
            course = self._course()
            if course.queue:
                yield from self._decide(course, course.queue[0])
            elif course.due():
                yield from self._order(course)
            elif (node := course.crowded()) is not None:
                yield from self._remove(course, node)
            elif (place := course.again(self.terms.looks)) is not None:
                yield from self._look_again(course, place, self._affordable(course, place, self._open))
            elif self.terms.none and (place := course.again(self.terms.looks + 1)) is not None:
                yield from self._look_again(course, place, self._closing(course, place))
            else:
                return self.search.split(self._mixing(course))

    @cached_property
    def terms(self) -> Terms:
        """What they are run by."""
        operations = [len(open_) for open_ in self._open.values()]
        return self.wanted.within(self.search.trained, operations, self.search.batch_size)

    @cached_property
    def _table(self) -> list[list[list[str | None]]]:
        """Names of operations: stacked node -> edge -> column."""
        kinds = dict.fromkeys(self.search.candidates.kinds)
        return [[list(edge) for edge in node] for kind in kinds for node in self.search.space.table(kind)]

    @cached_property
    def _open(self) -> dict[Place, tuple[int, ...]]:
        """What is raced before all edges are decided.

        No `none`, since closing an edge of a mixture lowers the loss; but a limit may ask for edges without any.
        """
        named = choices_of(self.search.candidates, self._table, none=False)
        enough = self._purse_of(named).is_enough
        return named if enough else choices_of(self.search.candidates, self._table, none=True)

    @cached_property
    def _choices(self) -> dict[Place, tuple[int, ...]]:
        """What every edge may keep in the end."""
        return choices_of(self.search.candidates, self._table, none=True) if self.terms.none else self._open

    def _purse_of(self, choices: Mapping[Place, tuple[int, ...]]) -> Purse:
        places = torch.zeros_like(self.search.candidates.present, device="cpu")
        for place, operations in choices.items():
            places[place][list(operations)] = True
        return Purse(self.search.candidates, places)

    def _affordable(self, course: Course, place: Place, choices: Mapping[Place, tuple[int, ...]]) -> tuple[int, ...]:
        """Those choices of an edge that leave a network within the limits, as the other edges are decided."""
        kept = {other: operation for other, operation in course.kept.items() if other != place}
        purse = self._purse_of(choices).after(kept, course.removed)
        return tuple(name for name in choices[place] if purse.after({place: name}).is_enough)

    def _closing(self, course: Course, place: Place) -> tuple[int, ...]:
        """What is raced at the end where a `none` may stay: what stands, and the `none`."""
        affordable = self._affordable(course, place, self._choices)
        return tuple(name for name in affordable if name == course.kept[place] or name not in self._open[place])

    @cached_property
    def _first(self) -> Tensor:
        """The mixture that all begins with, (N, E, O)."""
        return self.search.mixing.clone()

    @cached_property
    def _bill(self) -> Bill:
        choices = {place: len(operations) for place, operations in self._open.items()}
        return Bill(choices, self.terms, self.search.batch_size)

    def _measurement(self, places: Iterable[Place]) -> tuple[float, float]:
        return self._span(self._bill.order(places, self._active))

    def _span(self, own: float) -> tuple[float, float]:
        """All of the selection, and how much of it is behind, in parts of what something costs that comes next."""
        own, spent = max(own, 1.0), self._bill.spent([Outcome(*outcome) for outcome in self.search.outcomes])
        return (spent + max(own, self._bill.left(self._course()))) / own, spent / own

    @property
    def _active(self) -> int:
        """Operations that a fork has of the race that comes next: one on its own edge."""
        course = self._course()
        undecided = [place for place in self._open if place not in {*course.kept, *course.queue[:1]}]
        return self._bill.active(undecided, len(course.removed))

    def _course(self) -> Course:
        try:
            return Course(self._choices, self.search.candidates.rule.edges).take(
                Outcome(*outcome) for outcome in self.search.outcomes
            )
        except ValueError as error:
            raise self.search.damaged(f"has a race that cannot have ended so: {error}") from None

    def _mixing(self, course: Course) -> Tensor:
        M = self._first
        for place, operation in course.kept.items():
            M = one_hot(M, self._first, place, operation)
        for place in course.removed:
            M = without_edge(M, place)
        return M

    def _order(self, course: Course) -> Generator[Any, None, None]:
        """Queue the edges of a round: those without a choice, and those that are the surest."""
        due, M = course.due(), self._mixing(course)
        alone = [place for place in due if len(self._open[place]) == 1]
        open_ones = [place for place in due if place not in alone]
        missed = yield from self._missed(M, open_ones)
        sure = {place: most_missed(missed[place], 1, "loss") for place in open_ones}
        ordered = sorted(open_ones, key=lambda place: -sure[place].z)
        queue = [*alone, *ordered[: self.terms.a_round(len(course.choices))]]
        yield from self.search.conclude([Outcome(*place, QUEUED) for place in queue])

    def _missed(self, M: Tensor, places: Sequence[Place]) -> Generator[Any, None, dict[Place, dict[int, Tensor]]]:
        """What every picture loses without each operation of some edges, by edge and operation; (P, 2) each."""
        search = self.search
        without = {
            (place, name): search.split(left)
            for place in places
            for name, left in without_each(M, search.candidates, Decision(0, *place), renormalise=False).items()
            if name in self._open[place]
        }
        if not without:
            return {}
        measured = yield from search.harms(without, self.terms.order_pictures, *self._measurement(places))
        found: dict[Place, dict[int, Tensor]] = {place: {} for place, _ in without}
        for place, name in without:
            found[place][name] = measured[place, name]
        return found

    def _forks(self, M: Tensor, place: Place, operations: Iterable[int]) -> dict[int, Tensor]:
        return {operation: one_hot(M, self._first, place, operation) for operation in operations}

    def _decide(self, course: Course, place: Place) -> Generator[Any, None, None]:
        """Race the operations of an edge, and keep the winner, or let the edge wait."""
        search, terms, M = self.search, self.terms, self._mixing(course)
        affordable = self._affordable(course, place, self._open)
        if len(affordable) == 1:
            yield from search.conclude([Outcome(*place, affordable[0])])
            return
        forks = self._forks(M, place, affordable)
        race, losses = yield from self._rung(forks, 0)
        if race.closest < terms.put_off and course.may_wait(place):
            yield search.said(f"{self._named(place)} waits: {self._said(place, race, losses)}")
            yield from search.conclude([Outcome(*place, PUT_OFF)])
            return
        race, losses = yield from self._run(forks)
        kept = race.best
        if len(race.left) > 1:
            missed = (yield from self._missed(M, [place]))[place]
            kept = winner(race, {name: harm[:, 0] for name, harm in missed.items()})
        yield from self._keep(place, kept, race, losses)

    def _look_again(self, course: Course, place: Place, operations: Sequence[int]) -> Generator[Any, None, None]:
        """Race operations of a decided edge; what stands stays unless it is shown to be worse."""
        stands = course.kept[place]
        if len(operations) == 1:
            yield from self.search.conclude([Outcome(*place, stands)])
            return
        race, losses = yield from self._run(self._forks(self._mixing(course), place, operations), stands)
        yield from self._keep(place, stands if stands in race.left else race.best, race, losses)

    def _remove(self, course: Course, node: int) -> Generator[Any, None, None]:
        """Race a node without each of its edges, and remove the one that costs least."""
        M = self._mixing(course)
        purse = self._purse_of(self._choices).after(course.kept, course.removed)
        forks = {
            place[1]: without_edge(M, place) for place in course.edges_of(node) if purse.after({}, [place]).is_enough
        }
        race, losses = yield from self._run(forks)
        without = in_words({str(edge): loss for edge, loss in losses.items()})
        yield self.search.said(f"{self._named((node, race.best))} is removed; loss without each: {without}")
        yield from self.search.conclude([Outcome(node, NODE, race.best)], race.best)

    def _run(self, forks: Mapping[int, Tensor], stands: int | None = None) -> _Race:
        """Run a race to its last rung: what that says of those that reach it, and the last loss of all.

        Args:
            stands: a fork that goes on to the last rung however it does.
        """
        race, losses = yield from self._rung(forks, 0)
        entered = len(forks)
        for rung, count in enumerate(self.terms.entering(entered)[1:], 1):
            ahead = sorted(forks, key=lambda name: (name != stands, losses[name]))[:count]
            forks = {name: M for name, M in forks.items() if name in ahead}
            race, found = yield from self._rung(forks, rung, entered)
            losses |= found
        return race, losses

    def _rung(self, forks: Mapping[int, Tensor], rung: int, entered: int | None = None) -> _Race:
        """A rung of a race that so many forks have entered; None is those."""
        span = self._span(self._bill.race(entered or len(forks), self._active))
        harms = yield from self.search.race(forks, self.terms, rung, *span)
        losses = {name: harm[:, 0] for name, harm in harms.items()}
        return raced(losses, self.terms.level), {name: float(own.mean()) for name, own in losses.items()}

    def _keep(self, place: Place, kept: int, race: Raced, losses: Mapping[int, float]) -> Generator[Any, None, None]:
        name = self._table[place[0]][place[1]][kept]
        yield self.search.said(f"{self._named(place)} keeps {name}: {self._said(place, race, losses)}")
        yield from self.search.conclude([Outcome(*place, kept)], kept)

    def _named(self, place: Place) -> str:
        kinds = self.search.candidates.kinds
        return f"{kinds[place[0]]} node {place[0] - kinds.index(kinds[place[0]])}, edge {place[1]}"

    def _said(self, place: Place, race: Raced, losses: Mapping[int, float]) -> str:
        names = self._table[place[0]][place[1]]
        named = {str(names[name]): loss for name, loss in losses.items()}
        return f"{in_words(named)} (the next {race.closest:.1f} standard errors behind)"


def without_edge(M: Tensor, place: Place) -> Tensor:
    """M where nothing goes through an edge."""
    found = M.clone()
    found[place] = 0
    return found


def in_words(losses: Mapping[str, float]) -> str:
    """Losses by name, the lowest first.

    >>> in_words({"skip_connect": 1.5, "nor_conv_3x3": 1.25})
    'nor_conv_3x3 1.2500, skip_connect 1.5000'
    """
    return ", ".join(f"{name} {losses[name]:.4f}" for name in sorted(losses, key=lambda name: losses[name]))
