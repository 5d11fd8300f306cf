"""The mathematics of the two levels: weights w minimise the training loss, alphas the validation loss at w'(alpha).

Arrays are lists of tensors in the order of ``supernet.parameters()`` (w) and ``alphas.parameters()`` (alpha).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from dadarts.architecture.supernet import Batch, Forward, Idle, Mixing, Supernet
from dadarts.engines.sparsity import negligible
from dadarts.methods.alphas import Alphas
from dadarts.methods.method import Method
from dadarts.methods.relaxations import Relaxation
from dadarts.methods.schedules import Progress
from dadarts.searching.operation_pictures import OperationPictures


@dataclass(frozen=True)
class Inner:
    """The inner step ``w' = w - xi (momentum * buffer + grad + decay * w)``, which the gradient looks through."""

    xi: float
    momentum: float
    decay: float
    buffers: Sequence[Tensor]

    @torch.no_grad()
    def direction(self, w: Sequence[Tensor], gradient: Sequence[Tensor]) -> list[Tensor]:
        """``momentum * buffer + grad + decay * w``: the step moves w by -xi times this."""
        return [
            self.momentum * buffer + g + self.decay * weight
            for buffer, g, weight in zip(self.buffers, gradient, w, strict=True)
        ]


Arrays: TypeAlias = Sequence[Tensor]


