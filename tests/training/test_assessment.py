"""What is said of answers is what scikit-learn and SciPy say of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle
from torch.nn.functional import cross_entropy

from dadarts.runs.answers import Answers
from dadarts.seeds import generator
from dadarts.training import metrics
from dadarts.training.assessment import area_under_curve, assess


def answers_of(pictures: int, classes: int, answered: int, seed: int) -> tuple[Answers, torch.Tensor]:
    """Random logits, in which only so many classes are ever answered, and what they answer."""
    draw = generator("answers", seed)
    labels = torch.randint(classes, (pictures,), generator=draw)
    # Few values, so that margins are equal often; a shift each, exact in float32, so that largest logits are not.
    logits = torch.randint(4, (pictures, classes), generator=draw) - torch.arange(classes) / 128
    logits[:, answered:] -= 10
    return Answers.of_rows(Answers.rows(logits, labels)), logits


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        ([0, 0, 1, 2, 2], "no picture of any class is wrong"),
        ([0, 0, 0, 2, 2], "worst class: b, 0 of 1 right, precision 0.0%"),
        ([0, 1, 1, 2, 2], "worst class: a, 1 of 2 right, precision 100.0%"),
    ],
)
def test_the_worst_class_is_named_where_it_has_a_wrong_picture(answered: list[int], said: str) -> None:
    labels = torch.tensor([0, 0, 1, 2, 2])
    logits = torch.eye(4)[torch.tensor(answered)]
    found = assess(Answers.of_rows(Answers.rows(logits, labels)), ["a", "b", "c", "never there"], labels)
    assert metrics.in_words({"test_top1": 0.5, **found.as_json()})[-1] == said


@pytest.mark.parametrize(("wrong", "said"), [(40, True), (34, True), (26, False), (0, False)])
def test_classes_that_are_told_apart_the_wrong_way_round_are_said_to_be(wrong: int, said: bool) -> None:
    labels = torch.arange(40) % 2
    answered = torch.where(torch.arange(40) < wrong, 1 - labels, labels)
    found = assess(Answers.of_rows(Answers.rows(torch.eye(2)[answered], labels)), ["left", "right"], labels)
    doubt = metrics.doubt({"test_top1": 1 - wrong / 40, **found.as_json()}) or ""
    assert ("the wrong way round (AUC " in doubt) is said
    assert found.auc_by_chance == pytest.approx(math.sqrt(41 / (12 * 20 * 20)))


def test_a_doubt_names_what_can_be_set() -> None:
    labels = torch.tensor([0] * 30 + [1] * 4)
    found = assess(Answers.of_rows(Answers.rows(torch.eye(2)[torch.zeros(34).long()], labels)), ["a", "b"], labels)
    known = {"test_top1": 30 / 34, **found.as_json()}
    assert "try -class_weights balanced, or more pictures of rare classes; or try more epochs" in (
        metrics.doubt(known) or ""
    )
    assert "and try more pictures of rare classes; or try more -minutes" in (metrics.doubt(known, of_fit=True) or "")


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None, max_examples=25)
@given(pictures=st.integers(1, 60), classes=st.integers(2, 6), answered=st.integers(1, 6), seed=st.integers(0, 2**31))
def test_an_assessment_is_what_scikit_learn_says(pictures: int, classes: int, answered: int, seed: int) -> None:
    answers, logits = answers_of(pictures, classes, answered, seed)
    y, predicted, every = answers.labels.numpy(), logits.argmax(dim=1).numpy(), np.arange(classes)
    found = assess(answers, [f"class {number}" for number in every], torch.arange(classes))
    assert found.confusion == tuple(map(tuple, oracle.confusion_matrix(y, predicted, labels=every).tolist()))
    assert found.balanced_accuracy == pytest.approx(oracle.balanced_accuracy_score(y, predicted))
    assert found.macro_f1 == pytest.approx(oracle.f1_score(y, predicted, average="macro", zero_division=0))
    p = torch.softmax(logits.double(), dim=1).numpy()
    assert found.log_loss == pytest.approx(oracle.log_loss(y, p, labels=every))
    precision, recall, f1, support = oracle.precision_recall_fscore_support(y, predicted, labels=every, zero_division=0)
    own = [(score.precision, score.recall, score.f1, score.support) for score in found.classes]
    assert own == [pytest.approx(row) for row in zip(precision, recall, f1, support, strict=True)]
    assert [score.predicted for score in found.classes] == np.bincount(predicted, minlength=classes).tolist()
    if classes == 2 and len(np.unique(y)) == 2:
        assert found.auc == pytest.approx(oracle.roc_auc_score(y, (logits[:, 1] - logits[:, 0]).numpy()))
    else:
        assert found.auc is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=1, max_size=80))
def test_equal_scores_count_half_in_the_area_under_the_curve(pairs: list[tuple[bool, int]]) -> None:
    positive, scores = (torch.tensor(column) for column in zip(*pairs, strict=True))
    area = area_under_curve(positive, scores.double())
    if positive.all() or not positive.any():
        assert area is None
    else:
        assert area == pytest.approx(oracle.roc_auc_score(positive.numpy(), scores.numpy()))


def answered(labels: list[int], predicted: list[int]) -> Answers:
    zeros = torch.zeros(len(labels), dtype=torch.float64)
    return Answers(torch.tensor(labels), torch.tensor(predicted), zeros, zeros)


@pytest.mark.parametrize(
    ("trained_on", "labels", "majority", "baseline"),
    [
        ([0] * 9 + [1], [0] * 38 + [1] * 2, "healthy", 0.95),
        # It is the training part that decides, whatever the test part has most of.
        ([0] * 9 + [1], [0] * 2 + [1] * 38, "healthy", 0.05),
        # Of classes that are equally frequent in training it is the one that makes the harder baseline.
        ([0, 1], [0] * 10 + [1] * 30, "ill", 0.75),
        ([1, 0], [0] * 20 + [1] * 20, "healthy", 0.5),
    ],
)
def test_the_baseline_always_answers_the_most_frequent_training_class(
    trained_on: list[int], labels: list[int], majority: str, baseline: float
) -> None:
    found = assess(answered(labels, labels), ["healthy", "ill"], torch.tensor(trained_on))
    assert (found.majority_class, found.majority_baseline) == (majority, baseline)


@pytest.mark.parametrize(("wrong", "beats"), [(2, False), (1, False), (0, False)])
def test_no_accuracy_on_few_pictures_beats_a_high_baseline_significantly(wrong: int, beats: bool) -> None:
    labels = [0] * 38 + [1] * 2
    predicted = [0] * 38 + [0] * wrong + [1] * (2 - wrong)
    assert assess(answered(labels, predicted), ["a", "b"], torch.tensor([0, 0, 1])).beats_majority is beats
    # Ten times as many pictures can tell.
    more = assess(answered(10 * labels, 10 * predicted), ["a", "b"], torch.tensor([0, 0, 1]))
    assert more.beats_majority is (wrong < 2)


def test_the_rows_of_a_batch_are_its_labels_answers_losses_and_margins() -> None:
    logits, labels = torch.randn((9, 3), generator=generator("rows")), torch.arange(9) % 3
    rows = Answers.of_rows(Answers.rows(logits, labels))
    assert torch.equal(rows.labels, labels)
    assert torch.equal(rows.predicted, logits.argmax(dim=1))
    torch.testing.assert_close(rows.losses, cross_entropy(logits.double(), labels, reduction="none"))
    torch.testing.assert_close(rows.margins, (logits[:, 1] - logits[:, 0]).double())


def test_answers_that_are_no_numbers_are_assessed_all_the_same() -> None:
    rows = Answers.rows(torch.full((4, 2), math.nan), torch.tensor([0, 1, 0, 1]))
    found = assess(Answers.of_rows(rows), ["a", "b"], torch.tensor([0, 1]))
    assert math.isnan(found.log_loss)
    assert math.isnan(found.as_json()["log_loss"])
    assert found.balanced_accuracy == 0.5
