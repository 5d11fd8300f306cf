"""What a run says of the network that its genotype is trained as, for those who read it without its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError, safe_open

from dadarts.data import KNOWN
from dadarts.errors import InputError, shortened
from dadarts.rundir.contents import NETWORK
from dadarts.rundir.saved import SavedRun
from dadarts.training.export import KEY
from dadarts.training.facts import Facts, facts_of
from dadarts.training.metrics import left

MOST = 65_536
"""Pixels, channels and layers beyond which a number in a file is damage."""


@dataclass(frozen=True)
class Pictures:
    """The pictures that a network's costs are of.

    Args:
        dataset: their data set, by its name or where it is.
        shape: channels, height and width.
        classes: how many.
    """

    dataset: str
    shape: tuple[int, int, int]
    classes: int


@dataclass(frozen=True)
class RunSays:
    """What a run says.

    Args:
        pictures: None where it does not say of which.
        channels, layers: of a training's network, or of the one that a search was limited for; None of any other
            search, whose own size is that of its supernet.
        test_top1: a finished training's test accuracy.
    """

    pictures: Pictures | None
    channels: int | None
    layers: int | None
    test_top1: float | None


def known_pictures(dataset: str) -> Pictures | None:
    """The pictures of a data set that is known by its name."""
    facts = KNOWN.get(dataset)
    return None if facts is None else Pictures(dataset, facts.shape, facts.n_classes)


def what_it_says(run: SavedRun) -> RunSays:
    """The sizes in a run's folder: as it wrote them when it began, else its trained network's, else its data set's.

    Raises:
        InputError: its configuration is damaged.
    """
    saved = run.saved_config()
    settings, versions = saved.settings, saved.versions
    network = _network(run)
    dataset = shortened(settings.get("dataset"), 120)
    pictures = known_pictures(dataset)
    if network is not None:
        pictures = Pictures(dataset, network.macro.image_shape, network.macro.classes)
    shape, classes = versions.get("image_shape"), versions.get("classes", 0)
    if isinstance(shape, list) and len(shape) == 3 and all(map(_is_size, [*shape, classes])):
        channels, height, width = shape
        pictures = Pictures(dataset, (channels, height, width), classes)
    names = ("init_channels", "layers") if saved.is_training else ("target_channels", "target_layers")
    channels, layers = (_size(run, settings, name) for name in names)
    return RunSays(pictures, channels, layers, _accuracy(run))


def _size(run: SavedRun, settings: Mapping[str, Any], name: str) -> int | None:
    size: int | None = settings.get(name)
    if size is not None and not _is_size(size):
        raise InputError(f"{run.config} is damaged: {name} is {shortened(size, 40)}")
    return size


def _is_size(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number <= MOST


def _network(run: SavedRun) -> Facts | None:
    file = NETWORK.at(run.path)
    if file.is_file():
        # A file of more bytes than there are addresses for is damaged, too.
        damaged = (SafetensorError, OSError, LookupError, MemoryError, ValueError)
        with suppress(*damaged), safe_open(file, "pt") as opened:
            return facts_of((opened.metadata() or {})[KEY])
    return None


def _accuracy(run: SavedRun) -> float | None:
    with suppress(InputError):
        return left(run.result() or "").accuracy
    return None
