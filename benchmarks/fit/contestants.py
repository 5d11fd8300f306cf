"""Who takes part, by name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
import torch

from benchmarks.fit import ours, plain, plain_training
from benchmarks.fit.entry import Contestant, Given, Result
from dadarts.fitting.candidates import FAMILIES


def peer(name: str, given: Given) -> Result:
    """A plain network of that name; classes weigh alike in its loss where they do in the metric."""
    with np.load(given.file) as file:
        train, test = (plain_training.Pictures.of(file[f"x_{part}"], file[f"y_{part}"]) for part in ("train", "test"))
        classes = len(file["classes"])
    torch.manual_seed(given.seed)
    network = plain.built(name, train.images.shape[1], classes, given.max_parameters)
    counts = torch.bincount(train.labels, minlength=classes)
    alike = given.metric == "balanced_accuracy"
    done = plain_training.trained(
        network,
        train,
        test.images,
        60 * given.minutes,
        time.process_time,
        mirror=given.flip != "none",
        weights=len(train.labels) / (classes * counts) if alike else None,
        seed=given.seed,
    )
    right = [(done.answers[test.labels == label] == label).float().mean() for label in range(classes)]
    score = torch.stack(right).mean() if alike else (done.answers == test.labels).float().mean()
    return Result(float(score), plain.parameters(network), done.epochs, f"{name}, {done.precision}")


CONTESTANTS: Mapping[str, Contestant] = MappingProxyType(
    {
        **{name: partial(peer, name) for name in plain.NETWORKS},
        "fit": ours.fit,
        "fit-searching": partial(ours.fit, searching="always"),
        "fit-without-search": partial(ours.fit, searching="never"),
        "random": ours.random,
        "search-train": ours.searched,
        **{f"only-{family.name}": partial(ours.alone, family) for family in FAMILIES},
    }
)