class Bilevel:
    """One supernet, its alphas, and the gradients of their two losses.

    Args:
        supernet: holds w.
        alphas: holds alpha.
        method: which losses.
        forward: how the supernet is computed; its own readable form where none is given.
        tolerance: below which relative effect an operation is left out of a pass; 0 leaves out nothing but zeros.
        exact: how it is computed where gradients are subtracted; `forward` where none is given. A finite difference
            moves weights by less than half precision resolves.
        average: the mean of tensors over processes, each of which computes a share of every batch. It is linear, so
            gradients that have been averaged are those of the global batch, in every pass.
        work: counts what all passes of `loss` compute.
    """

    def __init__(
        self,
        supernet: Supernet,
        alphas: Alphas,
        method: Method,
        forward: Forward | None = None,
        tolerance: float = 0.0,
        exact: Forward | None = None,
        average: Callable[[Arrays], list[Tensor]] = list,
        work: OperationPictures | None = None,
    ) -> None:
        self.supernet = supernet
        self.forward = supernet if forward is None else forward
        self.exact = self.forward if exact is None else exact
        self.alphas = alphas
        self.method = method
        self.tolerance = tolerance
        self.average = average
        self.work = OperationPictures(supernet) if work is None else work
        self.w: list[Tensor] = list(supernet.parameters())
        self.alpha: list[Tensor] = list(alphas.parameters())

    def loss(self, batch: Batch, mixing: Mixing, idle: Idle | None = None) -> tuple[Tensor, Tensor]:
        """Mean cross entropy and logits of a batch."""
        self.work.step(mixing, idle, len(batch.labels))
        logits = self.forward(batch.images, mixing, batch.key, idle)
        return F.cross_entropy(logits, batch.labels), logits

    def fixed_mixing(self, relaxation: Relaxation, progress: Progress) -> Mixing:
        """Mixing weights as constants, for passes that need no gradient of alpha; 0 where they are negligible."""
        with torch.no_grad():
            mixing_NEO, left_out = self.mixing(relaxation, progress)
        return self.alphas.split(mixing_NEO.masked_fill(left_out, 0))

    def mixing(self, relaxation: Relaxation, progress: Progress) -> tuple[Tensor, Tensor]:
        """Mixing weights (N, E, O), and which of them are negligible."""
        mixing_NEO = relaxation(self.alphas.stacked(), self.alphas.candidates, progress)
        if self.tolerance == 0:
            return mixing_NEO, torch.zeros_like(mixing_NEO, dtype=torch.bool)
        return mixing_NEO, negligible(mixing_NEO, self.alphas, relaxation, progress, self.tolerance)

    def relaxed_loss(self, batch: Batch, relaxation: Relaxation, progress: Progress) -> tuple[Tensor, Tensor]:
        """`loss` under a relaxation's mixing weights, differentiable in alpha, without negligible operations."""
        mixing_NEO, left_out = self.mixing(relaxation, progress)
        return self.loss(batch, self.alphas.split(mixing_NEO), self.alphas.split(left_out))

    def weight_gradient(self, batch: Batch, mixing: Mixing) -> tuple[list[Tensor], Tensor, Tensor]:
        """``grad_w L(w, M)`` with loss and logits; operations that M does not use get zeros."""
        loss, logits = self.loss(batch, mixing)
        gradient, mean_loss = self._gradient(loss, self.w)
        return gradient, mean_loss, logits.detach()

    def architecture_gradient(
        self, train: Batch, valid: Batch, progress: Progress, inner: Inner
    ) -> tuple[list[Tensor], Tensor]:
        """The gradient of the architecture step, and its validation loss.

        ``grad_alpha L_valid(w', alpha) - xi * grad_alpha <grad_w L_train(w, alpha), v>`` at ``v = grad_w' L_valid``
        (arXiv 1806.09055, equations 7 and 8), or with the amended term ``+ 0.1 xi H_aw H_ww v`` in place of the
        correction (arXiv 1910.11831). w is left as it was, bit for bit.
        """
        if self.method.draws is not None:
            return self._drawn_gradient(valid, progress, self.method.draws)
        if self.method.order == "first":
            loss = self._validation_objective(valid, progress)
            return self._gradient(loss, self.alpha)
        gradient, _, _ = self.weight_gradient(train, self.fixed_mixing(self.method.look_ahead, progress))
        with self._moved(inner.direction(self.w, gradient), -inner.xi):
            loss = self._validation_objective(valid, progress)
            both, mean_loss = self._gradient(loss, [*self.alpha, *self.w])
        direct, v = both[: len(self.alpha)], both[len(self.alpha) :]
        if self.method.amended:
            v, scale = self.hessian_product(train, v, progress), 0.1 * inner.xi
        else:
            scale = -inner.xi
        correction = self.mixed_product(train, v, progress)
        return [g + scale * c for g, c in zip(direct, correction, strict=True)], mean_loss

    def _drawn_gradient(self, valid: Batch, progress: Progress, draws: int) -> tuple[list[Tensor], Tensor]:
        """An unbiased estimate of ``grad_alpha E L_valid(M)``, and the mean loss of its draws."""
        relaxation, stacked = self.method.alphas.relax, (self.alphas.stacked(), self.alphas.candidates)
        with torch.no_grad():
            drawn = [relaxation(*stacked, progress.apart(f"draw-{k}")) for k in range(draws)]
            losses = torch.stack([self.loss(valid, self.alphas.split(M))[0] for M in drawn])
        loss = relaxation.advantages(self.alphas.weights(), torch.stack(drawn), losses, progress)
        gradient, _ = self._gradient(self._penalised(loss, progress), self.alpha)
        (mean_loss,) = self.average([losses.mean()])
        return gradient, mean_loss

    def mixed_product(self, train: Batch, v: Arrays, progress: Progress) -> list[Tensor]:
        """``grad_alpha <grad_w L_train(w, alpha), v>`` by central differences; zeros where v is zero."""
        eps = self._epsilon(v)
        if eps == 0:
            return [torch.zeros_like(alpha) for alpha in self.alpha]
        relaxation = self.method.correction or self.method.look_ahead
        sides = []
        for sign in (1.0, -1.0):
            with self._exactly(), self._moved(v, sign * eps), frozen(self.w):
                loss, _ = self.relaxed_loss(train, relaxation, progress)
                sides.append(self._gradient(loss, self.alpha)[0])
        return [(plus - minus) / (2 * eps) for plus, minus in zip(*sides, strict=True)]

    def hessian_product(self, train: Batch, v: Arrays, progress: Progress) -> list[Tensor]:
        """``H_ww v`` of the training loss by central differences; zeros where v is zero."""
        eps = self._epsilon(v)
        if eps == 0:
            return [torch.zeros_like(w) for w in self.w]
        mixing = self.fixed_mixing(self.method.look_ahead, progress)
        sides = []
        for sign in (1.0, -1.0):
            with self._exactly(), self._moved(v, sign * eps):
                sides.append(self.weight_gradient(train, mixing)[0])
        return [(plus - minus) / (2 * eps) for plus, minus in zip(*sides, strict=True)]

    def single_level_gradient(self, train: Batch, progress: Progress) -> tuple[list[Tensor], Tensor, Tensor]:
        """Gradients of one loss for (w, alpha) together, under the weight step's relaxation."""
        loss, logits = self.relaxed_loss(train, self.method.weights.relax, progress)
        penalties = dict.fromkeys((*self.method.weights.penalties, *self.method.alphas.penalties))
        total = loss + sum(penalty(self.alphas, progress) for penalty in penalties)
        gradient, _ = self._gradient(total, [*self.w, *self.alpha])
        (mean_loss,) = self.average([loss.detach()])
        return gradient, mean_loss, logits.detach()

    def _validation_objective(self, valid: Batch, progress: Progress) -> Tensor:
        loss, _ = self.relaxed_loss(valid, self.method.alphas.relax, progress)
        return self._penalised(loss, progress)

    def _penalised(self, loss: Tensor, progress: Progress) -> Tensor:
        return loss + sum(penalty(self.alphas, progress) for penalty in self.method.alphas.penalties)

    def _gradient(self, loss: Tensor, inputs: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Gradient and loss of the global batch."""
        # Operations that a pass skips have zero gradients, not None: their momentum and decay still act.
        own = torch.autograd.grad(loss, list(inputs), allow_unused=True, materialize_grads=True)
        *gradient, mean_loss = self.average([*own, loss.detach()])
        return gradient, mean_loss

    def _epsilon(self, v: Arrays) -> float:
        norm = torch.nn.utils.get_total_norm(list(v)).item()
        if norm == 0:
            return 0.0
        # NaN goes on into the gradient, which is then refused; a step of 0 would be taken for no correction.
        return self.method.epsilon / norm if math.isfinite(norm) else math.nan

    @contextmanager
    def _exactly(self) -> Iterator[None]:
        """Passes by `exact` for a while."""
        usual, self.forward = self.forward, self.exact
        try:
            yield
        finally:
            self.forward = usual

    @contextmanager
    def _moved(self, direction: Arrays, scale: float) -> Iterator[None]:
        """w + scale * direction for a while; w comes back from a saved copy, not by subtraction."""
        saved = [w.detach().clone() for w in self.w]
        try:
            with torch.no_grad():
                torch._foreach_add_(self.w, list(direction), alpha=scale)
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self.w, saved)


@contextmanager
def frozen(parameters: Sequence[Tensor]) -> Iterator[None]:
    """No gradients of these: a pass that asks only for alpha's saves the activations that w's would need."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
