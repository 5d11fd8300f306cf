"""What a training says of its result."""

from __future__ import annotations

import json
import re
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch

import dadarts
from dadarts.config import TrainConfig
from dadarts.engines.inference import Predictor
from dadarts.errors import InputError
from dadarts.runs import checkpoint
from dadarts.runs.events import EpochDone, TrainDone
from dadarts.training import export, metrics
from tests.commands import (
    BENCH_GENOTYPE,
    ROOT,
    TINY_TRAINING,
    augment,
    column,
    history,
    modern,
    refusal,
    succeed,
    without_pictures,
)
from tests.nets import native_kernels

QUICK = [
    *("-batch_size", "16", "-init_channels", "4", "-layers", "1", "-workers", "0", "-lr", "0.1", "-device", "cpu"),
    *("-threads", "1", "-cutout_length", "0", "-drop_path_prob", "0", "-aux_weight", "0", "-flip", "none"),
    *("-genotype", BENCH_GENOTYPE),
]
RUN = Path("runs/augment/it")
NOT_BEATEN = "the accuracy does not significantly beat the majority baseline of "


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def write(counts: tuple[int, ...], brightness: tuple[float, ...]) -> None:
    """Noise of some mean brightness, so many pictures of each class."""
    draw = np.random.default_rng(0)
    y = np.repeat(np.arange(len(counts)), counts)
    levels = np.array(brightness)[y] + draw.normal(0, 20, len(y))
    x = (levels[:, None, None] + draw.normal(0, 20, (len(y), 8, 8))).clip(0, 255).astype(np.uint8)
    np.savez("pictures.npz", x=x, y=y)


def train(*words: str, epochs: int = 2) -> list[str]:
    """Train; what was said on stderr."""
    succeed_words = ["-name", "it", "-dataset", "pictures.npz", "-epochs", str(epochs), *QUICK, *words]
    return succeed(augment, *succeed_words).err.splitlines()


def result() -> dict[str, object]:
    found: dict[str, object] = json.loads((RUN / "metrics.json").read_text())
    return found


def test_a_network_that_knows_the_majority_alone_is_said_to_know_nothing() -> None:
    write((190, 10), (100, 100))
    said = train()
    found = result()
    assert (found["test_top1"], found["balanced_accuracy"], found["majority_baseline"]) == (0.95, 0.5, 0.95)
    assert found["confusion"] == [[38, 0], [2, 0]]
    assert found["beats_majority"] is False
    assert said[-4] == (
        "test accuracy 95.00% [83.5%, 98.6%] (95% interval) of 40 pictures; "
        "majority baseline 95.0% (always answering 0)"
    )
    assert re.fullmatch(
        r"balanced accuracy 50\.0% \[45\.4%, 82\.9%\] \(chance 50\.0%\)  "
        r"macro F1 0\.487 \[0\.\d{3}, [01]\.\d{3}\]  log .* AUC 0\.\d{3}",
        said[-3],
    )
    assert said[-2] == "worst class: 1, 0 of 2 right, precision 0.0%"
    assert said[-1].startswith(
        f"note: {NOT_BEATEN}95.0% (always answering 0): look at the balanced accuracy, and try -c"
    )
    assert (RUN / "log.txt").read_text().splitlines()[-1].endswith(said[-1])


def test_a_bad_network_of_equal_classes_is_not_told_of_rare_ones() -> None:
    write((50, 50), (100, 100))
    said = train()
    assert said[-1].startswith(f"note: {NOT_BEATEN}50.0% (always answering 0): try more epochs")
    assert "rare" not in said[-1]


def test_pictures_that_fill_no_batch_are_counted_where_they_are_many() -> None:
    write((34, 34), (40, 120))
    left_out = "note: 6 pictures of the 54 that train the weights fill no batch of 16 and are left out of an epoch"
    assert any(line.startswith(left_out) for line in train())
    write((30, 30), (40, 120))
    assert not any("fill no batch" in line for line in train("-overwrite"))


