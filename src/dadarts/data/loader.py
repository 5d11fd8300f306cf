"""The batches of one split, each a pure function of its epoch and step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from dadarts.data.augment import Augmentation, Draws, normalise
from dadarts.data.pictures import Pictures
from dadarts.data.split import class_mixed
from dadarts.distributed import ALONE, Processes
from dadarts.errors import InputError
from dadarts.seeds import derive, generator

_CPU = torch.device("cpu")

AHEAD = 3
"""Batches that are fetched before they are asked for, where a loader has workers."""


@dataclass(frozen=True)
class Batch:
    """Normalised images, float32 (B, C, H, W), and labels, int64 (B,), on the loader's device.

    Where several processes share a batch, B is this one's part.

    `key` identifies the randomness of the batch: `derive(seed, stream, epoch, step)`. `weights` are the pictures',
    float32 (B,); None where all count alike.
    """

    images: Tensor
    labels: Tensor
    key: int
    weights: Tensor | None = None


@dataclass(frozen=True)
class _Fetched:
    images: Tensor
    labels: Tensor
    weights: Tensor | None
    draws: Draws | None


@dataclass(frozen=True, eq=False)
class Loader:
    """The batches of `pictures[index]`; it holds no state, so an epoch can be entered at any step.

    With `augment` an epoch is shuffled and its last, partial batch is left out; without, the pictures come in
    the order of `index`, only normalised, to the last. `mixes_classes` is for networks whose batch norms use the
    batch's own statistics: every epoch then has the same batches, which hold all pictures, near-equal in size and
    every class spread over them evenly (see `class_mixed`). `stream` ("train", "valid", "test") separates the
    randomness of loaders that share a seed. With `workers` above 0 a thread fetches a few batches ahead; no
    number depends on it. Where there are several `processes`, an augmented batch is drawn whole and each process
    takes its share of it; batches without augmentation stay whole, to be `dealt`.

    Raises InputError where an augmented split is smaller than one batch.
    """

    pictures: Pictures
    index: Tensor
    batch_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int
    stream: str
    augment: Augmentation | None
    device: torch.device = _CPU
    workers: int = 0
    processes: Processes = ALONE
    mixes_classes: bool = False

    def __post_init__(self) -> None:
        if self.augment is not None and len(self.index) < self.batch_size:
            raise InputError(
                f"a batch of {self.batch_size} is more than the {len(self.index)} pictures of the "
                f"{self.stream} part; give -batch_size {len(self.index)} or less"
            )

    @property
    def labels(self) -> Tensor:
        """Class of every picture that the batches are of, int64 (N,)."""
        return self.pictures.labels[self.index]

    @property
    def weights(self) -> Tensor | None:
        """How much each of them counts, float32 (N,); None where all count alike."""
        every = self.pictures.weights
        return None if every is None else every[self.index]

    @property
    def treatment(self) -> str:
        """What is done to a picture, in a phrase."""
        return "not augmented" if self.augment is None else self.augment.described

    def steps(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.index), self.batch_size)
        return whole if self.augment is not None or not rest else whole + 1

    def smallest(self) -> int:
        """Pictures in an epoch's smallest batch."""
        return min(self.sizes())

    def sizes(self) -> list[int]:
        """Pictures in each batch of an epoch."""
        return [len(own) for own in self._batches(0)]

    def epoch(self, epoch: int, start: int = 0, stride: int = 1) -> Iterator[Batch]:
        """The batches of an epoch from step `start` on, every one or every `stride`-th."""
        batches = self._batches(epoch)
        steps = range(start, self.steps(), stride)
        if self.workers == 0:
            for step in steps:
                yield self._finish(self._fetch(batches[step], epoch, step), epoch, step)
            return
        with ThreadPoolExecutor(1, thread_name_prefix=f"{self.stream}-batches") as thread:
            waiting: deque[Future[_Fetched]] = deque()
            try:
                for place, step in enumerate(steps):
                    for later in steps[place + len(waiting) : place + AHEAD]:
                        waiting.append(thread.submit(self._fetch, batches[later], epoch, later))
                    yield self._finish(waiting.popleft().result(), epoch, step)
            finally:
                for future in waiting:
                    future.cancel()

    def dealt(self) -> Iterator[tuple[int, Batch | None]]:
        """The whole batches of epoch 0 and their steps, dealt to the processes in turn.

        All processes get equally many; those that the last round leaves without a batch get None in its place.
        """
        processes = self.processes
        own = self.epoch(0, processes.rank, processes.count)
        for begin in range(0, self.steps(), processes.count):
            yield begin + processes.rank, next(own, None)

    def first(self, batches: int) -> Loader:
        """A loader of the pictures of so many first batches, of those without augmentation."""
        return replace(self, index=torch.cat(list(self._unaugmented[:batches])))

    def at_least(self, pictures: int) -> Loader:
        """A loader of as few of the first batches as hold so many pictures; of all where the split has no more."""
        return self if len(self.index) <= pictures else self.first(-(-pictures // self.smallest()))

    def whole(self) -> Loader:
        """A loader of the same batches that does not share them with other processes."""
        return replace(self, processes=ALONE)

    def _batches(self, epoch: int) -> Sequence[Tensor]:
        """Which pictures make each batch of an epoch."""
        if self.augment is None:
            return self._unaugmented
        source = generator(self.seed, self.stream, "order", epoch)
        order = self.index[torch.randperm(len(self.index), generator=source)]
        return torch.split(order, self.batch_size)[: self.steps()]

    @cached_property
    def _unaugmented(self) -> Sequence[Tensor]:
        if not self.mixes_classes:
            return torch.split(self.index, self.batch_size)
        seed = derive(self.seed, self.stream)
        return [self.index[own] for own in class_mixed(self.labels, self.steps(), seed)]

    def _fetch(self, chosen: Tensor, epoch: int, step: int) -> _Fetched:
        draws = None
        if self.augment is not None:
            source = generator(self.seed, self.stream, "augment", epoch, step)
            share = self.processes.share(len(chosen))
            draws = self.augment.draw(len(chosen), self.pictures.shape, source)[share]
            chosen = chosen[share]
        every = self.pictures.weights
        weights = None if every is None else every[chosen]
        return _Fetched(self.pictures.take(chosen), self.pictures.labels[chosen], weights, draws)

    def _finish(self, fetched: _Fetched, epoch: int, step: int) -> Batch:
        # In the caller's thread: the current CUDA device belongs to a thread.
        images, labels = fetched.images.to(self.device), fetched.labels.to(self.device)
        weights = None if fetched.weights is None else fetched.weights.to(self.device)
        if self.augment is None or fetched.draws is None:
            images = normalise(images, self.mean, self.std)
        else:
            draws = fetched.draws.to(self.device)
            images = normalise(self.augment.crop(images, draws), self.mean, self.std)
            images = self.augment.cut(images, draws)
        # Convolutions of the sizes that cells have run about twice as fast in this layout.
        images = images.contiguous(memory_format=torch.channels_last)
        return Batch(images, labels, derive(self.seed, self.stream, epoch, step), weights)
