"""Who takes part: every contestant is given a task's file, seconds of the processor's time, and perhaps a limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import torch

from benchmarks.fit import plain, plain_training
from benchmarks.fit.tasks import Task

SCRATCH = Path("runs/bench-fit")


@dataclass(frozen=True)
class Given:
    """What a contestant is given.

    Args:
        file: of the task.
        minutes: of the processor's time, for everything.
        max_parameters: that its network may have.
    """

    task: Task
    file: Path
    minutes: float
    seed: int
    max_parameters: int | None


@dataclass(frozen=True)
class Result:
    """What came of it; `network` is in words, `score` by the task's metric on the test part, in [0, 1]."""

    score: float
    parameters: int
    epochs: float
    network: str


Contestant: TypeAlias = Callable[[Given], Result]


def peer(name: str, given: Given) -> Result:
    """A plain network of that name; classes weigh alike in its loss where they do in the metric."""
    with np.load(given.file) as file:
        train, test = (plain_training.Pictures.of(file[f"x_{part}"], file[f"y_{part}"]) for part in ("train", "test"))
        classes = len(file["classes"])
    torch.manual_seed(given.seed)
    network = plain.built(name, train.images.shape[1], classes, given.max_parameters)
    counts = torch.bincount(train.labels, minlength=classes)
    alike = given.task.metric == "balanced_accuracy"
    done = plain_training.trained(
        network,
        train,
        test.images,
        60 * given.minutes,
        time.process_time,
        mirror=given.task.flip != "none",
        weights=len(train.labels) / (classes * counts) if alike else None,
        seed=given.seed,
    )
    right = [(done.answers[test.labels == label] == label).float().mean() for label in range(classes)]
    score = torch.stack(right).mean() if alike else (done.answers == test.labels).float().mean()
    return Result(float(score), plain.parameters(network), done.epochs, f"{name}, {done.precision}")


CONTESTANTS: Mapping[str, Contestant] = MappingProxyType(
    {
        **{name: partial(peer, name) for name in plain.NETWORKS},
    }
)
