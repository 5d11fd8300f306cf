"""One training of a candidate, as an ordinary run in the fit's folder."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from dadarts.config import TrainConfig
from dadarts.config.data import DataSettings
from dadarts.config.fitting import FitConfig
from dadarts.config.run import RunSettings
from dadarts.data import DataSet
from dadarts.fitting import memory
from dadarts.fitting.record import Entrant
from dadarts.rundir.kinds import TRAINING
from dadarts.runs.events import Event, RunStarted, TrainDone
from dadarts.runs.folder import RunFolder
from dadarts.training.loop import train

_SHARED = {*DataSettings.model_fields, *RunSettings.model_fields} - {"name", "runs_dir", "dataset_portion"}


def settings(config: FitConfig, folder: Path, run: str, entrant: Entrant, epochs: int, batch_size: int) -> TrainConfig:
    """How a candidate is trained."""
    return TrainConfig.auto(
        **config.model_dump(include=_SHARED),
        name=run,
        runs_dir=folder,
        genotype=entrant.genotype,
        init_channels=entrant.channels,
        layers=entrant.layers,
        epochs=epochs,
        batch_size=batch_size,
    )


def folder_of(folder: Path, run: str) -> RunFolder:
    """Where a training of a fit is."""
    return RunFolder(TRAINING.folder(folder, run))


def trained(config: TrainConfig, data: DataSet) -> Generator[Event, None, Mapping[str, Any]]:
    """The events of a training, or of what is left of it, but its first and last; at the end its metrics.

    Raises:
        OutOfMemoryError: as in `memory.told_apart`; the run has been removed.
    """
    folder = folder_of(config.runs_dir, config.name)
    # Of a training that has begun the settings stand: another estimate of its speed would give it other epochs.
    as_begun = TrainConfig(**folder.saved_config().settings) if folder.exists else config
    try:
        with memory.told_apart(as_begun.batch_size):
            for event in train(as_begun, resume=folder.exists, loaded=lambda _: data):
                if isinstance(event, TrainDone):
                    return event.metrics
                if not isinstance(event, RunStarted):
                    yield event
    except memory.OutOfMemoryError:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    raise AssertionError("a training ends with its result")
