"""Encoded pictures: decoded once and cached where they fit in memory, decoded as they are taken where not."""

from __future__ import annotations

import errno
import logging
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from dadarts.data import memory
from dadarts.data.cache import Cache
from dadarts.data.pictures import InMemory, Pictures, Shape
from dadarts.errors import InputError
from dadarts.pacing import SILENCE, duration

_log = logging.getLogger(__name__)

_CHUNK = 256
_WINDOW = 8
_QUIET_SECONDS = 2.0
_OF_THE_MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO})

Given = TypeVar("Given")
Made = TypeVar("Made")


class Encoded(Protocol):
    """Labelled pictures that are still files or compressed bytes."""

    @property
    def labels(self) -> Tensor: ...

    @property
    def shape(self) -> Shape: ...

    @property
    def key(self) -> str:
        """A digest of all that decides the decoded pixels."""
        ...

    def decode(self, position: int) -> NDArray[np.uint8]:
        """One picture, uint8 (C, H, W); raises InputError, naming it, where it is damaged."""
        ...


class UnreadableError(InputError):
    """Some pictures cannot be decoded.

    `failures` has what is wrong with each by its position, counted over all parts in a row.
    """

    def __init__(self, failures: Mapping[int, str]) -> None:
        super().__init__(next(iter(failures.values())))
        self.failures = dict(sorted(failures.items()))


@dataclass(frozen=True, eq=False)
class Streamed:
    """Pictures that are decoded anew whenever they are taken, by `workers` threads."""

    encoded: Encoded
    workers: int

    @property
    def labels(self) -> Tensor:
        return self.encoded.labels

    @property
    def shape(self) -> Shape:
        return self.encoded.shape

    @property
    def weights(self) -> None:
        return None

    def __len__(self) -> int:
        return len(self.encoded.labels)

    def take(self, index: Tensor) -> Tensor:
        taken = np.empty((len(index), *self.shape), np.uint8)
        for row, pixels in enumerate(threaded(self.encoded.decode, index.tolist(), self.workers)):
            taken[row] = pixels
        return torch.from_numpy(taken)


@dataclass(frozen=True)
class Decoder:
    """Makes pictures of encoded ones: `budget` bytes may be held decoded, `workers` threads decode.

    Where `nominal`, values that are no bytes are scaled by their type's range. Where `skip_broken`, a few files of a
    folder that cannot be read are left out as if they were not there (see `broken.allowance`).
    """

    cache: Cache
    workers: int = 0
    budget: int = field(default_factory=memory.budget)
    nominal: bool = False
    skip_broken: bool = False

    def pictures(self, *parts: Encoded, all_failures: bool = False, check: bool = False) -> list[Pictures]:
        """The parts as pictures; the first ones, as far as they fit together, are decoded now.

        With `check`, those that are not kept are decoded once all the same. Raises InputError at the first picture
        that cannot be decoded; with `all_failures`, UnreadableError once all have been tried.
        """
        made: list[Pictures] = []
        failures: dict[int, str] = {}
        left, first = self.budget, 0
        for encoded in parts:
            failed: dict[int, str] | None = {} if all_failures else None
            size = len(encoded.labels) * math.prod(encoded.shape)
            if size <= left:
                left -= size
                made.append(self._decoded(encoded, failed))
            else:
                if check:
                    self._decode_all(encoded, None, failed, "checking pictures")
                made.append(Streamed(encoded, self.workers))
            failures |= {first + position: why for position, why in (failed or {}).items()}
            first += len(encoded.labels)
        if failures:
            raise UnreadableError(failures)
        return made

    def _decoded(self, encoded: Encoded, failed: dict[int, str] | None) -> InMemory:
        expected = (len(encoded.labels), *encoded.shape)
        images = self.cache.find(encoded.key)
        if images is None or images.shape != expected or images.dtype != np.uint8:
            images = np.empty(expected, np.uint8)
            self._decode_all(encoded, images, failed, "decoding pictures")
            if not failed:
                images = self.cache.keep(encoded.key, images)
        return InMemory(torch.from_numpy(images), encoded.labels)

    def _decode_all(
        self, encoded: Encoded, images: NDArray[np.uint8] | None, failed: dict[int, str] | None, what: str
    ) -> None:
        count = len(encoded.labels)
        starts = range(0, count, _CHUNK)

        def decode_chunk(start: int) -> None:
            for position in range(start, min(start + _CHUNK, count)):
                try:
                    pixels = encoded.decode(position)
                except InputError as error:
                    if failed is None or not is_damage(error):
                        raise
                    failed[position] = error.marked
                    continue
                if images is not None:
                    images[position] = pixels

        for _ in shown(threaded(decode_chunk, starts, self.workers), count, what, _CHUNK):
            pass


def is_damage(error: InputError) -> bool:
    """Whether a picture that cannot be read is at fault itself, and not a machine out of memory, files or disk."""
    cause = error.__cause__
    return not (isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno in _OF_THE_MACHINE))


def threaded(make: Callable[[Given], Made], items: Iterable[Given], workers: int) -> Iterator[Made]:
    """`map` in order, by `workers` threads; after an error the items not yet begun are dropped."""
    if workers == 0:
        yield from map(make, items)
        return
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[Made]] = deque()
    try:
        # A window, since a future for every picture of ImageNet would fill a gigabyte.
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > _WINDOW * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def shown(
    items: Iterable[Made], total: int, what: str, each: int = 1, clock: Callable[[], float] = time.monotonic
) -> Iterator[Made]:
    """`items`, once they take long with a progress bar on a terminal, elsewhere with a line now and then.

    Args:
        total: how many things they hold together.
        what: what is done with those.
        each: how many things an item holds; the last one may hold fewer.
        clock: seconds that only grow.
    """
    bar = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    task = bar.add_task(what, total=total)
    began = said = clock()
    try:
        for number, item in enumerate(items, start=1):
            yield item
            bar.advance(task, each)
            now, done = clock(), min(number * each, total)
            if not bar.live.is_started and now - began > _QUIET_SECONDS:
                bar.start()
            if bar.disable and now - said >= SILENCE:
                left = duration((now - began) / done * (total - done))
                _log.info("%s %s/%s  ETA %s", what, f"{done:,}", f"{total:,}", left)
                said = now
    finally:
        bar.stop()
