"""The kernels of a discrete network's training as functions of tensors.

Pictures and coefficients are as in `kernels`. A value may stand before a batch norm that whoever reads it applies.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dadarts.engines.native import Kernels, Window
from dadarts.engines.native.normed import Normed, NormGradients, Source
from dadarts.engines.native.structures import Dense, Norm, NormGrads, Part, Projection, Term, at, norm_at, source_at


class Passes:
    """Functions of the compiled library.

    Args:
        kernels: gives the compiled functions.
    """

    def __init__(self, kernels: Kernels) -> None:
        self._function = kernels.function

    def unit_forward(
        self, window: Window, x: Normed, kernels: tuple[Tensor, Tensor], eps: float
    ) -> tuple[Tensor, Tensor]:
        """``y = pointwise(depthwise(relu(x)))`` and the statistics of y."""
        y = window.output(x.value)
        statistics = _statistics(y)
        self._function("unit_forward", x.value)(
            window.over(x.value), at(x.value), _norm_at(x), *map(at, kernels), eps, at(y), at(statistics),
            at(statistics[2]), torch.get_num_threads(),
        )  # fmt: skip
        return y, statistics

    def unit_backward(
        self,
        window: Window,
        x: Normed,
        kernels: tuple[Tensor, Tensor],
        y: Tensor,
        source: Source,
        x_grad: Tensor,
        accumulate: bool,
        through_norm: bool,
    ) -> tuple[Tensor, Tensor, NormGradients | None]:
        """Write the gradient of x behind its norm, or add it to what is there.

        Args:
            through_norm: whether to go on through the norm of x.

        Returns:
            Gradients of depthwise and pointwise, and the way back through the norm of x.
        """
        grads = tuple(map(torch.empty_like, kernels))
        behind = _norm_gradients(x) if through_norm else None
        self._function("unit_backward", x.value)(
            window.over(x.value), at(x.value), _norm_at(x), *map(at, kernels), _source_at(source, y), accumulate,
            at(x_grad), *map(at, grads), None if behind is None else at(behind.coefficients), _grads_at(behind),
            torch.get_num_threads(),
        )  # fmt: skip
        return grads[0], grads[1], behind

    def join_forward(
        self, parts: Sequence[Normed], weight: Tensor, stride: int, rectify: bool, eps: float
    ) -> tuple[Tensor, Tensor]:
        """``y = convolution(relu(concatenated parts))``, 1x1, and the statistics of y; strides as in `Kernels`."""
        batch, _, height, width = parts[0].value.shape
        size = (batch, weight.shape[0], -(-height // stride), -(-width // stride))
        y = torch.empty(size, dtype=weight.dtype, memory_format=torch.channels_last)
        statistics = _statistics(y)
        none = [(None, False)] * len(parts)
        self._function("join_forward", y)(
            _projection(parts, weight, stride), _parts(parts, none), len(parts), rectify, at(weight), eps, at(y),
            at(statistics), at(statistics[2]), torch.get_num_threads(),
        )  # fmt: skip
        return y, statistics

    def join_backward(
        self,
        parts: Sequence[Normed],
        weight: Tensor,
        stride: int,
        rectify: bool,
        y: Tensor,
        source: Source,
        grads: Sequence[tuple[Tensor | None, bool]],
    ) -> Tensor:
        """The gradient of the weight; writes the parts' gradients behind their norms, or adds to what is there.

        Args:
            grads: of every part where its gradient goes, if anywhere, and whether to add.
        """
        weight_grad = torch.empty_like(weight)
        self._function("join_backward", y)(
            _projection(parts, weight, stride), _parts(parts, grads), len(parts), rectify, at(weight),
            _source_at(source, y), at(weight_grad), torch.get_num_threads(),
        )  # fmt: skip
        return weight_grad

    def dense_forward(self, x: Normed, weight: Tensor, rectify: bool, eps: float) -> tuple[Tensor, Tensor]:
        """``y = convolution(relu(x))``, 3x3, and the statistics of y."""
        batch, _, height, width = x.value.shape
        size = (batch, weight.shape[0], height, width)
        y = torch.empty(size, dtype=x.value.dtype, memory_format=torch.channels_last)
        statistics = _statistics(y)
        self._function("dense_forward", x.value)(
            _dense(x, weight), at(x.value), _norm_at(x), rectify, at(weight), eps, at(y), at(statistics),
            at(statistics[2]), torch.get_num_threads(),
        )  # fmt: skip
        return y, statistics

    def dense_backward(
        self,
        x: Normed,
        weight: Tensor,
        rectify: bool,
        y: Tensor,
        source: Source,
        x_grad: Tensor | None,
        accumulate: bool,
    ) -> Tensor:
        """The gradient of the weight; writes that of x behind its norm, where asked for, or adds to what is there."""
        weight_grad = torch.empty_like(weight)
        self._function("dense_backward", x.value)(
            _dense(x, weight), at(x.value), _norm_at(x), rectify, at(weight), _source_at(source, y), accumulate,
            at(x_grad), at(weight_grad), torch.get_num_threads(),
        )  # fmt: skip
        return weight_grad

    def pool_forward(
        self, window: Window, maximum: bool, x: Normed, eps: float | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The pool, of a max pool the tap (uint8) of each maximum, and where eps is given the statistics."""
        y, statistics = window.output(x.value), None
        if eps is not None:
            statistics = _statistics(y)
        winners = window.output(x.value, torch.uint8) if maximum else None
        self._function("maximum_forward" if maximum else "average_forward", x.value)(
            window.pool_over(x.value), at(x.value), _norm_at(x), eps or 0.0, at(y),
            *((at(winners),) if maximum else ()), at(statistics),
            None if statistics is None else at(statistics[2]), torch.get_num_threads(),
        )  # fmt: skip
        return y, winners, statistics

    def pool_backward(
        self, window: Window, winners: Tensor | None, y: Tensor, source: Source, x_grad: Tensor, accumulate: bool
    ) -> None:
        """Write the gradient of the pool's input behind its norm, or add it to what is there."""
        self._function("average_backward" if winners is None else "maximum_backward", y)(
            window.pool_over(x_grad), _source_at(source, y), *(() if winners is None else (at(winners),)), accumulate,
            at(x_grad), torch.get_num_threads(),
        )  # fmt: skip

    def statistics_of(self, x: Tensor, eps: float) -> Tensor:
        """The statistics (3, C) of pictures."""
        statistics = _statistics(x)
        batch, channels, height, width = x.shape
        self._function("norm_of", x)(
            batch, height * width, channels, at(x), eps, at(statistics), at(statistics[2]), torch.get_num_threads()
        )
        return statistics

    def node_forward(self, terms: Sequence[Normed], keeps: Sequence[Tensor | None]) -> Tensor:
        """``sum_j keeps[j] * terms[j]``, each behind its norm."""
        out = torch.empty_like(terms[0].value)
        given = (Term * len(terms))()
        for term, x, keep in zip(given, terms, keeps, strict=True):
            term.x, term.norm, term.keep = at(x.value), _norm(x), at(keep)
        self._function("node_forward", out)(*_extent(out), len(terms), given, at(out), torch.get_num_threads())
        return out

    def node_backward(
        self, terms: Sequence[Normed], keeps: Sequence[Tensor | None], gradient: Tensor
    ) -> list[NormGradients]:
        """The way back through the norm of every term."""
        given = (Term * len(terms))()
        found = []
        for term, x, keep in zip(given, terms, keeps, strict=True):
            behind = _norm_gradients(x)
            term.x, term.norm, term.keep = at(x.value), _norm(x), at(keep)
            term.coefficients, term.grads = at(behind.coefficients), _grads(behind)
            found.append(behind)
        self._function("node_backward", gradient)(
            *_extent(gradient), len(terms), given, at(gradient), torch.get_num_threads()
        )
        return found

    def spread(self, source: Source, value: Tensor, to: Tensor, accumulate: bool) -> None:
        """Write the gradient of a value, or add it to what is there."""
        self._function("spread", to)(
            *_extent(to), _source_at(source, value), accumulate, at(to), torch.get_num_threads()
        )

    def activated(self, x: Normed, rectify: bool) -> Tensor:
        """x behind its norm, or what ReLU makes of it."""
        to = torch.empty_like(x.value)
        pictures, pixels, channels = _extent(to)
        self._function("activate", to)(
            pictures * pixels, channels, at(x.value), _norm_at(x), rectify, at(to), torch.get_num_threads()
        )
        return to

    def rectify_backward(self, x: Normed, gradient: Tensor, to: Tensor, accumulate: bool) -> None:
        """Write the gradient of x behind its norm, of which ReLU's is given, or add it to what is there."""
        pictures, pixels, channels = _extent(to)
        self._function("rectify_back", to)(
            pictures * pixels, channels, at(x.value), _norm_at(x), at(gradient), accumulate, at(to),
            torch.get_num_threads(),
        )  # fmt: skip


