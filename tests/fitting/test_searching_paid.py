"""What a race says of searching."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from dadarts.fitting.record import Entrant, Record, Searched, Trained
from dadarts.fitting.verdict import Ranked, margin, searching_paid


def ranked(family: str, score: float, rung: int = 2, pictures: int = 400) -> Ranked:
    return Ranked(family, f"the {family}", score, pictures, rung)


@given(first=st.floats(0.01, 0.99), second=st.floats(0.01, 0.99), pictures=st.integers(2, 10**5))
def test_the_margin_is_that_of_two_independent_shares(first: float, second: float, pictures: int) -> None:
    half = margin(ranked("a", first, pictures=pictures), ranked("b", second, pictures=pictures))
    scale = ((first * (1 - first) + second * (1 - second)) / pictures) ** 0.5
    assert half == pytest.approx(norm.ppf(0.975) * scale)


def test_nothing_is_said_where_nothing_was_searched() -> None:
    assert searching_paid([ranked("resnet", 0.5), ranked("dense", 0.6)]) is None
    assert searching_paid([ranked("found", 0.5)]) is None


@pytest.mark.parametrize(
    ("found", "rival", "said"),
    [
        (0.80, 0.60, "searching paid by 20.0 points: "),
        (0.60, 0.80, "searching cost 20.0 points: "),
        (0.61, 0.60, "undecided whether searching paid: "),
    ],
)
def test_the_difference_is_told_from_chance(found: float, rival: float, said: str) -> None:
    line = searching_paid([ranked("found", found), ranked("resnet", rival), ranked("dense", 0.1)])
    assert line is not None
    assert line.startswith(said)
    assert f"the found has {found:.1%} and the resnet {rival:.1%} of 400 validation pictures" in line


@pytest.mark.parametrize(("found", "than"), [(0.9, "30.0 points more"), (0.3, "30.0 points less")])
def test_of_what_is_no_share_of_pictures_nothing_is_said_of_chance(found: float, than: str) -> None:
    line = searching_paid([ranked("found", found), ranked("resnet", 0.6)], "AUC")
    assert line == (
        f"what was found has {than} AUC than the best other; what chance does to that is not known: trained as long, "
        f"the found has {found:.1%} and the resnet 60.0% AUC on 400 validation pictures"
    )
    entrants = tuple(Entrant(name, name, name, "", "", 4, 1, 1.0) for name in ("found", "resnet"))
    trained = tuple(Trained(name, 1, name, 0.5, 10, 1.0) for name in ("found", "resnet"))
    assert "macro F1 on 10 validation" in str(Record("macro_f1", 16, entrants=entrants, trained=trained).verdict)


def test_the_last_common_round_is_what_counts() -> None:
    line = searching_paid(
        [
            *(ranked("found", 0.2, rung=1), ranked("dense", 0.9, rung=1), ranked("resnet", 0.1, rung=1)),
            *(ranked("found", 0.6), ranked("resnet", 0.2)),
        ]
    )
    assert line is not None
    assert line.startswith("searching paid by 40.0 points")


def test_the_resnet_and_the_random_draw_are_named_beside_the_best_and_sizes_are_said() -> None:
    line = searching_paid(
        [
            replace(ranked("found", 0.64), parameters=98_000),
            *(ranked("dense", 0.61), ranked("random", 0.6), ranked("resnet", 0.5), ranked("darts", 0.55)),
        ]
    )
    assert line is not None
    assert (
        ": trained as long, the found, with 98,000 parameters, has 64.0%, the dense 61.0%, the random 60.0% and "
        "the resnet 50.0% of 400 validation pictures"
    ) in line
    assert "darts" not in line


def test_who_is_out_before_is_compared_in_the_round_that_both_were_in() -> None:
    line = searching_paid(
        [
            *(ranked("found", 0.5, rung=1), ranked("random", 0.4, rung=1), ranked("resnet", 0.45, rung=1)),
            *(ranked("found", 0.8), ranked("resnet", 0.5)),
        ]
    )
    assert line is not None
    assert line == (
        "searching paid by 30.0 points: trained as long, the found has 80.0% and the resnet 50.0% of 400 validation "
        "pictures; the random had 40.0% in round 1, and what was found 50.0%"
    )


@pytest.mark.parametrize(("minutes", "said"), [(20.0, "; the search took 4:00 of 20:00"), (None, "took 4:00")])
def test_what_the_search_took_is_said_of_all_the_minutes(minutes: float | None, said: str) -> None:
    entrants = tuple(Entrant(name, name, name, "", "", 4, 1, 1.0, parameters=9) for name in ("found", "resnet"))
    trained = tuple(Trained(name, 1, name, 0.5, 10, 1.0) for name in ("found", "resnet"))
    kept = Record("accuracy", 16, 0.0, entrants, trained, Searched(240.0, "", ""), minutes)
    assert kept.verdict is not None
    assert "found, with 9 parameters, has 50.0% and resnet 50.0%" in kept.verdict
    assert kept.verdict.endswith(said)
