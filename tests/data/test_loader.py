from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from dadarts.data import Augmentation, Batch, InMemory, Loader
from dadarts.errors import InputError
from dadarts.seeds import derive

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def numbered(count: int) -> InMemory:
    """Pictures whose pixels, all alike, are their number."""
    images = torch.arange(count).to(torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8).contiguous()
    return InMemory(images, torch.arange(count) % 7)


def loader(
    count: int = 50,
    batch_size: int = 8,
    augment: Augmentation | None = None,
    workers: int = 0,
    mixes_classes: bool = False,
) -> Loader:
    pictures, index = numbered(count), torch.arange(count)
    plain = Loader(pictures, index, batch_size, MEAN, STD, 1, "train", augment, workers=workers)
    return replace(plain, mixes_classes=mixes_classes)


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) and a.key == b.key
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("start", [0, 1, 4, 6])
@pytest.mark.parametrize("workers", [0, 1, 4])
def test_an_epoch_entered_at_a_step_gives_what_skipping_to_it_gives(start: int, workers: int) -> None:
    augmented = loader(augment=Augmentation(1, "horizontal", 3))
    skipped = list(augmented.epoch(2))[start:]
    assert same(list(replace(augmented, workers=workers).epoch(2, start=start)), skipped)


def test_epochs_and_streams_differ() -> None:
    train = loader(augment=Augmentation(1))
    first = next(train.epoch(0))
    assert not torch.equal(first.labels, next(train.epoch(1)).labels)
    assert not torch.equal(first.labels, next(replace(train, stream="valid").epoch(0)).labels)
    assert first.key == derive(1, "train", 0, 0)


def test_an_augmented_epoch_shows_each_picture_once_and_drops_the_partial_batch() -> None:
    train = loader(augment=Augmentation(0, "none"))
    batches = list(train.epoch(0))
    assert train.steps() == len(batches) == 6
    shown = torch.cat([batch.images[:, 0, 0, 0] for batch in batches])
    assert len(torch.unique(shown)) == 48


def test_without_augmentation_the_index_is_followed_to_its_last_picture() -> None:
    index = torch.tensor([9, 3, 3, 7, 1])
    batches = list(replace(loader(augment=None, batch_size=2), index=index).epoch(4))
    assert [len(batch.labels) for batch in batches] == [2, 2, 1]
    pixels = torch.cat([batch.images for batch in batches]) * torch.tensor(STD).view(3, 1, 1)
    numbers = (pixels + torch.tensor(MEAN).view(3, 1, 1)) * 255
    torch.testing.assert_close(numbers, index.float().view(-1, 1, 1, 1).expand_as(numbers))
    assert torch.equal(torch.cat([batch.labels for batch in batches]), index % 7)


@pytest.mark.parametrize("workers", [0, 2])
def test_class_mixed_batches_are_the_same_in_every_epoch_near_equal_and_whole(workers: int) -> None:
    mixed = loader(50, 8, workers=workers, mixes_classes=True)
    batches = list(mixed.epoch(0))
    assert [len(batch.labels) for batch in batches] == [8, 7, 7, 7, 7, 7, 7]
    assert mixed.smallest() == 7
    shown = torch.cat([batch.images[:, 0, 0, 0] for batch in batches])
    assert len(torch.unique(shown)) == 50
    later = list(mixed.epoch(3, start=2))
    assert all(torch.equal(a.images, b.images) for a, b in zip(batches[2:], later, strict=True))
    assert not torch.equal(batches[0].images, next(replace(mixed, seed=2).epoch(0)).images)


def test_the_first_batches_alone_have_every_class_too() -> None:
    listed_by_class = replace(loader(50, 8, mixes_classes=True), index=(torch.arange(50) % 7).argsort())
    few = listed_by_class.first(2)
    assert few.steps() == 2
    assert set(torch.bincount(few.labels).tolist()) <= {2, 3}
    assert set(few.index.tolist()) < set(range(50))


def test_the_smallest_batch_is_known_beforehand() -> None:
    assert loader(50, 8).smallest() == 2
    assert loader(50, 8, Augmentation()).smallest() == 8
    assert loader(719, 359, mixes_classes=True).smallest() == 239
    assert loader(7, 2, mixes_classes=True).smallest() == 1


def test_padding_is_black_before_normalising() -> None:
    white = InMemory(torch.full((16, 3, 8, 8), 255, dtype=torch.uint8), torch.zeros(16, dtype=torch.int64))
    train = Loader(white, torch.arange(16), 16, MEAN, STD, 1, "train", Augmentation(4))
    values = torch.unique(next(train.epoch(0)).images[:, 0])
    torch.testing.assert_close(values, torch.tensor([-0.5 / 0.2, 0.5 / 0.2]))


def test_cutout_is_zero_after_normalising() -> None:
    train = loader(augment=Augmentation(0, "none", cutout=4))
    assert all((image == 0).any() for image in next(train.epoch(0)).images)


def test_a_split_smaller_than_a_batch_is_refused() -> None:
    with pytest.raises(InputError, match="a batch of 64 is more than the 50 pictures of the train part"):
        loader(batch_size=64, augment=Augmentation())


@dataclass(frozen=True, eq=False)
class Watched:
    """Pictures that note the threads which take them, and fail on request."""

    within: InMemory
    threads: list[str]
    fails_at: int | None = None

    @property
    def labels(self) -> Tensor:
        return self.within.labels

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.within.shape

    @property
    def weights(self) -> Tensor | None:
        return self.within.weights

    def __len__(self) -> int:
        return len(self.within)

    def take(self, index: Tensor) -> Tensor:
        if len(self.threads) == self.fails_at:
            raise InputError("bird/7.png is damaged")
        self.threads.append(threading.current_thread().name)
        return self.within.take(index)


def test_with_workers_a_few_batches_and_no_more_are_fetched_ahead_by_another_thread() -> None:
    watched = Watched(numbered(80), [])
    batches = replace(loader(80), pictures=watched, workers=1).epoch(0)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert 1 <= len(watched.threads) <= 4
    assert threading.current_thread().name not in watched.threads


def test_leaving_an_epoch_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    batches = loader(workers=2).epoch(0)
    next(batches)
    del batches
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_fails_late_is_reported_after_the_batches_before_it(workers: int) -> None:
    failing = replace(loader(), pictures=Watched(numbered(50), [], fails_at=2), workers=workers).epoch(0)
    assert [next(failing).key for _ in range(2)] == [derive(1, "train", 0, step) for step in range(2)]
    with pytest.raises(InputError, match=r"bird/7\.png is damaged"):
        next(failing)
