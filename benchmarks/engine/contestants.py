"""The engines that are compared, and the passes and steps that they are timed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import space
from dadarts.architecture.supernet import Forward, Idle, Mixing, Supernet
from dadarts.engines.choose import EngineName, PrecisionName, pick_engine
from dadarts.methods.alphas import Alphas
from dadarts.methods.method import Method, Objective
from dadarts.methods.relaxations import Hard, Soft, TopK
from dadarts.methods.schedules import Constant, Progress
from dadarts.runs.device import placed
from dadarts.searching.bilevel import Bilevel
from dadarts.searching.step import Optimizers
from dadarts.seeds import generator, seeded

CPU = torch.device("cpu")
HALFWAY = Progress(1, 2)
ENGINES = ("nchw", "channels_last", "native")
"""The readable supernet in two memory formats, and the native engine."""
TOLERANCE = 1e-6

Run = Callable[[], None]


@dataclass(frozen=True)
class Scale:
    """The size of what is timed."""

    batch: int
    channels: int = 16
    cells: int = 8
    nodes: int = 4
    side: int = 32


@dataclass(frozen=True)
class Batch:
    """Pictures of noise."""

    images: Tensor
    labels: Tensor
    key: int = 0


class Dense:
    """The readable supernet as other projects ship it: every operation is computed, times its weight, be it zero."""

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet

    def __call__(self, x_BCHW: Tensor, mixing: Mixing, noise_key: int = 0, idle: Idle | None = None, /) -> Tensor:
        # Weights that need a gradient are never skipped.
        every = {
            kind: tuple(node if node.requires_grad else node.clone().requires_grad_() for node in nodes)
            for kind, nodes in mixing.items()
        }
        return self.supernet(x_BCHW, every, noise_key)  # type: ignore[no-any-return]


class Contestant:
    """One engine with weights, alphas from N(0, 1) and batches of its own, all drawn alike.

    Args:
        engine: nchw or channels_last, the readable supernet; or an engine of `-engine`.
        scale: of the supernet and its batches.
        device: where it computes.
        precision: of an engine's passes; the readable supernet's are what torch is set to.
    """

    def __init__(
        self, engine: str, scale: Scale, device: torch.device = CPU, precision: PrecisionName = "float32"
    ) -> None:
        darts = space("darts", scale.nodes)
        shape = (3, scale.side, scale.side)
        with seeded(0, "weights"):
            self.supernet = Supernet(darts, Macro(scale.channels, scale.cells, shape, 10)).to(device)
        images = torch.randn((2, scale.batch, *shape), generator=generator(0, "images")).to(device)
        labels = (torch.arange(scale.batch) % 10).to(device)
        memory = torch.contiguous_format if engine == "nchw" else torch.channels_last
        if engine != "nchw":
            placed(self.supernet, device)
        self.train, self.valid = (Batch(half.contiguous(memory_format=memory), labels) for half in images)
        self.alphas = Alphas(darts, draw := generator(0, "alphas"))
        with torch.no_grad():
            for alpha in self.alphas.parameters():
                alpha.copy_(torch.randn(alpha.shape, generator=draw))
        self.alphas.to_device(device)
        self.w = list(self.supernet.parameters())
        self.forward: Forward = Dense(self.supernet)
        self.exact: Forward = self.forward
        self._tolerance = 0.0
        if engine in get_args(EngineName):
            picked = pick_engine(cast("EngineName", engine), self.supernet, device, precision)
            self.forward, self.exact, self._tolerance = picked.forward, picked.exact, TOLERANCE

    def soft(self) -> None:
        """Forward and backward pass of plain DARTS, with gradients of w and alpha."""
        loss = self._loss(self.alphas.mix(Soft(), HALFWAY))
        torch.autograd.grad(loss, [*self.alphas.parameters(), *self.w])

    def hard(self) -> None:
        """Forward and backward pass of the weight step under hard discretization."""
        torch.autograd.grad(self._loss(self._hard()), self.w, allow_unused=True)

    def validation(self) -> None:
        """Forward pass of the discretized supernet."""
        with torch.no_grad():
            self.forward(self.valid.images, self._hard(), 0)

    def first_order(self) -> None:
        """A whole step of first-order DARTS."""
        self._step(Method(order="first"))

    def second_order(self) -> None:
        """A whole step of second-order DARTS."""
        self._step(Method())

    def dadarts_t1(self) -> None:
        """A whole step of DADARTS at temperature 1: top-k on alphas, hard weight step."""
        self._dadarts(1.0)

    def dadarts_t50(self) -> None:
        """The same at temperature 50."""
        self._dadarts(50.0)

    def dadarts_t200(self) -> None:
        """The same at temperature 200."""
        self._dadarts(200.0)

    def dadarts_t200_all_sparse(self) -> None:
        """The same with top-k in the virtual step too: every pass is sparse."""
        hot = TopK(temperature_edge=Constant(200.0), temperature_node=Constant(200.0))
        self._step(Method(Objective(Hard()), Objective(hot), look_ahead=hot))

    def _hard(self) -> Mixing:
        with torch.no_grad():
            return self.alphas.mix(Hard(), HALFWAY)

    def _loss(self, mixing: Mixing) -> Tensor:
        return F.cross_entropy(self.forward(self.train.images, mixing, 0), self.train.labels)

    def _dadarts(self, temperature: float) -> None:
        hot = TopK(temperature_edge=Constant(temperature), temperature_node=Constant(temperature))
        self._step(Method(Objective(Hard()), Objective(hot)))

    def _step(self, method: Method) -> None:
        bilevel = Bilevel(self.supernet, self.alphas, method, self.forward, self._tolerance, self.exact)
        optimizers = Optimizers(
            bilevel,
            momentum=0.9, weight_decay=3e-4, nesterov=False, grad_clip=5.0, alpha_lr=3e-4, alpha_weight_decay=1e-3,
        )  # fmt: skip
        optimizers.step(self.train, self.valid, HALFWAY, 0.025)
