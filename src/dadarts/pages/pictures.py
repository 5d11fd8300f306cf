"""The pictures of a run: what its data set holds now, and those that its network takes for another class."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dadarts.config import SearchConfig, TrainConfig
from dadarts.data import DataSet, load
from dadarts.errors import InputError, in_flags
from dadarts.pacing import SILENCE, counted
from dadarts.pages.finding import Begun
from dadarts.report.page.charts import percent
from dadarts.report.page.content import Data, Mistake, Mistakes, Table
from dadarts.runs.setup import request_of
from dadarts.training.export import TrainedNetwork

MOST_TESTED = 10_000
"""Test pictures that are classified for a page."""
_MOST_SHOWN, _BATCH = 24, 256
_SIDE = 96
"""Pixels; larger pictures are made smaller."""
_MOST_CLASSES = 200
"""Rows of a table of classes."""


@dataclass
class Reader:
    """Reads data sets, each once.

    Args:
        leaves_out: why none is read; empty where all are.
    """

    leaves_out: str = ""
    _read: dict[str, DataSet | InputError] = field(default_factory=dict)

    def data(self, config: SearchConfig | TrainConfig) -> DataSet:
        """The data set of a run as it is now.

        Raises:
            InputError: it cannot be read, or is not to be.
        """
        if self.leaves_out:
            raise InputError(self.leaves_out)
        request = request_of(config)
        found = self._read.get(repr(request))
        if found is None:
            try:
                found = load(request)
            except InputError as error:
                found = error
            self._read[repr(request)] = found
        if isinstance(found, InputError):
            raise found
        return found


def data_of(begun: Begun, config: SearchConfig | TrainConfig, reader: Reader) -> tuple[Data, DataSet | None]:
    """What is to be said of a run's pictures, and the data set where it still is what the run has read."""
    try:
        data = reader.data(config)
    except InputError as error:
        return Data(f"The pictures are left out: {in_flags(error.marked)}"), None
    if data.fingerprint != begun.saved.versions.get("data", data.fingerprint):
        return Data(f"{config.dataset} holds other training pictures now than the run has read."), None
    channels, height, width = data.train.shape
    text = (
        f"{data.name}: {len(data.train):,} training and {len(data.test):,} test pictures of {width}×{height} pixels "
        f"in {counted(channels, 'channel')}, of {len(data.classes):,} classes."
    )
    return Data(text, _by_class(data), tuple(map(in_flags, (*data.remarks, *data.notes)))), data


def _by_class(data: DataSet) -> Table:
    counts = [
        torch.bincount(part.labels.cpu(), minlength=len(data.classes)).tolist() for part in (data.train, data.test)
    ]
    rows = [
        (name, f"{own:,}", percent(own / len(data.train)), f"{held:,}")
        for name, own, held in zip(data.classes, *counts, strict=True)
    ]
    caption = "Pictures of each class"
    if len(rows) > _MOST_CLASSES:
        caption += f", the first {_MOST_CLASSES} of {len(rows):,}"
    head = ("class", "training", "of all", "test")
    return Table(caption, head, tuple(rows[:_MOST_CLASSES]), frozenset({1, 2, 3}))


def mistakes_of(network: TrainedNetwork, data: DataSet, said: float | None) -> Mistakes:
    """The test pictures that a network is surest of being of a class that they are not of.

    Args:
        said: the test accuracy that the training has reported.
    """
    if network.classes != data.classes or network.image_shape != data.test.shape:
        return Mistakes("The network was trained on pictures of other classes, or of another size, than are there now.")
    index = _chosen(len(data.test))
    labels = data.test.labels.cpu()[index]
    sure, answers = _answers(network, data, index)
    wrong = torch.nonzero(answers != labels).flatten()
    order = wrong[sure[wrong].argsort(descending=True, stable=True)][:_MOST_SHOWN]
    of = f"{len(index):,} test pictures" if len(index) == len(data.test) else f"{len(index):,} of {len(data.test):,}"
    text = f"Of {of} the network takes {len(wrong):,} for another class."
    if len(index) == len(data.test) and said is not None:
        text += _other_accuracy(1 - len(wrong) / len(index), said)
    if len(wrong) > len(order):
        text += f" These are the {len(order)} that it is surest of."
    return Mistakes(text, tuple(_mistakes(data, index, labels, answers, sure, order)))


def _other_accuracy(now: float, said: float) -> str:
    if abs(now - said) < 0.005:
        return ""
    return (
        f" That is an accuracy of {percent(now)}, where the training reported {percent(said)}: the test part differs."
    )


def _chosen(count: int) -> Tensor:
    """All test pictures, of too many as many as can be waited for, from all over the part."""
    kept = min(count, MOST_TESTED)
    return torch.arange(kept) * count // kept


def _answers(network: TrainedNetwork, data: DataSet, index: Tensor) -> tuple[Tensor, Tensor]:
    """The largest probability, and the class that has it, of every picture at `index`."""
    found, began = [], time.monotonic()
    said = began
    for batch in torch.split(index, _BATCH):
        found.append(network.predict_proba(data.test.take(batch)).max(dim=1))
        if time.monotonic() - said > SILENCE:
            said = time.monotonic()
            done = sum(len(each.values) for each in found)
            print(f"dadarts report: classified {done:,} of {len(index):,} test pictures", file=sys.stderr)
    return torch.cat([each.values for each in found]), torch.cat([each.indices for each in found])


def _mistakes(
    data: DataSet, index: Tensor, labels: Tensor, answers: Tensor, sure: Tensor, order: Tensor
) -> Iterator[Mistake]:
    pictures = data.test.take(index[order]) if len(order) else ()
    for pixels, place in zip(pictures, order.tolist(), strict=True):
        image, media, (width, height) = thumbnail(pixels)
        truth, answer = data.classes[int(labels[place])], data.classes[int(answers[place])]
        yield Mistake(int(index[place]) + 1, image, media, width, height, truth, answer, float(sure[place]))


def thumbnail(pixels: Tensor) -> tuple[bytes, str, tuple[int, int]]:
    """A picture, uint8 (C, H, W), as a small file, its media type, and its width and height.

    Of pictures that are neither grey nor of three colours the first channel is shown.
    """
    array = pixels.cpu().numpy().astype(np.uint8)
    picture = Image.fromarray(array.transpose(1, 2, 0)) if len(array) == 3 else Image.fromarray(array[0])
    small = max(picture.size) <= _SIDE // 2
    picture.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    # A photograph takes a fifth as a JPEG, and few pixels are spoilt by it.
    picture.save(stream, "PNG" if small else "JPEG", **({"optimize": True} if small else {"quality": 85}))
    return stream.getvalue(), "image/png" if small else "image/jpeg", picture.size
