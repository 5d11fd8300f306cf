"""What a search and a training stand on: the data, the device, and the sizes that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from dadarts.architecture.skeletons import Macro, maps_end_in_one_pixel
from dadarts.architecture.spaces import SearchSpace
from dadarts.config import SearchConfig, TrainConfig
from dadarts.config.data import DataSettings
from dadarts.data import Augmentation, Choices, DataRequest, DataSet, Loader, Pictures, load
from dadarts.distributed import Processes
from dadarts.errors import InputError
from dadarts.pacing import counted
from dadarts.runs.device import pick_device, pick_threads, prepare
from dadarts.runs.threads import Threads

Loading: TypeAlias = Callable[[DataRequest], DataSet]

_MANY_LEFT_OUT = 0.1
"""The part of the training pictures from which on it is said that an epoch leaves them out."""


def augmentation(config: DataSettings, data: DataSet, cutout: int = 0) -> Augmentation:
    """What is done to training pictures: as asked for, else as is customary for this data.

    Args:
        cutout: side of the square that is blanked, in pixels.
    """
    flip = config.flip or ("horizontal" if data.flip else "none")
    augment = Augmentation.standard(data.train.shape, flip, cutout)
    return augment if config.crop_padding is None else replace(augment, padding=config.crop_padding)


@dataclass(frozen=True, eq=False)
class Foundation:
    """The data, in memory or ready to be decoded, and where to compute on it."""

    config: SearchConfig | TrainConfig
    data: DataSet
    device: torch.device
    threads: Threads
    processes: Processes

    def read(self, train: Loader) -> str:
        """What was read, how much of it is used and how it is augmented, for the first line of a run."""
        portion = self.config.dataset_portion
        used = f"; {portion:.3g} of the training pictures are used (-dataset_portion)" if portion < 1 else ""
        return f"read {self.data.described}{used}; {train.treatment}"

    def notes(self, train: Loader) -> tuple[str, ...]:
        """What should be known of the data, and of training pictures that fill no batch."""
        count, rest = len(train.index), len(train.index) % train.batch_size
        if rest < _MANY_LEFT_OUT * count:
            return self.data.notes
        return (
            *self.data.notes,
            f"{counted(rest, 'picture')} of the {count:,} that train the weights fill no batch of "
            f"{train.batch_size} and are left out of an epoch, others in each; another -batch_size leaves out fewer",
        )

    def augmentation(self, cutout: int = 0) -> Augmentation:
        """What is done to training pictures; see `augmentation`."""
        return augmentation(self.config, self.data, cutout)

    @property
    def macro(self) -> Macro:
        """The skeleton of a network for these pictures."""
        config = self.config
        return Macro(
            config.init_channels,
            config.layers,
            self.data.train.shape,
            len(self.data.classes),
            config.stem_multiplier,
        )

    @property
    def facts(self) -> dict[str, object]:
        """What the pictures are like, for who reads the run and has no pictures."""
        return {"image_shape": list(self.data.train.shape), "classes": len(self.data.classes)}

    def refuse_lone_picture(self, space: SearchSpace, loader: Loader) -> None:
        """Refuse batches of one picture where batch statistics would be those of one value.

        Raises:
            InputError: the loader has such a batch.
        """
        if loader.smallest() == 1 and maps_end_in_one_pixel(space, self.macro):
            _, height, width = self.macro.image_shape
            raise InputError(
                f"-batch_size {loader.batch_size}: a batch of the {loader.stream} part would be 1 picture, and batch "
                f"norm in {space.name} needs 2 where pictures have {height}x{width} pixels; give another -batch_size"
            )

    def loader(self, pictures: Pictures, index: Tensor, stream: str, augment: Augmentation | None) -> Loader:
        """Batches of `pictures[index]`; `stream` separates the randomness of loaders."""
        config, data = self.config, self.data
        return Loader(
            pictures,
            index,
            config.batch_size,
            data.mean,
            data.std,
            config.seed,
            stream,
            augment,
            self.device,
            config.workers,
            self.processes,
        )


def request_of(config: DataSettings) -> DataRequest:
    """Which data settings ask for."""
    return DataRequest(
        config.dataset,
        config.data_path,
        config.image_size,
        config.cache_dir,
        config.workers,
        Choices(config.classes, config.test_path),
        skip_broken=config.broken == "skip",
        given=config.given,
        nominal=config.value_range == "nominal",
    )


def lay(config: SearchConfig | TrainConfig, processes: Processes, loaded: Loading = load) -> Foundation:
    """Load the data, and make this process compute as the configuration says.

    Args:
        loaded: gives the data asked for.

    Raises:
        InputError: the data or the device cannot be used, or a batch has no equal shares.
    """
    if config.batch_size % processes.count:
        raise InputError(
            f"-batch_size {config.batch_size} is the batch of all {processes.count} processes together, and they take "
            f"equal shares; give a multiple of {processes.count}"
        )
    device = pick_device(config.device, config.gpus, processes)
    # In turn: what the first process downloads and decodes, the others find.
    data = processes.in_turn(lambda: loaded(request_of(config)))
    _, height, width = data.train.shape
    if config.crop_padding is not None and config.crop_padding >= min(height, width):
        raise InputError(
            f"-crop_padding {config.crop_padding}: a picture of {height}x{width} pixels may be shifted out of sight; "
            f"give {min(height, width) // 2} or less"
        )
    threads = pick_threads(config, height * width, config.init_channels, config.batch_size, processes)
    prepare(device, threads.count, config.precision, config.TRAINS)
    return Foundation(config, data, device, threads, processes)
