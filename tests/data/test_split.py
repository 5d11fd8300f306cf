from __future__ import annotations

from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.data import hold_out, stratified_halves, stratified_part
from dadarts.data.split import class_mixed
from dadarts.errors import InputError

Counts = list[int]
SEVERAL = st.lists(st.integers(2, 30), min_size=1, max_size=8)


def labels_of(counts: Counts) -> torch.Tensor:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]


@settings(deadline=None)
@given(counts=SEVERAL, portion=st.floats(0.01, 1.0), seed=st.integers(0, 2**31))
def test_halves_are_disjoint_sorted_and_equal_within_every_class(counts: Counts, portion: float, seed: int) -> None:
    labels = labels_of(counts)
    first, second = stratified_halves(labels, portion, seed)
    assert not set(first.tolist()) & set(second.tolist())
    assert abs(len(first) - len(second)) <= 1
    for half in (first, second):
        assert torch.equal(half, half.sort().values)
    for label, count in enumerate(counts):
        sizes = [int((labels[half] == label).sum()) for half in (first, second)]
        assert min(sizes) >= 1
        assert abs(sizes[0] - sizes[1]) <= 1
        assert sum(sizes) == max(2, round(portion * count))


@settings(deadline=None)
@given(counts=SEVERAL, portion=st.floats(0.01, 1.0), seed=st.integers(0, 2**31))
def test_a_part_is_the_union_of_the_halves(counts: Counts, portion: float, seed: int) -> None:
    labels = labels_of(counts)
    union = torch.cat(stratified_halves(labels, portion, seed)).sort().values
    assert torch.equal(stratified_part(labels, portion, seed), union)


def test_another_seed_splits_otherwise_and_the_same_seed_alike() -> None:
    labels = labels_of([50, 50])
    first, _ = stratified_halves(labels, 1.0, 0)
    assert torch.equal(first, stratified_halves(labels, 1.0, 0)[0])
    assert not torch.equal(first, stratified_halves(labels, 1.0, 1)[0])


def test_a_class_without_pictures_is_passed_over() -> None:
    first, second = stratified_halves(torch.tensor([0, 0, 2, 2]), 1.0, 0)
    assert len(first) == len(second) == 2


def test_a_class_with_one_picture_cannot_be_halved() -> None:
    with pytest.raises(InputError, match="class 1 has a single training picture"):
        stratified_halves(torch.tensor([0, 0, 1]), 1.0, 0)


@pytest.mark.parametrize("portion", [0.0, -0.5, 1.5, float("nan")])
def test_a_portion_outside_0_to_1_is_refused(portion: float) -> None:
    with pytest.raises(InputError, match="portion"):
        stratified_part(labels_of([4, 4]), portion, 0)


@settings(deadline=None)
@given(counts=st.lists(st.integers(3, 40), min_size=1, max_size=6), fraction=st.floats(0.01, 0.9))
def test_holding_out_divides_every_class_and_keeps_two(counts: Counts, fraction: float) -> None:
    labels = labels_of(counts)
    kept, held = hold_out(labels, fraction, seed=3)
    assert torch.equal(torch.cat([kept, held]).sort().values, torch.arange(len(labels)))
    for label, count in enumerate(counts):
        assert int((labels[held] == label).sum()) == min(count - 2, max(1, round(fraction * count)))


def test_nothing_can_be_held_out_of_classes_of_two() -> None:
    with pytest.raises(InputError, match="too few to hold out"):
        hold_out(labels_of([2, 2]), 0.2, 0)


@settings(deadline=None)
@given(counts=SEVERAL, batches=st.integers(1, 9), seed=st.integers(0, 2**31), order=st.randoms())
def test_class_mixed_batches_are_even_in_size_and_in_every_class_whatever_the_order_of_rows(
    counts: Counts, batches: int, seed: int, order: Random
) -> None:
    labels = labels_of(counts)
    mixed = class_mixed(labels, batches, seed)
    assert sorted(torch.cat(mixed).tolist()) == list(range(len(labels)))
    makeups = torch.stack([torch.bincount(labels[batch], minlength=len(counts)) for batch in mixed])
    for dealt in (makeups.sum(dim=1), *makeups.T):
        assert dealt.max() - dealt.min() <= 1
    rows = order.sample(range(len(labels)), len(labels))
    again = class_mixed(labels[rows], batches, seed)
    for batch, makeup in zip(again, makeups, strict=True):
        assert torch.equal(torch.bincount(labels[rows][batch], minlength=len(counts)), makeup)
