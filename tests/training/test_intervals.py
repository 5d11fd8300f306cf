"""Intervals of scores are SciPy's where it has them, and hold what they should as often as they say."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, binomtest, bootstrap

from dadarts.training import intervals
from dadarts.training.intervals import of_balanced_accuracy, of_macro_f1, wilson

CONFUSION = np.array([[30, 5, 1], [4, 20, 6], [2, 3, 9]])


@settings(deadline=None)
@given(pictures=st.integers(1, 10**6), share=st.floats(0, 1))
def test_the_interval_is_wilson_s(pictures: int, share: float) -> None:
    right = round(share * pictures)
    interval = wilson(right, pictures)
    expected = binomtest(right, pictures).proportion_ci(0.95, method="wilson")
    assert interval == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= interval[0] <= right / pictures <= interval[1] <= 1


@given(right=st.integers(0, 50), wrong=st.integers(0, 50))
def test_of_one_class_the_balanced_accuracy_has_wilson_s_interval(right: int, wrong: int) -> None:
    if right + wrong:
        found = of_balanced_accuracy(torch.tensor([[right, wrong], [0, 0]]))
        assert found == pytest.approx(wilson(right, right + wrong), abs=1e-12)


@pytest.mark.parametrize("sizes", [(12, 5), (30, 2), (10, 10)])
def test_the_interval_of_the_balanced_accuracy_holds_the_truth_as_often_as_it_says(sizes: tuple[int, int]) -> None:
    """The chance of every outcome, by SciPy, of two classes whose recalls are on a grid."""
    outcomes = [*product(*(range(size + 1) for size in sizes))]
    confusions = (torch.tensor([[a, sizes[0] - a], [sizes[1] - b, b]]) for a, b in outcomes)
    low, high = np.array([of_balanced_accuracy(each) for each in confusions]).T
    held = []
    for recalls in product(np.linspace(0.05, 0.95, 7), repeat=2):
        chance = np.array([binom.pmf(each, sizes, recalls).prod() for each in outcomes])
        held.append(chance[(low <= np.mean(recalls)) & (np.mean(recalls) <= high)].sum())
    assert min(held) > 0.88
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def macro_f1(*answers: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:
    """Of the answers to the pictures of each class; they are along the last axis."""
    scores = []
    for own in range(len(answers)):
        right = (answers[own] == own).sum(axis=axis)
        predicted = sum((each == own).sum(axis=axis) for each in answers)
        scores.append(2 * right / (predicted + answers[own].shape[-1]))
    mean: NDArray[np.float64] = np.mean(scores, axis=0)
    return mean


def test_the_interval_of_the_macro_f1_is_scipy_s_bootstrap_within_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 30_000)
    answers = [np.repeat(np.arange(3), row) for row in CONFUSION]
    expected = bootstrap(
        answers, macro_f1, n_resamples=20_000, method="percentile", vectorized=True, rng=np.random.default_rng(0)
    ).confidence_interval
    assert of_macro_f1(torch.from_numpy(CONFUSION)) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_an_interval_is_the_same_every_time() -> None:
    assert of_macro_f1(torch.from_numpy(CONFUSION)) == of_macro_f1(torch.from_numpy(CONFUSION))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(st.integers(0, 12), min_size=4, max_size=4), min_size=4, max_size=4))
def test_what_was_found_is_within_and_no_interval_is_a_point(rows: list[list[int]]) -> None:
    confusion = torch.tensor(rows)
    support, right = confusion.sum(dim=1), confusion.diagonal()
    if not support.sum():
        return
    together = support + confusion.sum(dim=0)
    f1 = float((2 * right / together.clamp_min(1)).double().sum() / (together > 0).sum())
    recall = float((right / support.clamp_min(1)).double().sum() / (support > 0).sum())
    for found, (low, high) in ((f1, of_macro_f1(confusion)), (recall, of_balanced_accuracy(confusion))):
        assert 0 <= low <= found + 1e-6
        assert found - 1e-6 <= high <= 1
        assert low < high


def test_where_all_pictures_are_right_or_wrong_others_may_be_otherwise() -> None:
    for classes in (4, 100):
        low, high = of_macro_f1(torch.diag(torch.full((classes,), 5)))
        assert high == 1
        # All together are as sure as Wilson's interval of as many pictures, about.
        assert low == pytest.approx(wilson(5 * classes, 5 * classes)[0], abs=0.03)
    # The first of two rare ones is missed: the bootstrap alone would say 0.487 to 0.5 of 0.487.
    low, high = of_macro_f1(torch.tensor([[38, 0], [2, 0]]))
    assert low < 0.49
    assert high > 0.7


@pytest.mark.parametrize("size", [(2, 2), (2, 3)])
def test_the_macro_f1_covers_the_truth(size: tuple[int, int]) -> None:
    """By simulation, where some classes are small: few resamples and draws, so that the bound is wide."""
    shares = np.array([[0.9, 0.1], [0.3, 0.7]])
    pictures = np.array([30 * size[0], 5 * size[1]])
    taken = shares * pictures[:, None]
    truth = float(np.mean(2 * taken.diagonal() / (taken.sum(axis=0) + pictures)))
    draw = np.random.default_rng(3)
    held = 0
    for _ in range(120):
        rows = [draw.multinomial(count, row) for count, row in zip(pictures, shares, strict=True)]
        low, high = of_macro_f1(torch.tensor(np.array(rows)))
        held += low <= truth <= high
    assert held / 120 > 0.86
