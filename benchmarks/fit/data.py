"""Parts of CIFAR-10 as people have data: some hundred pictures of a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dadarts.data import DataRequest, Pictures, load

OF_TEST = 200
"""Pictures of a class in the test part."""


def subset(folder: Path, of_class: int, out: Path) -> Path:
    """An ``.npz`` of the first `of_class` training pictures of every class, and of 200 test pictures; made once.

    Args:
        folder: where ``cifar10`` lies, in any form that dadarts reads.
    """
    path = out / f"cifar10-{of_class}.npz"
    if not path.is_file():
        data = load(DataRequest("cifar10", folder, None, None, 0))
        train, test = _first(data.train, of_class), _first(data.test, OF_TEST)
        out.mkdir(parents=True, exist_ok=True)
        arrays = {
            f"{name}_{part}": array
            for part, pictures, index in (("train", data.train, train), ("test", data.test, test))
            for name, array in (
                ("x", pictures.take(index).permute(0, 2, 3, 1).numpy()),
                ("y", pictures.labels[index].numpy()),
            )
        }
        np.savez(path, classes=np.array(data.classes), **arrays)  # type: ignore[arg-type]
    return path


def _first(pictures: Pictures, of_class: int) -> torch.Tensor:
    places = [(pictures.labels == label).nonzero().flatten()[:of_class] for label in range(10)]
    return torch.cat(places).sort().values
