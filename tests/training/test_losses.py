from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from torch.nn.functional import cross_entropy

from dadarts.seeds import generator
from dadarts.training.losses import CrossEntropy, balanced


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_balanced_weights_are_scikit_learn_s_and_nothing_where_a_class_has_no_picture(labels: list[int]) -> None:
    weights = balanced(torch.tensor(labels), 7)
    present = sorted(set(labels))
    expected = torch.zeros(7)
    expected[present] = torch.tensor(compute_class_weight("balanced", classes=np.array(present), y=labels)).float()
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(weights[labels].mean(), torch.tensor(1.0))


def test_the_loss_is_the_mean_over_pictures_each_weighed_by_its_class() -> None:
    labels = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])
    logits = torch.randn((8, 3), generator=generator("logits"))
    loss = CrossEntropy(balanced(labels, 3))
    each = cross_entropy(logits, labels, reduction="none")
    weights = torch.tensor(compute_sample_weight("balanced", labels.numpy())).float()
    torch.testing.assert_close(loss(logits, labels), (weights * each).mean())
    # What several processes average is the loss of the batch that they share.
    halves = torch.stack([loss(logits[part], labels[part]) for part in (slice(4), slice(4, 8))])
    torch.testing.assert_close(halves.mean(), loss(logits, labels))


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=12), st.booleans(), st.sampled_from([0.0, 0.1]))
def test_a_picture_that_counts_twice_weighs_as_much_as_two_of_it(
    counts: list[int], by_class: bool, smoothing: float
) -> None:
    labels = torch.arange(len(counts)) % 3
    logits = torch.randn((len(counts), 3), generator=generator("logits"))
    loss = CrossEntropy(torch.tensor([1.0, 2.0, 0.5]) if by_class else None, smoothing)
    often = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    weights = torch.tensor(counts).float()
    torch.testing.assert_close(
        loss(logits, labels, weights / weights.mean()), loss(logits[often], labels[often]), rtol=1e-5, atol=1e-6
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), min_size=2, max_size=20))
def test_classes_are_balanced_by_how_much_their_pictures_count(given: list[tuple[int, int]]) -> None:
    labels, counts = torch.tensor(given).T
    often = balanced(torch.repeat_interleave(labels, counts), 5)
    torch.testing.assert_close(balanced(labels, 5, counts.float()), often)
    # Weights that balance the classes themselves leave nothing to be balanced.
    own = torch.tensor(compute_sample_weight("balanced", labels.numpy())).float()
    torch.testing.assert_close(balanced(labels, 5, own)[labels], torch.ones(len(labels)))


def test_without_weights_the_loss_is_the_plain_cross_entropy_bit_for_bit() -> None:
    logits, labels = torch.randn((8, 3), generator=generator("logits")), torch.arange(8) % 3
    assert torch.equal(CrossEntropy()(logits, labels), cross_entropy(logits, labels))
