"""A step of training the discrete network, in the two memory formats."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F

from benchmarks.engine.timing import interleaved
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import DropPath, Network
from dadarts.architecture.skeletons import Macro
from dadarts.runs.device import placed
from dadarts.seeds import generator, seeded

GENOTYPE = (
    "Genotype(normal=[[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], [('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], "
    "[('sep_conv_3x3', 1), ('skip_connect', 0)], [('skip_connect', 0), ('dil_conv_3x3', 2)]], "
    "normal_concat=[2, 3, 4, 5], reduce=[[('max_pool_3x3', 0), ('max_pool_3x3', 1)], [('skip_connect', 2), "
    "('max_pool_3x3', 1)], [('max_pool_3x3', 0), ('skip_connect', 2)], [('skip_connect', 2), ('max_pool_3x3', 1)]], "
    "reduce_concat=[2, 3, 4, 5])"
)
"""DARTS_V2, the second-order genotype of arXiv 1806.09055 (figures 4 and 5)."""


def training_step(batch: int, rounds: int) -> dict[str, float | int]:
    """Seconds of a step of DARTS_V2 at 16 channels and 8 cells, and how many times as long it takes in NCHW."""
    seconds = interleaved({name: _step(name, batch) for name in ("nchw", "channels_last")}, rounds)
    ours = median(seconds["channels_last"])
    return {"batch": batch, "seconds": ours, "images_per_second": batch / ours, "ratio": median(seconds["nchw"]) / ours}


def _step(memory: str, batch: int) -> Callable[[], None]:
    with seeded(0, "weights"):
        network = Network(Genotype.parse(GENOTYPE), Macro(16, 8, (3, 32, 32), 10), True).train()
    images = torch.randn((batch, 3, 32, 32), generator=generator(0, "images"))
    if memory == "channels_last":
        placed(network, torch.device("cpu"))
        images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 10
    sgd = torch.optim.SGD(network.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4, foreach=True)

    def run() -> None:
        logits, side = network.forward_with_auxiliary(images, DropPath(0.1, generator(0, "drop-path")), 0)
        assert side is not None  # noqa: S101 -- DARTS_V2 is trained with its auxiliary head
        sgd.zero_grad()
        loss = F.cross_entropy(logits, labels) + 0.4 * F.cross_entropy(side, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        sgd.step()

    return run
