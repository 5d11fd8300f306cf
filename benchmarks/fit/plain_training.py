"""How the peers are trained, in plain torch: one cycle by the clock, so that a training ends when its seconds do.

SGD with Nesterov's momentum, labels smoothed, weights averaged, pictures shifted and mirrored as far as they may be, a
loss that weighs classes alike where they are judged alike, tensors in channels_last, and bfloat16 where a probe finds
it faster. The constants are those of the short recipe of dadarts, which its ablation has chosen on a residual network,
but for the rate: on other pictures of CIFAR-10 (10 x 200, 13 epochs) a ResNet-20 had 49.8 % at 0.3 and 50.9 % at 0.1.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

Clock = Callable[[], float]

MOMENTUM, DECAY, SMOOTHING, WARM_UP, HALF_LIFE, CLIP = 0.9, 1e-3, 0.1, 0.2, 0.03, 5.0
RATE, RATE_BATCH = 0.2, 64
FEW, SMALL_BATCH, BATCH = 1600, 32, 64
"""Of fewer pictures a batch has `SMALL_BATCH`."""
_PROBED, _AVERAGED_EVERY, _TESTED = 6, 4, 250


@dataclass(frozen=True)
class Pictures:
    """uint8 (N, C, H, W) and labels int64 (N,)."""

    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, x: NDArray[np.uint8], y: NDArray[np.int64]) -> Pictures:
        """Of arrays (N, H, W, C) and (N,)."""
        return cls(torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(y))


@dataclass(frozen=True)
class Done:
    """A training's end: what was answered to the test pictures, epochs, and the precision of passes."""

    answers: Tensor
    epochs: float
    precision: str


def rate(part: float, peak: float) -> float:
    """The learning rate when so great a part of the time has gone: up in a line, and down by a cosine."""
    if part < WARM_UP:
        return peak * max(part / WARM_UP, 0.01)
    return peak * (1 + cos(pi * min(1.0, (part - WARM_UP) / (1 - WARM_UP)))) / 2


def shifted(images: Tensor, padding: int, mirror: bool, source: torch.Generator) -> Tensor:
    """Crops after padding, and mirrored by half."""
    count, channels, height, width = images.shape
    padded = F.pad(images, (padding,) * 4)
    top, left = torch.randint(2 * padding + 1, (2, count), generator=source)
    rows = top[:, None] + torch.arange(height)
    columns = left[:, None] + torch.arange(width)
    if mirror:
        columns = torch.where(torch.rand(count, 1, generator=source) < 0.5, columns.flip(1), columns)
    flat = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).view(count, 1, -1)
    return padded.flatten(2).gather(2, flat.expand(-1, channels, -1)).view_as(images)


class _Training:
    def __init__(self, network: nn.Module, train: Pictures, mirror: bool, weights: Tensor | None, seed: int) -> None:
        self.network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.train, self.mirror, self.weights = train, mirror, weights
        self.batch = SMALL_BATCH if len(train.labels) < FEW else BATCH
        self.source = torch.Generator().manual_seed(seed)
        pixels = train.images.float()
        self.mean = pixels.mean(dim=(0, 2, 3), keepdim=True)
        self.std = pixels.std(dim=(0, 2, 3), keepdim=True)
        self.padding = max(1, round(min(train.images.shape[2:]) / 8))
        self.order = torch.empty(0, dtype=torch.int64)
        self.taken = 0
        kernels = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
        self.sgd = torch.optim.SGD(groups, lr=0.0, momentum=MOMENTUM, nesterov=True, foreach=True)

    def prepared(self, images: Tensor) -> Tensor:
        return ((images.float() - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def step(self, lr: float, low: bool) -> None:
        if len(self.order) < self.batch:
            self.order = torch.randperm(len(self.train.labels), generator=self.source)
        index, self.order = self.order[: self.batch], self.order[self.batch :]
        images = self.prepared(shifted(self.train.images[index], self.padding, self.mirror, self.source))
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            logits = self.network(images)
        loss = F.cross_entropy(logits.float(), self.train.labels[index], self.weights, label_smoothing=SMOOTHING)
        self.sgd.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        for group in self.sgd.param_groups:
            group["lr"] = lr
        self.sgd.step()
        self.taken += len(index)


def trained(
    network: nn.Module,
    train: Pictures,
    test: Tensor,
    seconds: float,
    clock: Clock,
    *,
    mirror: bool,
    weights: Tensor | None,
    seed: int,
) -> Done:
    """Train for the time that is left when the test has had its share, and answer to the test pictures.

    Args:
        test: uint8 (N, C, H, W).
        seconds: by the clock, for all of it.
        weights: of classes in the loss, (classes,).
    """
    began = clock()
    # Steps that are only timed are those of a copy: momentum and running statistics would remember them.
    probe = _Training(copy.deepcopy(network), train, mirror, weights, seed)
    paces = {low: _pace(probe, low, clock) for low in (False, True)}
    low = paces[True] < paces[False]
    own = _Training(network, train, mirror, weights, seed)
    averaged = copy.deepcopy(network)
    tensors = [(a, b) for a, b in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True)]
    floats = [(a, b) for a, b in tensors if a.is_floating_point()]
    since, steps = clock(), 0
    # A pass without gradients takes about a third of a step; twice that is kept for it.
    left = began + seconds - 2 / 3 * min(paces.values()) * len(test) / own.batch - since
    until = since + left
    while (now := clock()) < until:
        own.step(rate(1 - (until - now) / left, RATE * own.batch / RATE_BATCH), low)
        steps += 1
        if steps % _AVERAGED_EVERY == 0:
            # Averages by time as well: a half-life is a part of the seconds.
            share = 1 - 0.5 ** ((clock() - since) / (HALF_LIFE * left))
            torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], share)
            since = clock()
    averaged.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=low):
        answers = torch.cat([averaged(own.prepared(part)).float() for part in torch.split(test, _TESTED)])
    return Done(answers.argmax(dim=1), own.taken / len(train.labels), "bf16" if low else "float32")


def _pace(own: _Training, low: bool, clock: Clock) -> float:
    """Seconds of a step, at a rate of 0; the first ones find caches cold."""
    for number in range(_PROBED):
        if number == 2:
            began = clock()
        own.step(0.0, low)
    return (clock() - began) / (_PROBED - 2)
