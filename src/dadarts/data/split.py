"""Seeded, stratified choices among labelled pictures; every result is a sorted int64 index tensor."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dadarts.errors import InputError
from dadarts.seeds import generator

_TEST_FRACTION = 0.2
_TEST_SEED = 0


def stratified_halves(labels: Tensor, portion: float, seed: int) -> tuple[Tensor, Tensor]:
    """Two disjoint halves of `portion` of every class.

    Each class gives `round(portion * count)` pictures, at least 2. A class gives both halves equally many; of
    the classes with an odd number, every other one gives its leftover to the second half, so that the halves
    differ in size by at most one picture. Raises InputError where a class has a single picture.

    >>> first, second = stratified_halves(torch.tensor([0, 0, 0, 1, 1, 1]), portion=1.0, seed=0)
    >>> len(first), len(second)
    (3, 3)
    """
    first: list[Tensor] = []
    second: list[Tensor] = []
    extra_to_first = True
    for chosen in _portions(labels, portion, seed):
        half = len(chosen) // 2
        if len(chosen) % 2:
            half += extra_to_first
            extra_to_first = not extra_to_first
        first.append(chosen[:half])
        second.append(chosen[half:])
    return _sorted(first), _sorted(second)


def stratified_part(labels: Tensor, portion: float, seed: int) -> Tensor:
    """The pictures that `stratified_halves` divides: `portion` of every class, at least 2."""
    return _sorted(list(_portions(labels, portion, seed)))


def hold_out(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Kept and held indices: `fraction` of every class is held, at least one picture, but two are kept.

    Raises InputError where no class has a third picture, so that nothing could be held.
    """
    kept: list[Tensor] = []
    held: list[Tensor] = []
    for members in _shuffled_classes(labels, seed):
        count = max(0, min(len(members) - 2, max(1, round(fraction * len(members)))))
        held.append(members[:count])
        kept.append(members[count:])
    if not any(map(len, held)):
        raise InputError(f"{len(labels)} pictures are too few to hold out a test part; give 3 or more of a class")
    return _sorted(kept), _sorted(held)


def class_mixed(labels: Tensor, batches: int, seed: int) -> tuple[Tensor, ...]:
    """Every picture in one of so many batches, which differ by at most one in pictures, and in those of each class.

    What a batch is made of depends on how many pictures each class has, and not on the order of rows.

    >>> [torch.tensor([0, 0, 0, 1, 1])[batch].tolist() for batch in class_mixed(torch.tensor([0, 0, 0, 1, 1]), 2, 0)]
    [[0, 0, 1], [0, 1]]
    """
    # Dealt like cards, class by class: a class' pictures fall on batches in turn, and so do all pictures.
    dealt = torch.cat(list(_shuffled_classes(labels, seed)))
    return tuple(dealt[batch::batches].sort().values for batch in range(batches))


def hold_out_test(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The training and the test part of data that come without one: a fixed 20 % of every class.

    No seed is asked for: a search and the training after it must agree on what is test.
    """
    return hold_out(labels, _TEST_FRACTION, _TEST_SEED)


def _portions(labels: Tensor, portion: float, seed: int) -> Iterator[Tensor]:
    if not 0 < portion <= 1:
        raise InputError(f"the portion of the training pictures must be above 0 and at most 1, not {portion}")
    for members in _shuffled_classes(labels, seed):
        if len(members) < 2:
            label = int(labels[members[0]])
            raise InputError(f"class {label} has a single training picture; a split needs two of every class")
        yield members[: max(2, round(portion * len(members)))]


def _shuffled_classes(labels: Tensor, seed: int) -> Iterator[Tensor]:
    # One draw a class: a picture added to one class leaves the choices in all others as they were.
    for label in torch.unique(labels).tolist():
        members = (labels == label).nonzero().flatten()
        yield members[torch.randperm(len(members), generator=generator(seed, "split", label))]


def _sorted(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts).sort().values if parts else torch.empty(0, dtype=torch.int64)
