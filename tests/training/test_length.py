"""A training whose number of epochs is decided on the way."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from dadarts.config import TrainConfig
from dadarts.rundir.history import WEIGHT_LR
from dadarts.runs.events import EpochDone, StepDone
from dadarts.runs.folder import RunFolder
from dadarts.training.loop import train
from tests.commands import DARTS_GENOTYPE


def _config(folder: Path) -> TrainConfig:
    small = {"init_channels": 4, "layers": 1, "batch_size": 16, "workers": 0, "threads": 1, "aux_weight": 0.0}
    return TrainConfig.auto(
        name="it", runs_dir=folder, dataset="digits", dataset_portion=0.05, genotype=DARTS_GENOTYPE, epochs=5, **small
    )


@pytest.mark.parametrize("epochs", [2, 3, 7])
def test_as_many_epochs_are_trained_as_are_asked_for_and_the_rate_falls_to_their_end(
    epochs: int, tmp_path: Path
) -> None:
    asked: list[tuple[int, int]] = []

    def length(done: int, had: int) -> int:
        asked.append((done, had))
        return epochs if done == 2 else had

    events = list(train(_config(tmp_path), length=length))
    told = [event.epochs for event in events if isinstance(event, EpochDone)]
    assert told == [5] + [epochs] * (epochs - 1)
    assert asked[:3] == [(1, 5), (2, 5), (3, epochs)][: len(asked)]
    rates = [float(WEIGHT_LR.of(row) or 0) for row in RunFolder(tmp_path / "augment" / "it").measured()]
    # At its end a cycle is at a small part of its height; of two epochs the second was to be one of five.
    assert epochs == 2 or rates[-1] < 0.1 * max(rates)


def test_a_training_that_was_stopped_goes_on_to_the_end_that_was_decided(tmp_path: Path) -> None:
    config = _config(tmp_path)
    with closing(train(config, length=lambda done, had: 3)) as events:  # type: ignore[type-var]
        for event in events:
            if isinstance(event, StepDone) and event.epoch == 1:
                break
    left = [event.epoch for event in train(config, resume=True) if isinstance(event, EpochDone)]
    assert left == [1, 2]
