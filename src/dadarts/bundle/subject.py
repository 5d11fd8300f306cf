"""What is exported: a trained network, and what its run knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dadarts.architecture.operations import Noise
from dadarts.config import TrainConfig
from dadarts.data import DataSet, load
from dadarts.data.given import MARK
from dadarts.engines.inference.graph import Node
from dadarts.engines.inference.record import recorded
from dadarts.errors import InputError
from dadarts.rundir import contents
from dadarts.rundir.lookup import network_file
from dadarts.rundir.saved import SavedConfig, SavedRun
from dadarts.runs.begun import last_part
from dadarts.runs.setup import request_of
from dadarts.seeds import generator
from dadarts.training import export, metrics
from dadarts.training.export import TrainedNetwork

COMPARED = 256
"""Pictures on which all forms must agree."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained network and its run.

    Args:
        file: its weights.
        network: on the CPU, ready to predict.
        saved: the settings and versions of its training; None where the file lies in no run.
        metrics: what that has measured on the test part; None where nothing is known.
        data: its pictures, None where they are not at hand.
        without_data: why not, in a phrase.
    """

    file: Path
    network: TrainedNetwork
    saved: SavedConfig | None
    metrics: Mapping[str, Any] | None
    data: DataSet | None
    without_data: str

    @property
    def draws(self) -> bool:
        """Whether the network has an operation that draws numbers."""
        return any(isinstance(module, Noise) for module in self.network.modules())

    @cached_property
    def recorded(self) -> list[Node]:
        """What the network computes of normalised pictures.

        Raises:
            NotImplementedError: it cannot be written down.
        """
        return recorded(self.network.network, self.network.image_shape)

    @cached_property
    def compared(self) -> Tensor:
        """Pictures on which forms are compared, uint8 (COMPARED, C, H, W): of the test part, and random ones."""
        draw = generator("compared pictures")
        random = torch.randint(0, 256, (COMPARED, *self.network.image_shape), generator=draw, dtype=torch.uint8)
        if self.data is None:
            return random
        count = min(COMPARED // 2, len(self.data.test))
        chosen = torch.randperm(len(self.data.test), generator=draw)[:count]
        return torch.cat([self.data.test.take(chosen), random])[:COMPARED]


def subject_of(run: str | Path, runs_dir: Path) -> Subject:
    """The network of a training, by its name, folder or file, with what its run has left.

    Raises:
        InputError: there is none, or it is damaged.
    """
    file = network_file(run, runs_dir)
    network = export.load(run, runs_dir=runs_dir)
    folder = SavedRun(file.parent)
    saved = folder.saved_config() if folder.exists and contents.RESULT.at(folder.path).exists() else None
    if saved is None or not saved.is_training:
        return Subject(file, network, None, None, None, "the file lies in no training's folder")
    result = folder.result()
    measured = None if result is None else metrics.left(result).metrics(folder.path)
    data, why = _data(saved)
    if data is not None and not _has_tested(data, measured or {}):
        data, why = None, "its test pictures have changed since"
    return Subject(file, network, saved, measured, data, why)


def _data(saved: SavedConfig) -> tuple[DataSet | None, str]:
    """The pictures of a training, or why they are not at hand."""
    if str(saved.settings["dataset"]).endswith(MARK):
        return None, "its pictures were given in Python"
    try:
        data = load(request_of(TrainConfig(**saved.settings)))
    except InputError as error:
        return None, f"its pictures cannot be read: {error.marked}"
    if saved.versions.get("data") != data.fingerprint:
        return None, "its pictures have changed since"
    return _without_places(data, saved.settings.get("test_path")), ""


def _without_places(data: DataSet, test_path: str | None) -> DataSet:
    """The same, named by the last parts of its paths: what is exported is for others."""
    remarks = data.remarks
    if test_path is not None:
        remarks = tuple(remark.replace(test_path, last_part(test_path)) for remark in remarks)
    return replace(data, name=last_part(data.name), remarks=remarks)


def _has_tested(data: DataSet, measured: Mapping[str, Any]) -> bool:
    """Whether the test part is, as far as metrics tell, the one that they were measured on."""
    known = {"test_data": data.test_fingerprint, "test_pictures": len(data.test)}
    return all(measured[name] == now for name, now in known.items() if measured.get(name) is not None)
