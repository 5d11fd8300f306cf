"""One training of a candidate, as an ordinary run in the fit's folder."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from dadarts.architecture.genotype import Genotype
from dadarts.config import TrainConfig
from dadarts.config.data import DataSettings
from dadarts.config.fitting import FitConfig
from dadarts.config.run import ENVIRONMENT, Precision, RunSettings
from dadarts.data import DataSet
from dadarts.errors import MARK
from dadarts.fitting import memory
from dadarts.fitting.record import Entrant
from dadarts.rundir.kinds import FINAL, TRAINING
from dadarts.runs.device import lowers_well, pick_device, pick_threads
from dadarts.runs.events import Event, Note, RunStarted, TrainDone
from dadarts.runs.folder import RunFolder
from dadarts.training.loop import Length, train

LOWERED_CHANNELS = 8
"""Dense convolutions of fewer are faster in float32."""
SHARED = {*DataSettings.model_fields, *RunSettings.model_fields} - {"name", "runs_dir", "dataset_portion"}


def settings(config: FitConfig, folder: Path, run: str, entrant: Entrant, epochs: int, batch_size: int) -> TrainConfig:
    """How a candidate is trained."""
    return TrainConfig.auto(
        **config.model_dump(include=SHARED),
        name=run,
        runs_dir=folder,
        genotype=entrant.genotype,
        init_channels=entrant.channels,
        layers=entrant.layers,
        epochs=epochs,
        batch_size=batch_size,
        class_weights=entrant.class_weights,
    ).model_copy(update={"precision": entrant.precision})


def precision(config: FitConfig, genotype: Genotype, channels: int) -> Precision:
    """In what a genotype's steps are computed: what is asked for, and else bfloat16 where it pays.

    It does for dense convolutions of `LOWERED_CHANNELS` or more, which those of NAS-Bench-201's cells all are;
    separable ones, and narrower ones, are faster in native kernels.
    """
    dense = genotype.syntax == "nas-bench-201" and channels >= LOWERED_CHANNELS
    if "precision" in config.model_fields_set or not dense:
        return config.precision
    return "bf16" if lowers_well(pick_device(config.device, config.gpus)) else config.precision


def steps_in_words(config: FitConfig, pixels: int, batch_size: int, entrants: Sequence[Entrant]) -> str:
    """With how many threads and in which number format candidates are trained, and why.

    Args:
        pixels: of a picture.
    """
    picked = [pick_threads(config, pixels, each.channels, batch_size) for each in entrants]
    threads = str(max(picked, key=lambda each: each.count))
    if len({each.count for each in picked}) > 1:
        threads += ", 1 for small networks"
    formats = {each.precision for each in entrants}
    if "precision" in config.model_fields_set:
        why = f"{config.precision} (as asked for)"
    elif "bf16" in formats:
        why = f"bf16 (dense convolutions gain by it here{', others have float32' if len(formats) > 1 else ''})"
    else:
        gains = pick_device(config.device, config.gpus).type == "cuda"
        why = f"{config.precision} ({'the default; bf16 is faster' if gains else 'the fastest here'})"
    return f"{threads}, {why}"


def as_begun(run: RunFolder, config: RunSettings, runs_dir: Path) -> dict[str, Any]:
    """The settings of a run of a fit that goes on: its own, and where and how the fit works now.

    Args:
        config: those of the fit, or of a run of it that begins now.
        runs_dir: the fit's folder, which may have moved since.
    """
    # With other threads its sums would differ.
    now = config.model_dump(include={*ENVIRONMENT - {"threads"}})
    return {**run.saved_config().settings, **now, "runs_dir": runs_dir}


def folder_of(folder: Path, run: str) -> RunFolder:
    """Where a training of a fit is."""
    return RunFolder(TRAINING.folder(folder, run))


def trained(
    config: TrainConfig, data: DataSet, length: Length | None = None
) -> Generator[Event, None, Mapping[str, Any]]:
    """The events of a training, or of what is left of it, but its first and last; at the end its metrics.

    Where `length` has changed how many epochs there are, the run's settings say so when it is over.

    Notes are of a training that is not one of many, the last, and of nothing that a fit leaves nobody to set.

    Raises:
        OutOfMemoryError: as in `memory.told_apart`; the run has been removed.
    """
    folder = folder_of(config.runs_dir, config.name)
    # Of a training that has begun the settings stand: another estimate of its speed would give it other epochs.
    own = TrainConfig(**as_begun(folder, config, config.runs_dir)) if folder.exists else config
    try:
        begun = train(own, resume=folder.exists, loaded=lambda _: data, length=length)
        with memory.told_apart(own.batch_size), closing(begun) as events:  # type: ignore[type-var]
            for event in events:
                if isinstance(event, TrainDone):
                    if length is not None:
                        _keep_length(folder)
                    return event.metrics
                if isinstance(event, Note):
                    if own.name == FINAL and _is_for_who_fits(event):
                        yield event
                elif not isinstance(event, RunStarted):
                    yield event
    except memory.OutOfMemoryError:
        folder.remove()
        raise
    raise AssertionError("a training ends with its result")


def _keep_length(folder: RunFolder) -> None:
    saved, epochs = folder.saved_config(), len(folder.measured())
    if epochs != saved.settings["epochs"]:
        folder.write_config({**saved.settings, "epochs": epochs}, saved.versions)


def _is_for_who_fits(note: Note) -> bool:
    return all(name in FitConfig.model_fields for _, name in MARK.findall(note.marked))
