"""The decisions of a race: Holm against closed testing, winners by hand, and a course in which every step is forced."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from itertools import combinations, pairwise
from math import inf, isclose, sqrt
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dadarts.architecture.genotype import Genotype, derive
from dadarts.architecture.spaces import SPACES, SearchSpace, space
from dadarts.architecture.supernet import Mixing
from dadarts.cli.eta import Forecast
from dadarts.methods.alphas import Candidates
from dadarts.methods.race import Racing, choices_of, one_hot
from dadarts.methods.racing import NODE, PUT_OFF, QUEUED, Course, Outcome, holm, raced, winner
from dadarts.methods.terms import Terms
from dadarts.runs.events import SelectionStep
from tests.fitting.clocks import Told
from tests.nets import build_alphas


def losses(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@given(st.lists(st.floats(0, 1), max_size=5), st.floats(0.001, 0.5))
def test_holm_rejects_what_closed_testing_by_bonferroni_rejects(p: list[float], level: float) -> None:
    everyone = range(len(p))
    groups = [group for size in range(1, len(p) + 1) for group in combinations(everyone, size)]
    rejected = {group for group in groups if min(p[name] for name in group) <= level / len(group)}
    closed = {name for name in everyone if all(group in rejected for group in groups if name in group)}
    assert holm(dict(enumerate(p)), level) == closed


def test_what_is_worse_by_enough_standard_errors_is_dropped() -> None:
    # Against 4: d of 6 is 0.1 +- 0.1 * 0.94 / 3, of 8 it is 1 +- 1 / 3 (the deviations of nine values by hand).
    best = losses(*[1.0] * 9)
    spread = losses(-1, 0, 1, -1, 0, 1, -1, 0, 1)
    deviation = sqrt(6 / 8)
    found = raced({8: best + 1 + spread, 4: best, 6: best + 0.1 + spread}, 0.02275)
    assert found.best == 4
    assert isclose(found.z[8], 1 / (deviation / 3))
    assert isclose(found.z[6], 0.1 / (deviation / 3))
    assert found.z[4] == 0
    assert found.left == (4, 6)
    assert isclose(found.closest, found.z[6])
    # z = 1.9 has p = 0.0287: of two hypotheses Holm asks for half the level, of one for all of it.
    close = best + 1.9 * deviation / 3 + spread
    assert raced({4: best, 6: close}, 0.05).left == (4,)
    assert raced({4: best, 6: close, 7: best + spread}, 0.05).left == (4, 6, 7)


def test_a_candidate_alone_is_the_surest_of_all() -> None:
    found = raced({3: losses(1, 2)}, 0.02)
    assert (found.best, found.left, found.closest) == (3, (3,), inf)


def test_a_tie_goes_to_what_is_missed_more_than_it_lost_by() -> None:
    base = losses(1.0, 1.2, 0.8, 1.0)
    noise = losses(0.4, -0.2, 0.2, 0.0)
    race = raced({0: base, 1: base + noise}, 0.01)
    assert (race.best, race.left) == (0, (0, 1))
    # Lost by 0.77 standard errors; missed by 0.24 more, and by 0.77 less.
    for missed in (losses(0.5, -0.5, 0.2, 0.0), -noise):
        assert winner(race, {0: base, 1: base + missed}) == 0
    assert winner(race, {0: base + 5, 1: base + 5}) == 0
    surer = losses(0.3, 0.1, 0.2, 0.2)
    assert winner(race, {0: base, 1: base + surer}) == 1
    # What is dropped cannot win, however much it is missed.
    sure = raced({0: base, 1: base + surer}, 0.4)
    assert sure.left == (0,)
    assert winner(sure, {0: base, 1: base + 9 + noise}) == 0


def test_one_operation_is_as_loud_as_the_mixture_was() -> None:
    candidates = build_alphas(space("nas-bench-201"), 1).candidates
    W = candidates.present / 5
    M = one_hot(one_hot(W, W, (2, 1), 0), W, (2, 1), 3)
    torch.testing.assert_close(M[2, 1], torch.tensor([0, 0, 0, 1, 0.0]) / sqrt(5))
    assert (M != W).any(dim=-1).nonzero().tolist() == [[2, 1]]
    # Five independent outputs of unit variance, mixed or one alone: both have the variance 1/5.
    outputs = torch.randn(20_000, 5, generator=torch.Generator().manual_seed(1))
    assert abs(float((outputs @ W[2, 1]).std() / (outputs @ M[2, 1]).std()) - 1) < 0.03


def test_a_none_is_raced_where_it_is_asked_for_and_the_space_lets_it_stay() -> None:
    for name, none, count in (("nas-bench-201", False, 4), ("nas-bench-201", True, 5), ("S3", True, 2)):
        it = space(name)
        candidates = build_alphas(it, 1).candidates
        table = [node for kind in it.kinds for node in it.table(kind)]
        found = choices_of(candidates, table, none)
        assert {len(columns) for columns in found.values()} == {count}
        named = {table[node][edge][column] for (node, edge), columns in found.items() for column in columns}
        assert ("none" in named) == (name == "nas-bench-201" and none)


A, B, C = (0, 0), (0, 1), (0, 2)
CHOICES = {A: (0, 1), B: (0, 1), C: (1,)}


def test_an_edge_waits_once_and_is_decided_when_all_others_are() -> None:
    course = Course(CHOICES, None).take([Outcome(*A, QUEUED)])
    assert course.queue == [A]
    assert course.may_wait(A)
    course.take([Outcome(*A, PUT_OFF)])
    assert (course.queue, course.due()) == ([], [B, C])
    course.take([Outcome(*C, QUEUED), Outcome(*C, 1), Outcome(*B, QUEUED)])
    # The last one that has not waited has nothing to wait for.
    assert not course.may_wait(B)
    course.take([Outcome(*B, 0)])
    assert course.due() == [A]
    course.take([Outcome(*A, QUEUED)])
    assert not course.may_wait(A)
    assert course.take([Outcome(*A, 1)]).kept == {C: 1, B: 0, A: 1}
    assert course.due() == []


def test_nodes_lose_edges_behind_all_operations_and_edges_that_stay_are_looked_at_again() -> None:
    course = Course(CHOICES, 2)
    for place in (B, C, A):
        assert course.crowded() is None
        course.take([Outcome(*place, QUEUED), Outcome(*place, 1)])
    assert course.crowded() == 0
    assert course.again(9) is None
    course.take([Outcome(0, NODE, 1)])
    assert (course.crowded(), course.edges_of(0)) == (None, [A, C])
    # B is gone, and C has no choice.
    assert course.again(0) is None
    assert course.again(1) == A
    course.take([Outcome(*A, 0)])
    assert (course.kept[A], course.again(1), course.again(2)) == (0, None, A)


@pytest.mark.parametrize(
    "wrong",
    [
        [Outcome(*A, 1)],
        [Outcome(5, 5, QUEUED)],
        [Outcome(*A, QUEUED), Outcome(*A, QUEUED)],
        [Outcome(*A, QUEUED), Outcome(*B, 1)],
        [Outcome(*A, QUEUED), Outcome(*A, 7)],
        [Outcome(*A, PUT_OFF)],
        [Outcome(0, NODE, 1)],
        [Outcome(*A, -3)],
    ],
)
def test_a_course_that_no_races_can_have_is_refused(wrong: list[Outcome]) -> None:
    with pytest.raises(ValueError, match="cannot"):
        Course(CHOICES, 2).take(wrong)


@pytest.mark.parametrize(("edges", "rounds", "each"), [(6, 8, 1), (28, 8, 4), (8, 8, 1), (9, 8, 2), (5, 1, 5)])
def test_many_edges_are_decided_several_a_round(edges: int, rounds: int, each: int) -> None:
    assert Terms(rounds=rounds).a_round(edges) == each


class Judged:
    """A search that nothing is trained in: every place of its space is worth something, and a mixture is worth the sum.

    Args:
        spoilt: how many races the pictures disagree in, so that their edges wait.
    """

    trained = 1000
    batch_size = 16

    def __init__(self, it: SearchSpace, spoilt: int = 0) -> None:
        self.space, self.alphas, self.spoilt = it, build_alphas(it, 3), spoilt
        self.outcomes: list[Outcome] = []
        self.raced: list[tuple[int, tuple[int, ...]]] = []
        shape = self.candidates.present.shape
        # Drawn from a range in which no sum of others makes up for a place.
        self.worth = torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)

    @property
    def candidates(self) -> Candidates:
        return self.alphas.candidates

    @property
    def mixing(self) -> Tensor:
        return self.alphas.weights().detach()

    def split(self, M: Tensor) -> Mixing:
        return self.alphas.split(M)

    def harm(self, M: Tensor, noise: float = 0.0) -> Tensor:
        loss = 1e3 - float((M * self.worth).sum())
        wobble = noise * torch.randn(50, generator=torch.Generator().manual_seed(int(1e6 * loss)), dtype=torch.float64)
        return torch.stack([loss + wobble, torch.zeros(50)], dim=1)

    def harms(
        self, mixings: Mapping[Any, Mixing], pictures: int, decisions: float, passed: float | None = None
    ) -> Generator[Any, None, Any]:
        edges = self.candidates.present.shape[1]
        found = {}
        for name, mixing in mixings.items():
            nodes = [node for kind in mixing.values() for node in kind]
            M = torch.stack([torch.nn.functional.pad(node, (0, 0, 0, edges - len(node))) for node in nodes])
            found[name] = self.harm(M)
        yield from ()
        return found

    def race(
        self, forks: Mapping[int, Tensor], terms: Terms, rung: int, races: float, passed: float
    ) -> Generator[Any, None, Any]:
        self.spoilt -= rung == 0
        self.raced.append((rung, tuple(forks)))
        yield from ()
        return {name: self.harm(M, 1e3 if self.spoilt >= 0 else 0.0) for name, M in forks.items()}

    def conclude(self, outcomes: Sequence[Outcome], winner: int | None = None) -> Generator[Any, None, None]:
        self.outcomes += outcomes
        yield from ()

    def said(self, text: str) -> str:
        return text

    def damaged(self, why: str) -> Exception:
        return AssertionError(why)


def genotype_of(search: Judged, terms: Terms) -> tuple[Genotype, list[str]]:
    events = Racing(search, terms).scores()  # type: ignore[arg-type]
    said = []
    while True:
        try:
            said.append(next(events))
        except StopIteration as end:
            return derive(search.space, end.value), said


@pytest.mark.parametrize("name", SPACES)
def test_in_every_space_races_find_the_best_operations_and_edges_where_places_add_up(name: str) -> None:
    search = Judged(space(name))
    found, said = genotype_of(search, Terms(looks=1, none=True))
    W = search.mixing
    # What a place is worth where it is alone on its edge: with all edges of a node there is no other way to be better.
    score = search.worth * W.norm(dim=-1, keepdim=True).double()
    assert found == derive(search.space, search.split(score))
    edges = {outcome[:2] for outcome in search.outcomes if outcome.kept >= 0 and outcome.edge != NODE}
    assert edges == {tuple(place) for place in search.candidates.open.any(dim=-1).nonzero().tolist()}
    assert not any("waits" in text for text in said)


@pytest.mark.parametrize("name", ["nas-bench-201", "nas-bench-macro", "connect-nas-bench"])
def test_edges_that_wait_are_decided_at_last(name: str) -> None:
    search = Judged(space(name), spoilt=2)
    found, said = genotype_of(search, Terms(looks=0, none=True, put_off=3.0))
    assert sum("waits" in text for text in said) == 2
    assert found == genotype_of(Judged(space(name)), Terms(looks=0, none=True))[0]


@pytest.mark.parametrize("name", ["nas-bench-201", "darts", "nas-bench-macro"])
def test_the_better_half_of_a_race_goes_on_to_the_next_rung(name: str) -> None:
    search = Judged(space(name))
    found, _ = genotype_of(search, Terms(rungs=3, looks=1, none=True))
    assert found == genotype_of(Judged(space(name)), Terms(looks=1, none=True))[0]
    # Where an edge may wait its first rung is asked for twice, and answered from what is known.
    rungs = [raced for number, raced in enumerate(search.raced) if raced != search.raced[number - 1]]
    for (rung, names), (following, others) in pairwise(rungs):
        if following:
            assert following == rung + 1
            assert len(others) == max(2, (len(names) + 1) // 2)
            assert set(others) <= set(names)
        else:
            assert rung == 2


class Timed(Judged):
    """A search whose steps take what the operations take that are active in them, and which says how far it is."""

    def __init__(self, it: SearchSpace, spoilt: int = 0) -> None:
        super().__init__(it, spoilt)
        self.clock = Told()
        self.measured: tuple[int, int, tuple[int, ...]] | None = None

    def _take(self, M: Tensor, pictures: float) -> None:
        self.clock.now += pictures * (0.4 + 0.6 * float((M > 0).sum()) / float(self.candidates.present.sum()))

    def harms(
        self, mixings: Mapping[Any, Mixing], pictures: int, decisions: float, passed: float | None = None
    ) -> Generator[Any, None, Any]:
        assert passed is not None
        for number, mixing in enumerate(mixings.values(), 1):
            self._take(torch.cat([node.flatten() for kind in mixing.values() for node in kind]), pictures)
            yield (passed + number / len(mixings)) / decisions
        return (yield from super().harms(mixings, pictures, decisions, passed))

    def race(
        self, forks: Mapping[int, Tensor], terms: Terms, rung: int, races: float, passed: float
    ) -> Generator[Any, None, Any]:
        # What was measured since the last outcome is known.
        known, self.measured = self.measured, (len(self.outcomes), rung, tuple(forks))
        for number, M in enumerate(forks.values() if known != self.measured else (), 1):
            self._take(M, 3 * self.batch_size * terms.steps_of(rung) + terms.pictures)
            yield (passed + 0.5 * (rung + number / len(forks))) / races
        return (yield from super().race(forks, terms, rung, races, passed))


@pytest.mark.parametrize("name", ["nas-bench-201", "S3"])
@pytest.mark.parametrize("waiting", [0, 4])
def test_what_is_left_of_races_is_known_soon_after_they_have_begun(name: str, waiting: int) -> None:
    search = Timed(space(name), waiting)
    forecast, told = Forecast(search.clock), []
    terms = Terms(steps=20, pictures=500, order_pictures=200, rungs=2, looks=1)
    for part in Racing(search, terms).scores():  # type: ignore[arg-type]
        if isinstance(part, float):
            forecast(SelectionStep(round(1e9 * min(1.0, part)), 10**9))
            told.append((search.clock.now, forecast.left))
    end = search.clock.now
    off = [abs(left - (end - now)) / end for now, left in told if left is not None and now > 0.1 * end]
    assert max(off) < 0.25
    assert len(off) > 0.5 * len(told)


class Late(Judged):
    """A search in which the worst of those that reach a later rung is the best there."""

    def race(
        self, forks: Mapping[int, Tensor], terms: Terms, rung: int, races: float, passed: float
    ) -> Generator[Any, None, Any]:
        found = yield from super().race(forks, terms, rung, races, passed)
        return {name: -harm if rung else harm for name, harm in found.items()}


def test_the_last_rung_decides_between_those_that_reach_it() -> None:
    it = space("nas-bench-201")
    first = genotype_of(Judged(it), Terms(looks=0))[0]
    search = Late(it)
    last = genotype_of(search, Terms(looks=0, rungs=2))[0]
    changed = [one != other for one, other in zip(str(first).split("|"), str(last).split("|"), strict=True)]
    assert sum(changed) == 6
    # The two best of four are raced again.
    assert {len(names) for rung, names in search.raced if rung} == {2}


def test_what_stands_is_on_the_last_rung_of_a_second_look() -> None:
    search = Judged(space("nas-bench-201"))
    places = [(node, edge) for node, edge in search.candidates.open.any(dim=-1).nonzero().tolist()]
    choices = choices_of(search.candidates, [list(node) for node in search.space.table("normal")], False)
    worst = {place: min(choices[place], key=lambda column: float(search.worth[(*place, column)])) for place in places}
    search.outcomes = [
        outcome for place in places for outcome in (Outcome(*place, QUEUED), Outcome(*place, worst[place]))
    ]
    found, said = genotype_of(search, Terms(looks=1, rungs=2))
    last = [names for rung, names in search.raced if rung]
    assert all(worst[place] in names and len(names) == 2 for place, names in zip(places, last, strict=True))
    assert found == genotype_of(Judged(space("nas-bench-201")), Terms(looks=0))[0]
    assert len(said) == 6


def test_a_none_is_raced_when_all_else_is_decided_against_what_stands_alone() -> None:
    search = Judged(space("nas-bench-201"))
    genotype_of(search, Terms(looks=1, none=True))
    none = search.space.table("normal")[0][0].index("none")
    kept = [outcome for outcome in search.outcomes if outcome.kept >= 0]
    assert len(kept) == 18
    # Where an edge may wait its first rung is asked for twice: 12 times, then 6 for the second look.
    assert all(none not in names for _, names in search.raced[:18])
    assert [names for _, names in search.raced[18:]] == [tuple(sorted((outcome.kept, none))) for outcome in kept[6:12]]


@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=12), st.integers(1, 4), st.integers(1, 20_000), st.integers(2, 512)
)
def test_races_cost_no_more_than_their_share_of_the_training_before_them(
    operations: list[int], rungs: int, trained: int, batch_size: int
) -> None:
    terms = Terms(steps=100, rungs=rungs, share=0.5).within(trained, operations, batch_size)
    spent = 0
    for decided, count in enumerate(operations):
        # The race of one edge, copy by copy.
        forks = count
        for rung in range(rungs):
            active = sum(operations[decided + 1 :]) + decided + 1
            spent += forks * 2**rung * terms.steps * active
            forks = min(forks, max(2, -(-forks // 2)))
    before = trained * sum(operations)
    fewest = min(10, max(1, trained // 20))
    assert fewest <= terms.steps <= 100
    assert terms.steps == fewest or spent <= 0.5 * before
    # One step more would have been too many.
    assert terms.steps == 100 or spent * (terms.steps + 1) / terms.steps > 0.5 * before
    assert terms.pictures == min(4096, 3 * terms.steps * batch_size)
    # Eight orders at most, each of all that is undecided, at a third of a step.
    each = -(-len(operations) // 8)
    tried = sum(
        sum(operations[decided:]) * (sum(operations[decided:]) + decided) for decided in range(0, len(operations), each)
    )
    assert terms.order_pictures == 2 or terms.order_pictures * tried / 3 <= 0.5 * before * batch_size
    assert terms.order_pictures == 1024 or (terms.order_pictures + 1) * tried / 3 > 0.5 * before * batch_size
    unbound = Terms(steps=100, rungs=rungs)
    assert unbound.within(trained, operations, batch_size) == unbound
