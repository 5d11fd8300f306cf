"""How weights are trained: rates, averages, mixed pictures and smoothed labels, and what a length calls for."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta
from torch import Tensor

import dadarts
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import Network
from dadarts.architecture.skeletons import Macro
from dadarts.config import TrainConfig
from dadarts.data import DataRequest, load
from dadarts.data.loader import Batch
from dadarts.distributed import ALONE, Processes
from dadarts.main import train_config
from dadarts.methods.schedules import Progress, cosine, one_cycle
from dadarts.runs.optimizers import SGD
from dadarts.seeds import generator
from dadarts.training.averaging import Average
from dadarts.training.losses import CrossEntropy
from dadarts.training.mixup import Mixed, mixed
from dadarts.training.recipe import recipe
from dadarts.training.state import build
from tests.commands import (
    DARTS_GENOTYPE,
    TINY_TRAINING,
    augment,
    call,
    column,
    history,
    modern,
    refusal,
    result_of_training,
    stop_after,
    succeed,
    without_pictures,
)
from tests.nets import native_kernels

GIVEN: dict[str, Any] = {"name": "a", "dataset": "digits", "genotype": DARTS_GENOTYPE}
ALL_ON = [
    *("-schedule", "one_cycle", "-warm_up", "0.4", "-lr", "0.1", "-nesterov", "-decayed", "kernels", "-ema", "0.2"),
    *("-label_smoothing", "0.1", "-mixup", "0.4", "-drop_path_prob", "0.3", "-valid_fraction", "0.2"),
]
RUN = Path("runs/augment/it")


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def saved(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"runs/augment/{name}/config.json").read_text())["settings"]
    return found


@settings(max_examples=50)
@given(st.integers(1, 400), st.floats(0, 0.99), st.floats(1e-3, 10))
def test_a_triangle_is_numpy_s_interpolation_from_0_to_the_peak_to_0(steps: int, warm_up: float, peak: float) -> None:
    rising = max(1, round(warm_up * steps))
    expected = np.interp(np.arange(1, steps + 1), [0, rising, steps + 1], [0, peak, 0])
    found = [one_cycle(peak, step, steps, warm_up, linear=True) for step in range(steps)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert min(found) > 0


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 100), st.floats(0, 0.99))
def test_one_cycle_is_torch_s_warm_up_and_then_its_cosine(steps: int, warm_up: float) -> None:
    rising = max(1, round(warm_up * steps))
    sgd = SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, steps + 1 - rising)
    expected = [0.3 * (step + 1) / rising for step in range(rising - 1)]
    while len(expected) < steps:
        expected.append(float(falling.get_last_lr()[0]))
        sgd.step()
        falling.step()
    found = [one_cycle(0.3, step, steps, warm_up) for step in range(steps)]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert min(found) > 0


def test_a_recipe_counts_the_steps_of_the_whole_training() -> None:
    short = TrainConfig(**GIVEN, schedule="one_cycle", lr=0.3, epochs=3, warm_up=0.25)
    how = recipe(short, 8, 1000)
    found = [how.rate(Progress(epoch, 3), step, 4) for epoch in range(3) for step in range(4)]
    assert found == [one_cycle(0.3, step, 12, 0.25) for step in range(12)]
    original = recipe(TrainConfig(**GIVEN, epochs=3), 8, 1000)
    for epoch in range(3):
        rates = {original.rate(Progress(epoch, 3), step, 4) for step in range(4)}
        assert rates == {cosine(0.025, 0.0, Progress(epoch, 3))}


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 0.9), st.booleans())
def test_smoothed_labels_share_their_rest_among_all_classes(smoothing: float, weighs: bool) -> None:
    logits, labels = torch.randn((6, 3), generator=generator("logits"), dtype=torch.float64), torch.arange(6) % 3
    weights = torch.tensor([0.5, 2.0, 0.0], dtype=torch.float64) if weighs else None
    expected = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        normaliser = math.log(sum(math.exp(value) for value in row))
        for number, value in enumerate(row):
            target = smoothing / 3 + (1 - smoothing) * (number == label)
            weight = 1.0 if weights is None else float(weights[number])
            expected += target * weight * (normaliser - value) / 6
    assert float(CrossEntropy(weights, smoothing)(logits, labels)) == pytest.approx(expected)


def test_an_average_forgets_half_of_the_weights_in_its_half_life() -> None:
    network = Network(Genotype.parse(DARTS_GENOTYPE), Macro(2, 1, (1, 8, 8), 3)).double()
    average, decay = Average(network, half_life=5.0), 0.5 ** (1 / 5)
    expected = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    for step in range(20):
        for name, weight in network.named_parameters():
            with torch.no_grad():
                weight.add_(torch.randn(weight.shape, generator=generator(step, name)))
            expected[name] = decay * expected[name] + (1 - decay) * weight.detach()
        average.update()
    for name, weight in average.network.named_parameters():
        torch.testing.assert_close(weight.detach(), expected[name])


def batch_of(count: int, key: int = 3) -> Batch:
    draw = generator(key, "batch")
    images = torch.randn((count, 2, 3, 3), generator=draw)
    return Batch(images, torch.randint(4, (count,), generator=draw), key)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.05, 5), st.integers(0, 2**40))
def test_a_mixed_picture_is_a_mean_of_two_and_its_loss_that_of_the_mean_of_their_labels(alpha: float, key: int) -> None:
    batch = batch_of(6, key)
    found = mixed(batch, alpha, ALONE)
    assert 0.5 <= found.share <= 1
    for place, (image, other) in enumerate(zip(found.images, found.others, strict=True)):
        means = [torch.lerp(each, batch.images[place], found.share) for each in batch.images]
        partners = [number for number, mean in enumerate(means) if torch.allclose(mean, image, atol=1e-5)]
        assert int(other) in batch.labels[partners].tolist()
    logits = torch.randn((6, 4), generator=generator("logits"))
    one, two = (F.one_hot(labels, 4).float() for labels in (found.labels, found.others))
    expected = F.cross_entropy(logits, found.share * one + (1 - found.share) * two)
    torch.testing.assert_close(found.loss(CrossEntropy(), logits), expected)


def test_the_loss_of_a_mixed_picture_counts_each_of_its_two_as_much_as_that_counts() -> None:
    batch = replace(batch_of(6), weights=torch.tensor([0.5, 2.0, 1.0, 0.25, 1.25, 1.0]))
    found = mixed(batch, 0.4, ALONE)
    logits = torch.randn((6, 4), generator=generator("logits"))
    partners = [int((batch.images - other).flatten(1).norm(dim=1).argmin()) for other in others_of(found, batch)]
    assert sorted(partners) == list(range(6)), "the batch in another order"
    each, other = (F.cross_entropy(logits, labels, reduction="none") for labels in (batch.labels, found.others))
    weights = batch.weights
    assert weights is not None
    expected = found.share * (weights * each) + (1 - found.share) * (weights[partners] * other)
    torch.testing.assert_close(found.loss(CrossEntropy(), logits), expected.mean())


def others_of(found: Mixed, batch: Batch) -> Tensor:
    """The pictures that a batch was mixed with."""
    return (found.images - found.share * batch.images) / (1 - found.share)


def test_shares_are_those_of_the_beta_distribution_turned_to_a_half_or_more() -> None:
    shares = [mixed(batch_of(2, key), 0.4, ALONE).share for key in range(1000)]
    # Of |u - 1/2|, which turning leaves alone.
    expected = beta(0.4, 0.4).expect(lambda share: abs(share - 0.5))
    assert np.mean(shares) - 0.5 == pytest.approx(expected, abs=0.015)
    batch = batch_of(6)
    assert mixed(batch, 0.4, ALONE).share == mixed(batch, 0.4, ALONE).share


def test_without_mixup_a_batch_and_its_loss_are_what_they_were() -> None:
    batch = batch_of(6)
    found = mixed(batch, 0.0, ALONE)
    logits = torch.randn((6, 4), generator=generator("logits"))
    assert found.images is batch.images
    assert torch.equal(found.loss(CrossEntropy(), logits), F.cross_entropy(logits, batch.labels))


@dataclass(frozen=True)
class _Together(Processes):
    """One of two processes, that knows what all hold."""

    whole: Batch | None = None

    def gathered(self, tensor: Tensor) -> Tensor:
        assert self.whole is not None
        found = self.whole.labels if tensor.ndim == 1 else self.whole.images
        return found.view(2, -1, *found.shape[1:])


def test_two_processes_mix_the_batch_that_they_share() -> None:
    batch = batch_of(6)
    whole = mixed(batch, 1.0, ALONE)
    parts = []
    for rank in range(2):
        here = _Together(rank, 2, whole=batch)
        part = here.share(6)
        parts.append(mixed(Batch(batch.images[part], batch.labels[part], batch.key), 1.0, here))
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    assert torch.equal(torch.cat([part.others for part in parts]), whole.others)
    assert {part.share for part in parts} == {whole.share}


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_a_stopped_training_goes_on_bit_for_bit_with_all_of_it(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if engine == "native":
        native_kernels()
    words = [*TINY_TRAINING, *ALL_ON, "-engine", engine]
    succeed(modern, "train", "--name", "whole", *words)
    with stop_after(9, signal.SIGINT, monkeypatch):
        assert call(modern, "train", "--name", "it", *words).code == 130
    succeed(modern, "train", "--name", "it", "--resume")
    assert result_of_training(RUN) == result_of_training(Path("runs/augment/whole"))


def test_both_engines_train_alike_with_all_of_it() -> None:
    native_kernels()
    for engine in ("reference", "native"):
        succeed(modern, "train", "--name", engine, *TINY_TRAINING, *ALL_ON, "--engine", engine)
    one, other = (Path("runs/augment") / engine for engine in ("reference", "native"))
    for name in ("train_loss", "valid_loss"):
        assert column(one, name) == pytest.approx(column(other, name), rel=1e-4)


def test_the_average_is_what_is_measured_and_kept() -> None:
    metrics = succeed(augment, "-name", "it", *TINY_TRAINING, "-ema", "0.3")
    trained = torch.load(RUN / "checkpoints/last.pt", weights_only=True)["state"]
    kept = dadarts.load(RUN).network.state_dict()
    averaged = [name for name in kept if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    for name in averaged:
        assert torch.equal(kept[name], trained["average"][name])
    assert not all(torch.equal(kept[name], trained["network"][name]) for name in averaged)
    test = load(DataRequest("digits")).test
    predicted = dadarts.load(RUN).predict(test.take(torch.arange(len(test))))
    right = sum(name == str(label) for name, label in zip(predicted, test.labels.tolist(), strict=True))
    assert right / len(test) == float(metrics.last_line)
    # Weights of which steps are averaged changes no step.
    succeed(augment, "-name", "plain", *TINY_TRAINING)
    assert column(RUN, "train_loss") == column(Path("runs/augment/plain"), "train_loss")


def test_a_checkpoint_without_the_average_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with stop_after(3, signal.SIGINT, monkeypatch):
        call(augment, "-name", "it", *TINY_TRAINING, "-ema", "0.3")
    path = RUN / "checkpoints/last.pt"
    payload = torch.load(path, weights_only=True)
    del payload["state"]["average"]["backbone.classifier.weight"]
    torch.save(payload, path)
    said = refusal(augment, "-name", "it", "-resume")
    assert "does not fit this training: average lacks backbone.classifier.weight" in said


@pytest.mark.parametrize("decayed", ["all", "kernels"])
def test_weights_that_decay_shrink_without_a_gradient_and_others_stay(decayed: str) -> None:
    config = TrainConfig(**GIVEN, init_channels=2, layers=1, lr=0.1, weight_decay=0.5, decayed=decayed)
    state = build(config)
    before = {name: weight.detach().clone() for name, weight in state.network.named_parameters()}
    for weight in state.network.parameters():
        weight.grad = torch.zeros_like(weight)
    state.sgd.step()
    for name, weight in state.network.named_parameters():
        shrunk = weight.ndim > 1 or decayed == "all"
        torch.testing.assert_close(weight.detach(), (0.95 if shrunk else 1.0) * before[name])


def test_a_short_training_takes_the_short_recipe_and_a_long_one_the_original_s() -> None:
    long = recipe(TrainConfig.auto(**GIVEN), 32, 1000)
    original = recipe(TrainConfig(**GIVEN), 32, 1000)
    assert long == original
    short = recipe(TrainConfig.auto(**GIVEN, epochs=30), 32, 1000)
    assert short.settled != original.settled
    assert set(short.settled) == set(TrainConfig.BY_LENGTH)
    assert "auto" not in short.settled.values()
    for name, value in short.settled.items():
        if value != original.settled[name]:
            assert f"-{name} {value}" in short.note
        # What is given is kept, and not told as found.
        given = {"epochs": 30, name: original.settled[name]}
        found = recipe(TrainConfig.auto(**GIVEN, **given), 32, 1000)
        assert found.settled[name] == original.settled[name]
        assert f"-{name} " not in found.note
    assert recipe(TrainConfig.auto(**GIVEN), 8, 1000).cutout_length == 4


@pytest.mark.parametrize(
    ("epochs", "pictures", "length"),
    [(39, 50_000, 0), (40, 50_000, 16), (40, 24_999, 0), (199, 2_000, 0), (200, 2_000, 16)],
)
def test_a_cutout_needs_many_epochs_and_many_pictures(epochs: int, pictures: int, length: int) -> None:
    assert recipe(TrainConfig.auto(**GIVEN, epochs=epochs), 32, pictures).cutout_length == length


@pytest.mark.parametrize(("batch", "rate"), [(16, 0.075), (64, 0.3), (96, 0.4), (1024, 0.4)])
def test_the_rate_of_a_short_training_grows_with_its_batches(batch: int, rate: float) -> None:
    assert recipe(TrainConfig.auto(**GIVEN, epochs=30, batch_size=batch), 8, 1000).lr == pytest.approx(rate)
    assert recipe(TrainConfig.auto(**GIVEN, batch_size=batch), 8, 1000).lr == 0.025


def test_dadarts_train_says_and_saves_the_recipe_and_augment_keeps_the_original_s() -> None:
    words = [word for pair in zip(TINY_TRAINING[::2], TINY_TRAINING[1::2], strict=True) for word in pair]
    place = words.index("-cutout_length")
    del words[place : place + 2]
    err = succeed(modern, "train", "--name", "it", *words).err
    expected = recipe(TrainConfig.auto(**{**GIVEN, "epochs": 2, "batch_size": 16}), 8, 1000)
    assert {name: saved("it")[name] for name in TrainConfig.BY_LENGTH} == expected.settled
    assert f"-schedule {expected.schedule}" in err
    succeed(augment, "-name", "old", *words)
    defaults = {name: TrainConfig.model_fields[name].default for name in TrainConfig.BY_LENGTH}
    assert {name: saved("old")[name] for name in TrainConfig.BY_LENGTH} == defaults
    assert all(float(row["weight_lr"]) in (0.025, 0.0125) for row in history(Path("runs/augment/old")))


def test_what_is_left_open_must_agree_with_the_rest_as_what_is_given() -> None:
    words = [*TINY_TRAINING, "-aux_weight", "auto"]
    words[words.index("-batch_size") + 1] = "1"
    words[words.index("-epochs") + 1] = "200"
    assert "batch norm in the auxiliary head needs 2 pictures" in refusal(augment, "-name", "it", *words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], True), (["False"], False), (["auto"], True), (["--seed", "3"], True)],
    ids=["alone", "False", "auto", "before another flag"],
)
def test_nesterov_may_stand_alone_or_with_a_word(words: list[str], expected: bool) -> None:
    config = train_config(["--name", "a", "--dataset", "digits", "--genotype", DARTS_GENOTYPE, "--nesterov", *words])
    assert recipe(config.model_copy(update={"epochs": 2}), 8, 1000).nesterov is expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-nesterov", "-momentum", "0"], "-nesterov needs -momentum above 0"),
        (["-nesterov=maybe"], "-nesterov maybe: give True, auto or False"),
        (["-schedule", "cosin"], "-schedule cosin: give cosine, one_cycle, triangle or auto"),
        (["-ema", "1"], "-ema 1: give a number from 0 to below 1 or auto"),
        (["-mixup", "-1"], "-mixup -1: give a number from 0 to 100 or auto"),
        (["-label_smoothing", "nan"], "-label_smoothing nan: give a number from 0 to below 1 or auto"),
        (["-decayed", "norms"], "-decayed norms: give all, kernels or auto"),
    ],
)
def test_what_is_no_setting_is_refused(words: list[str], said: str) -> None:
    assert refusal(augment, "-name", "it", *TINY_TRAINING, *words) == f"augment.py: {said}"
