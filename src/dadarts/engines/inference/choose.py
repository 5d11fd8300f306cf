"""Which form of a discrete network answers in evaluation mode: the compiled one or the readable one."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor

from dadarts.architecture.costs import count_multiply_adds
from dadarts.architecture.network import Network
from dadarts.engines.inference.predictor import Predictor
from dadarts.engines.inference.program import SOURCE, Library
from dadarts.engines.native.build import NoCompilerError, is_compiled, library
from dadarts.engines.native.window import SUFFIXES

COMPILING = 1 << 34
"""Multiply-adds that take torch about as long as compiling takes."""

_log = logging.getLogger(__name__)


class Inference:
    """A network's answers without gradients: the same function of the same pictures, as fast as the machine can.

    Compiled code answers on a CPU where there is a C++ compiler; torch everywhere else, in training mode, where
    gradients are recorded, and what the compiled code does not know.

    Args:
        network: the readable definition.
        waits: whether torch answers until it has computed as much as compiling would have cost, unless that has
            been done before. Else it is done at once.
    """

    def __init__(self, network: Network, waits: bool = False) -> None:
        self.network = network
        self._waits = waits
        self._predictor: Predictor | None = None
        self._decided = False
        self._left: float | None = None

    def __call__(self, x_BCHW: Tensor, noise_key: int = 0, threads: int | None = None) -> Tensor:
        """Logits (B, classes); see `Network.forward`.

        Args:
            threads: that compiled code may take; None: as many as torch has.
        """
        if self._fits(x_BCHW) and (predictor := self._at_hand(len(x_BCHW))) is not None:
            try:
                return predictor(x_BCHW, noise_key, threads).flatten(1)
            except NotImplementedError as error:
                _log.info("torch predicts: %s", error)
                self._predictor = None
        logits: Tensor = self.network(x_BCHW, noise_key=noise_key)
        return logits

    def __reduce__(self) -> tuple[Any, ...]:
        # Compiled code stays in its process.
        return Inference, (self.network, self._waits)

    def _fits(self, x: Tensor) -> bool:
        weight = next(self.network.parameters())
        if self.network.training or torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
            return False
        plain = type(x) is Tensor and x.device.type == weight.device.type == "cpu" and x.dtype == weight.dtype
        return plain and x.dtype in SUFFIXES and x.ndim == 4 and len(x) > 0

    def _at_hand(self, pictures: int) -> Predictor | None:
        if self._decided:
            return self._predictor
        if self._waits and self._is_torch_s(pictures):
            return None
        self._decided = True
        try:
            self._predictor = Predictor(self.network, Library(library(SOURCE)))
        except NoCompilerError as error:
            _log.info("torch predicts: %s", error)
        return self._predictor

    def _is_torch_s(self, pictures: int) -> bool:
        """Whether torch, with these pictures too, computes less than compiling would cost."""
        if self._left is None:
            # Asked once: the answer runs the compiler, which takes longer than a small network.
            each = count_multiply_adds(self.network.genotype, self.network.macro)
            self._left = 0 if is_compiled(SOURCE) else COMPILING / max(1, each)
        self._left -= pictures
        return self._left > 0
