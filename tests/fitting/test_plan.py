"""How minutes are divided, and how large candidates may be."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dadarts.architecture.spaces import Size
from dadarts.fitting import plan, sizing


@given(seconds=st.floats(1, 1e6), candidates=st.integers(1, 20))
def test_a_race_takes_no_more_than_its_seconds_and_no_training_is_too_short(seconds: float, candidates: int) -> None:
    rungs = plan.rungs(seconds, candidates)
    assert sum(rung.standing * rung.seconds for rung in rungs) <= seconds * (1 + 1e-9)
    assert all(rung.seconds >= plan.SHORTEST for rung in rungs)
    if rungs:
        assert sum(rung.standing * rung.seconds for rung in rungs) == pytest.approx(seconds)
        assert rungs[-1].standing == 2
        assert rungs[0].standing <= candidates


@given(seconds=st.floats(1, 1e4), candidates=st.integers(2, 12))
def test_as_many_race_as_there_is_time_for(seconds: float, candidates: int) -> None:
    standing = plan.rungs(seconds, candidates)[0].standing if plan.rungs(seconds, candidates) else 1
    larger = [count for count in range(standing + 1, candidates + 1) if len(plan.rungs(seconds, count)) > 0]
    assert all(plan.rungs(seconds, count)[0].standing <= standing for count in larger)


@given(standing=st.integers(2, 12))
def test_later_rungs_train_fewer_for_longer(standing: int) -> None:
    rungs = plan.rungs(1e6, standing)
    assert [rung.standing for rung in rungs] == sorted({rung.standing for rung in rungs}, reverse=True)
    assert [rung.seconds for rung in rungs] == sorted(rung.seconds for rung in rungs)


@given(seconds=st.floats(1, 1e6), searching=st.booleans())
def test_the_minutes_hold_search_race_training_and_reserve(seconds: float, searching: bool) -> None:
    search = plan.SEARCH * seconds * searching
    found = plan.shares(seconds, search=search, writing=0.04 * seconds)
    parts = (found.search, found.race, found.final, found.writing)
    assert sum(parts) == pytest.approx(seconds)
    assert found.race == 0 or found.race >= 2 * plan.SHORTEST
    assert found.race > 0 or plan.RACE * (seconds - found.search) < 2 * plan.SHORTEST
    assert found.final > 0
    assert found.writing > 0
    assert (found.search > 0) == searching
    # The last training is what the network is made of.
    assert found.final > sum(parts) / 2


@given(seconds=st.floats(1, 1e6), taken=st.floats(plan.SEARCH, 2))
def test_a_search_that_takes_more_than_its_share_leaves_its_race_as_long(seconds: float, taken: float) -> None:
    planned, found = (plan.shares(seconds, search=own * seconds, writing=0.0) for own in (plan.SEARCH, taken))
    assert found.race == planned.race
    assert found.final <= planned.final


@given(seconds=st.floats(1, 1e6))
def test_minutes_decide_whether_is_searched_unless_it_is_asked_for(seconds: float) -> None:
    # Without a race nothing would tell whether that paid.
    races = plan.RACE * (1 - plan.SEARCH) * seconds >= 2 * plan.SHORTEST
    assert plan.searches(seconds, "always") == races
    assert not plan.searches(seconds, "never")
    assert plan.searches(seconds, "auto") == (seconds >= plan.SEARCHES_FROM)
    assert races or seconds < plan.SEARCHES_FROM


SIZES = (Size(8, 1), Size(16, 1), Size(16, 2), Size(32, 2))
COSTS: Mapping[Size, float] = dict(zip(SIZES, (1.0, 4.0, 8.0, 32.0), strict=True))


@given(
    needed=st.floats(0.01, 1e4),
    rates=st.tuples(*[st.floats(50, 400)] * 4),
)
def test_the_chosen_size_trains_fast_enough_or_is_the_smallest_that_was_tried(
    needed: float, rates: tuple[float, ...]
) -> None:
    speeds = {size: rate / COSTS[size] for size, rate in zip(SIZES, rates, strict=True)}
    measured = []

    def speed(size: Size) -> float:
        measured.append(size)
        return speeds[size]

    size, found = sizing.largest(SIZES, COSTS.__getitem__, speed, needed)
    assert found == speeds[size]
    assert len(measured) == len(set(measured))
    fast = [each for each in measured if speeds[each] >= needed]
    assert size == (max(fast, key=COSTS.__getitem__) if fast else SIZES[0])


@given(needed=st.floats(1, 300))
def test_at_one_rate_of_multiply_adds_the_largest_size_that_is_fast_enough_is_chosen(needed: float) -> None:
    size, _ = sizing.largest(SIZES, COSTS.__getitem__, lambda size: 256 / COSTS[size], needed)
    fits = [each for each in SIZES if 256 / COSTS[each] >= needed]
    assert size == (fits[-1] if fits else SIZES[0])


@given(pictures=st.integers(1, 10**7), seconds=st.floats(1, 1e5))
def test_fewer_pictures_are_seen_more_often_and_more_seconds_are_not_all_spent_on_size(
    pictures: int, seconds: float
) -> None:
    wanted = sizing.epochs_wanted(pictures, seconds)
    assert sizing.FEWEST <= wanted <= sizing.MANY
    assert sizing.epochs_wanted(2 * pictures, seconds) <= wanted <= sizing.epochs_wanted(pictures, 2 * seconds)


@given(candidates=st.integers(2, 8), searching=st.booleans())
def test_from_enough_seconds_on_all_candidates_race(candidates: int, searching: bool) -> None:
    enough = plan.enough(candidates, searching=searching)
    for seconds, all_race in ((1.001 * enough, True), (0.999 * enough, False)):
        rungs = plan.rungs(plan.shares(seconds, search=plan.SEARCH * seconds * searching, writing=0.0).race, candidates)
        assert (bool(rungs) and rungs[0].standing == candidates) == all_race
