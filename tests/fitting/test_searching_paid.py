"""What a race says of searching."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

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
    assert f"what was found has {found:.1%} and the resnet {rival:.1%} of 400 validation pictures" in line


def test_the_last_common_round_is_what_counts() -> None:
    line = searching_paid(
        [
            *(ranked("found", 0.2, rung=1), ranked("dense", 0.9, rung=1), ranked("resnet", 0.1, rung=1)),
            *(ranked("found", 0.6), ranked("resnet", 0.2)),
        ]
    )
    assert line is not None
    assert line.startswith("searching paid by 40.0 points")