def _statistics(y: Tensor) -> Tensor:
    if y.numel() == y.shape[1]:
        raise ValueError("a batch norm needs more than 1 value per channel")
    return torch.empty((3, y.shape[1]), dtype=y.dtype)


def _norm_gradients(x: Normed) -> NormGradients:
    coefficients = torch.empty((3, x.value.shape[1]), dtype=x.value.dtype)
    if x.weight is None or x.bias is None:
        return NormGradients(coefficients, None, None)
    return NormGradients(coefficients, torch.empty_like(x.weight), torch.empty_like(x.bias))


def _norm(x: Normed) -> Norm:
    return Norm(at(x.statistics), at(x.weight), at(x.bias))


def _norm_at(x: Normed) -> Any:
    return norm_at(x.statistics, x.weight, x.bias)


def _source_at(source: Source, value: Tensor) -> Any:
    return source_at(source.gradient, value, source.coefficients, source.keep)


def _grads(behind: NormGradients | None) -> NormGrads:
    return NormGrads() if behind is None else NormGrads(at(behind.weight), at(behind.bias))


def _grads_at(behind: NormGradients | None) -> Any:
    return ctypes.byref(_grads(behind))


def _dense(x: Normed, weight: Tensor) -> Any:
    batch, channels, height, width = x.value.shape
    return ctypes.byref(Dense(batch, channels, weight.shape[0], height, width))


def _projection(parts: Sequence[Normed], weight: Tensor, stride: int) -> Any:
    batch, _, height, width = parts[0].value.shape
    return ctypes.byref(Projection(batch, weight.shape[1], height, width, weight.shape[0], stride))


def _parts(parts: Sequence[Normed], grads: Sequence[tuple[Tensor | None, bool]]) -> Any:
    rows = (
        Part(at(x.value), _norm(x), x.value.shape[1], at(grad), accumulate)
        for x, (grad, accumulate) in zip(parts, grads, strict=True)
    )
    return (Part * len(parts))(*rows)


def _extent(x: Tensor) -> tuple[int, int, int]:
    batch, channels, height, width = x.shape
    return batch, height * width, channels
