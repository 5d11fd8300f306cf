"""How fast a network trains on this machine, found by taking some of its steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import torch
import torch.nn.functional as F

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import DropPath, Network
from dadarts.architecture.skeletons import Macro
from dadarts.engines.choose import TrainingEngineName, pick_training_engine
from dadarts.runs.device import placed
from dadarts.runs.optimizers import SGD
from dadarts.seeds import generator, seeded

_UNCOUNTED = 2
"""Steps before memory, caches and the optimizer's state are as in a training."""
_FEWEST = 3
_WEIGHT, _LARGEST = 0.4, 5.0


@dataclass(frozen=True)
class Work:
    """What a training computes.

    Args:
        genotype, macro: of its network.
        batch_size: pictures of a step.
        auxiliary: whether there is an auxiliary head.
        drops: whether paths drop out.
        engine: the form of the network's passes.
    """

    genotype: Genotype
    macro: Macro
    batch_size: int
    auxiliary: bool = False
    drops: bool = False
    engine: TrainingEngineName = "auto"


def images_per_second(work: Work, seconds: float = 1.0, clock: Callable[[], float] = time.perf_counter) -> float:
    """Pictures that a training's steps take in a second: of the median step, of made-up pictures.

    With the threads that torch has now, on the CPU. A step is both passes, clipping and SGD; what a training does
    besides, which is to load and to augment pictures, is not in it.

    Args:
        seconds: after how long a time by the clock no further step is begun; there are three at least.
        clock: `time.thread_time`, with one thread, gives pictures in a second of the processor's time, whoever else
            wants it.
    """
    taken: list[float] = []
    for number, _ in enumerate(_steps(work)):
        now = clock()
        if number == _UNCOUNTED:
            began = before = now
        elif number > _UNCOUNTED:
            taken.append(now - before)
            before = now
            if len(taken) >= _FEWEST and now - began >= seconds:
                break
    return work.batch_size / median(taken)


def _steps(work: Work) -> Iterator[None]:
    """Endlessly a step of training."""
    with seeded(0, "weights"):
        network = placed(Network(work.genotype, work.macro, work.auxiliary), torch.device("cpu"))
    forward = pick_training_engine(work.engine, network, torch.device("cpu")).forward
    sgd = SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4, nesterov=True, foreach=True)
    images = torch.randn((work.batch_size, *work.macro.image_shape), generator=generator(0, "images"))
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(work.batch_size) % work.macro.classes
    draw = generator(0, "drop-path")
    while True:
        drop_path = DropPath(0.1, draw) if work.drops else None
        logits, side = forward.forward_with_auxiliary(images, drop_path, 0)
        loss = F.cross_entropy(logits, labels)
        if side is not None:
            loss = loss + _WEIGHT * F.cross_entropy(side, labels)
        sgd.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST)
        sgd.step()
        yield
