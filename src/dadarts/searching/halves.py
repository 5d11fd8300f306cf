"""The two halves of a search's training pictures, one for weights and one for alphas, and their batches."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dadarts.config import SearchConfig
from dadarts.data import Loader, stratified_halves
from dadarts.errors import InputError
from dadarts.pacing import counted
from dadarts.runs.setup import Foundation


@dataclass(frozen=True)
class Loaders:
    """Batches of a search: the weight step's half, the other half augmented alike, and plain for validation."""

    train: Loader
    architecture: Loader
    validation: Loader

    @property
    def steps(self) -> int:
        """Batch pairs in an epoch."""
        return min(self.train.steps(), self.architecture.steps())


def loaders(config: SearchConfig, base: Foundation) -> Loaders:
    """The batches of a search on the training pictures of its foundation.

    Raises:
        InputError: a batch is more than a half.
    """
    pictures = base.data.train
    train, valid = stratified_halves(pictures.labels, config.dataset_portion, config.seed)
    augment = base.augmentation()
    halves = {"training": len(train), "validation": len(valid)}
    smaller = min(halves, key=lambda half: halves[half])
    if config.batch_size > halves[smaller]:
        raise InputError(
            f"a batch of {config.batch_size} is more than the {smaller} half of {counted(halves[smaller], 'picture')}: "
            f"give -batch_size {halves[smaller]} or less"
        )
    return Loaders(
        base.loader(pictures, train, "train", augment),
        base.loader(pictures, valid, "architecture", augment),
        # The supernet's batch norms use the batch: where all of it is one class, nothing tells classes apart.
        replace(base.loader(pictures, valid, "validation", None), mixes_classes=True),
    )