def test_what_a_good_network_is_told_of_has_no_doubt_and_is_told_again_when_it_is_resumed() -> None:
    write((60, 50, 40), (40, 120, 200))
    said = train(epochs=4)
    found = result()
    assert list(found)[:5] == ["test_top1", "test_loss", "parameters", "multiply_adds", "seconds"]
    assert found["beats_majority"] is True
    assert found["auc"] is None
    assert found["log_loss"] == pytest.approx(found["test_loss"], rel=1e-6)
    assert found["test_pictures"] == 30
    assert not any(NOT_BEATEN in line for line in said)
    assert said[-1] == "no picture of any class is wrong"
    again = succeed(modern, "train", "--name", "it", "--resume").err.splitlines()
    watch = "watch it: tensorboard --logdir runs/augment/it/tensorboard"
    assert again[-5:] == [*said[-3:], watch, "use it: dadarts predict it PICTURES"]
    (event,) = dadarts.train(TrainConfig(**json.loads((RUN / "config.json").read_text())["settings"]), resume=True)
    assert isinstance(event, TrainDone)
    assert event.metrics == found
    (listed,) = json.loads(succeed(modern, "runs", "--json").out)
    assert set(json.loads(listed["result"])) == set(found) - {"classes", "confusion"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that has ended."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        without_pictures(patch)
        write((60, 50), (40, 200))
        train("-valid_fraction", "0.2", epochs=1)
    return folder


def test_a_training_from_before_there_was_more_than_an_accuracy_is_still_shown(finished: Path) -> None:
    copytree(finished, Path(), dirs_exist_ok=True)
    old = {name: value for name, value in result().items() if name in metrics.FIRST}
    (RUN / "result.txt").write_text(json.dumps(old))
    settings = json.loads((RUN / "config.json").read_text())
    del settings["settings"]["class_weights"]
    (RUN / "config.json").write_text(json.dumps(settings))
    again = succeed(augment, "-name", "it", "-resume")
    assert float(again.last_line) == old["test_top1"]
    assert "test accuracy" not in again.err
    # Classes that are not weighed have no column of their own.
    assert "valid_balanced" not in history(RUN)[0]


DAMAGES = [
    {"test_top1": "1"},
    {"test_top1": 10**400},
    {"test_pictures": "many"},
    {"test_top1_interval": [0.2]},
    {"majority_baseline": 7},
    {"classes": []},
    {"classes": [{"name": "a", "precision": 1, "recall": 1, "f1": 1, "support": 0, "predicted": 0}]},
    {"confusion": 3},
]


def test_a_damaged_result_is_refused_in_one_line(finished: Path) -> None:
    copytree(finished, Path(), dirs_exist_ok=True)
    whole = json.loads((RUN / "result.txt").read_text())
    for damage in DAMAGES:
        (RUN / "result.txt").write_text(json.dumps(whole | damage))
        assert "the result in runs/augment/it is damaged" in refusal(augment, "-name", "it", "-resume")
    with pytest.raises(InputError, match="is damaged"):
        metrics.left("[]").metrics(RUN)


def test_balanced_class_weights_find_the_rare_class() -> None:
    write((190, 30), (90, 115))
    recalls = []
    for weights in ("none", "balanced"):
        train("-class_weights", weights, "-overwrite", epochs=5)
        classes = result()["classes"]
        assert isinstance(classes, list)
        recalls.append(classes[1]["recall"])
    assert recalls[1] > recalls[0] + 0.2


def test_under_balanced_class_weights_the_kept_epoch_is_the_best_by_balanced_accuracy() -> None:
    write((150, 30), (90, 120))
    words = {"class_weights": "balanced", "valid_fraction": 0.3, "epochs": 5, "lr": 0.1, "seed": 0}
    config = TrainConfig(
        name="it", dataset="pictures.npz", genotype=BENCH_GENOTYPE, layers=1, init_channels=4, batch_size=16,
        workers=0, device="cpu", threads=1, cutout_length=0, **words,
    )  # fmt: skip
    kept = []
    for event in dadarts.train(config):
        if isinstance(event, EpochDone):
            kept.append(checkpoint.load(RUN / "checkpoints/last.pt", "augment")[1]["network"])
    balanced, plain = column(RUN, "valid_balanced"), column(RUN, "valid_top1")
    best = balanced.index(max(balanced))
    network = export.load(RUN).network.state_dict()
    assert all(np.array_equal(network[name].numpy(), kept[best][name].numpy()) for name in network)
    assert max(balanced) > balanced[plain.index(max(plain))]


@pytest.mark.parametrize(
    ("text", "accuracy"),
    [
        ('{"test_top1": 0.5}', 0.5),
        ('{"test_top1": 1, "classes": []}', 1.0),
        *((text, None) for text in ("", "null", "[]", "0.5", '"test_top1"', "{}", "[" * 100_000, "1" * 100_000)),
        *((f'{{"test_top1": {value}}}', None) for value in ("NaN", "1.5", "-1", '"0.5"', "null", "[1]", "9" * 400)),
    ],
)
def test_an_accuracy_is_read_from_what_a_training_has_left_or_none_is(text: str, accuracy: float | None) -> None:
    assert metrics.left(text).accuracy == accuracy


@pytest.mark.parametrize("result", ["[" * 100_000, '{"test_top1": ' + "9" * 400 + "}"])
def test_a_training_with_a_damaged_result_is_listed_and_shown(result: str) -> None:
    RUN.mkdir(parents=True)
    settings = {"name": "it", "dataset": "digits", "epochs": 1, "genotype": BENCH_GENOTYPE, "init_channels": 4}
    (RUN / "config.json").write_text(json.dumps({"settings": {**settings, "layers": 1}, "versions": {}}))
    (RUN / "genotype.txt").write_text(BENCH_GENOTYPE)
    (RUN / "result.txt").write_text(result)
    assert " it " in succeed(modern, "runs").out
    assert "accuracy" not in succeed(modern, "show", str(RUN)).out


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_a_training_is_evaluated_by_the_form_that_takes_its_steps(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    native_kernels()
    answered: list[int] = []

    class Counted(Predictor):
        def __call__(self, x_BCHW: torch.Tensor, noise_key: int = 0, threads: int | None = None) -> torch.Tensor:
            answered.append(len(x_BCHW))
            return super().__call__(x_BCHW, noise_key, threads)

    monkeypatch.setattr("dadarts.engines.inference.choose.Predictor", Counted)
    succeed(augment, "-name", "it", *TINY_TRAINING, "-engine", engine)
    tested = json.loads(Path("runs/augment/it/metrics.json").read_text())["test_pictures"]
    assert sum(answered) == (tested if engine == "native" else 0)


def test_the_page_has_every_key_of_a_result_and_no_other() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.+) \|$", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    told = [key for keys, _ in rows for key in re.findall(r"\w+", keys)]
    assert sorted(told) == sorted([*metrics.FIRST, *metrics.Assessment.model_fields])
    of_a_class = next(meaning for keys, meaning in rows if keys == "`classes`")
    assert re.findall(r"`(\w+)`", of_a_class) == list(metrics.ClassScore.model_fields)
