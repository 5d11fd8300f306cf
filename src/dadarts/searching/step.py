"""The two optimizers of a search, and one step with them: first alpha, then w."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dadarts.architecture.supernet import Batch, Mixing
from dadarts.methods.schedules import Progress
from dadarts.runs.optimizers import SGD, Adam
from dadarts.searching.bilevel import Arrays, Bilevel, Inner

_NAN = torch.tensor(float("nan"))
_NOTHING = torch.tensor(0)


@dataclass(frozen=True)
class StepLosses:
    """What a step measured, still on the device.

    Args:
        train_loss: mean over the train batch.
        train_correct: how many of its pictures were classified right.
        valid_loss: mean over the validation batch; None without an architecture step.
        architecture_seconds: what the architecture step took.
    """

    train_loss: Tensor
    train_correct: Tensor
    valid_loss: Tensor | None
    architecture_seconds: float = 0.0


class Optimizers:
    """SGD on w and Adam on alpha, and one step of the search with them (the paper's algorithm 1).

    Args:
        bilevel: supplies gradients.
        momentum, weight_decay, nesterov, grad_clip: of the weight step.
        alpha_lr, alpha_weight_decay: of the architecture step, Adam with betas (0.5, 0.999).
    """

    def __init__(
        self,
        bilevel: Bilevel,
        *,
        momentum: float,
        weight_decay: float,
        nesterov: bool,
        grad_clip: float,
        alpha_lr: float,
        alpha_weight_decay: float,
    ) -> None:
        self.bilevel = bilevel
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.grad_clip = grad_clip
        self.sgd = SGD(bilevel.w, lr=0.0, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, foreach=True)
        self.adam = Adam(bilevel.alpha, lr=alpha_lr, betas=(0.5, 0.999), weight_decay=alpha_weight_decay)

    def step(self, train: Batch, valid: Batch | None, progress: Progress, weight_lr: float) -> StepLosses:
        """One architecture step and one weight step; `valid` is None where the method's order has no use for it.

        Where the validation loss or its gradient is not finite nothing is updated, and where the training loss or
        its gradient is not, w is not; the training loss that is returned is then NaN, and the caller decides.
        """
        method = self.bilevel.method
        if method.order == "none" or (method.order == "single-level" and progress.fraction < method.warm_up):
            return self.weight_step(train, self._weights_mixing(progress), weight_lr)
        if valid is None:
            self._set_weight_lr(weight_lr)
            return self._single_level(train, progress)
        valid_loss, architecture_seconds = None, 0.0
        if progress.fraction >= method.warm_up:
            began = time.monotonic()
            gradient, valid_loss = self.bilevel.architecture_gradient(train, valid, progress, self.inner(weight_lr))
            if not _finite(valid_loss, gradient):
                return StepLosses(_NAN, _NOTHING, valid_loss)
            self._alpha_update(gradient)
            # Whether the gradient is finite was asked for: the device has computed it.
            architecture_seconds = time.monotonic() - began
        losses = self.weight_step(train, self._weights_mixing(progress), weight_lr)
        return replace(losses, valid_loss=valid_loss, architecture_seconds=architecture_seconds)

    def weight_step(self, train: Batch, mixing: Mixing, weight_lr: float) -> StepLosses:
        """SGD on w under given mixing weights; a loss that is not finite is dealt with as in `step`."""
        self._set_weight_lr(weight_lr)
        gradient, loss, logits = self.bilevel.weight_gradient(train, mixing)
        if not self._weight_update(gradient, loss):
            return StepLosses(_NAN, _NOTHING, None)
        return StepLosses(loss, (logits.argmax(dim=1) == train.labels).sum(), None)

    def _set_weight_lr(self, weight_lr: float) -> None:
        for group in self.sgd.param_groups:
            group["lr"] = weight_lr

    def _weights_mixing(self, progress: Progress) -> Mixing:
        # As in the papers, the weight step samples anew; passes of one architecture step share their sample.
        return self.bilevel.fixed_mixing(self.bilevel.method.weights.relax, progress.apart("weights"))

    def inner(self, weight_lr: float) -> Inner:
        """The inner step as the weight optimizer would take it now, clipping and Nesterov apart."""
        buffers = [
            self.sgd.state[w]["momentum_buffer"]
            if self.sgd.state[w].get("momentum_buffer") is not None
            else torch.zeros_like(w)
            for w in self.bilevel.w
        ]
        return Inner(weight_lr, self.momentum, self.weight_decay, buffers)

    def _single_level(self, train: Batch, progress: Progress) -> StepLosses:
        gradient, loss, logits = self.bilevel.single_level_gradient(train, progress)
        n = len(self.bilevel.w)
        if not _finite(loss, gradient[n:]) or not self._weight_update(gradient[:n], loss):
            return StepLosses(_NAN, _NOTHING, None)
        self._alpha_update(gradient[n:])
        return StepLosses(loss, (logits.argmax(dim=1) == train.labels).sum(), None)

    def _alpha_update(self, gradient: list[Tensor]) -> None:
        _update(self.adam, self.bilevel.alpha, gradient)
        for penalty in self.bilevel.method.alphas.penalties:
            penalty.follow(self.bilevel.alphas, self.adam.param_groups[0]["lr"])

    def _weight_update(self, gradient: list[Tensor], loss: Tensor) -> bool:
        norm = torch.nn.utils.get_total_norm(gradient)
        if not _finite(loss, [norm]):
            return False
        if self.grad_clip > 0:
            torch._foreach_mul_(gradient, (self.grad_clip / (norm + 1e-6)).clamp(max=1.0))
        _update(self.sgd, self.bilevel.w, gradient)
        return True


def _finite(loss: Tensor, gradient: Arrays) -> bool:
    return bool(loss.isfinite()) and all(bool(g.isfinite().all()) for g in gradient)


def _update(optimizer: torch.optim.Optimizer, parameters: Arrays, gradient: Arrays) -> None:
    for parameter, g in zip(parameters, gradient, strict=True):
        parameter.grad = g
    optimizer.step()
    optimizer.zero_grad()
