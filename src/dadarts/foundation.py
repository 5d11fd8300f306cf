"""What a search and a training stand on: the data, the device, and the sizes that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dadarts import compute
from dadarts.cells import Macro
from dadarts.compute import Threads
from dadarts.config import SearchConfig, TrainConfig
from dadarts.data import Augmentation, DataRequest, DataSet, Loader, Pictures, load


@dataclass(frozen=True, eq=False)
class Foundation:
    """The data, in memory or ready to be decoded, and where to compute on it."""

    config: SearchConfig | TrainConfig
    data: DataSet
    device: torch.device
    threads: Threads

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
        )


def lay(config: SearchConfig | TrainConfig) -> Foundation:
    """Load the data, and make this process compute as the configuration says.

    Raises:
        InputError: the data or the device cannot be used.
    """
    device = compute.pick_device(config)
    data = load(DataRequest(config.dataset, config.data_path, config.image_size, config.cache_dir, config.workers))
    _, height, width = data.train.shape
    threads = compute.pick_threads(config, height * width, config.init_channels, config.batch_size)
    compute.prepare(device, threads.count)
    return Foundation(config, data, device, threads)
