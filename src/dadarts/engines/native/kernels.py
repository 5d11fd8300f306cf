"""The compiled kernels as functions of tensors.

Pictures are channels_last tensors (B, C, H, W) of float32 or float64. A *norm* is (2, C): the mean and 1 / deviation
of a batch norm over the batch. *Coefficients* are (3, C): the rows a, b, d of ``a * gradient + b * value + d``, which
is what the gradient of a batch norm's input looks like.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dadarts.engines.native.structures import NormGrads, Projection, at, norm_at, source_at
from dadarts.engines.native.window import SUFFIXES, Window, check

_TYPES = {"p": ctypes.c_void_p, "l": ctypes.c_long, "d": ctypes.c_double, "b": ctypes.c_bool, "i": ctypes.c_int}
_ARGUMENTS = {
    "unit_forward": "pppppdpppi",
    "unit_backward": "ppppppbpppppi",
    "project_forward": "pppdbppi",
    "project_backward": "ppppppppi",
    "join_forward": "pplbpdpppi",
    "join_backward": "pplbpppi",
    "dense_forward": "pppbpdpppi",
    "dense_backward": "pppbppbppi",
    "norm_of": "lllpdppi",
    "mix": "lllppppi",
    "through_norms": "lllppppppi",
    "affine": "llpppbpi",
    "node_forward": "llllppi",
    "node_backward": "llllppi",
    "spread": "lllpbpi",
    "activate": "llppbpi",
    "rectify_back": "llpppbpi",
    "average_forward": "pppdpppi",
    "average_backward": "ppbpi",
    "maximum_forward": "pppdppppi",
    "maximum_backward": "pppbpi",
}
"""What every kernel takes: pointers, longs, doubles, bools and ints."""


class Kernels:
    """Functions of the compiled library.

    Args:
        library: the compiled kernels.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._functions = {
            (name, dtype): _typed(getattr(library, f"{name}_{suffix}"), types)
            for name, types in _ARGUMENTS.items()
            for dtype, suffix in SUFFIXES.items()
        }

    def unit_forward(
        self, window: Window, x: Tensor, norm: Tensor | None, depthwise: Tensor, pointwise: Tensor, eps: float
    ) -> tuple[Tensor, Tensor]:
        """``y = pointwise(depthwise(relu(norm(x))))`` and the norm of y."""
        y = window.output(x)
        out_norm = _norm(y)
        depthwise, pointwise = depthwise.contiguous(), pointwise.contiguous()
        call = self.function("unit_forward", x)
        call(
            window.over(x), at(x), norm_at(norm), at(depthwise), at(pointwise), eps,
            at(y), at(out_norm), None, torch.get_num_threads(),
        )  # fmt: skip
        return y, out_norm

    def unit_backward(
        self,
        window: Window,
        x: Tensor,
        norm: Tensor | None,
        kernels: tuple[Tensor, Tensor],
        gradient: tuple[Tensor, Tensor, Tensor],
        x_grad: Tensor,
        accumulate: bool,
        weights: bool,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The transpose of `unit_forward`.

        Args:
            window, x, norm: as given to `unit_forward`.
            kernels: depthwise and pointwise.
            gradient: (gradient, y, coefficients), from which the gradient of y follows.
            x_grad: where the gradient of norm(x) is written, of x itself where `norm` is None.
            accumulate: add to what is in `x_grad` instead.
            weights: whether gradients of the kernels are asked for.

        Returns:
            Gradients of depthwise and pointwise, and the coefficients that make the gradient of x of `x_grad` and x.
        """
        depthwise, pointwise = (kernel.contiguous() for kernel in kernels)
        depthwise_grad = torch.empty_like(depthwise) if weights else None
        pointwise_grad = torch.empty_like(pointwise) if weights else None
        coefficients = None if norm is None else _rows(3, x)
        call = self.function("unit_backward", x)
        call(
            window.over(x), at(x), norm_at(norm), at(depthwise), at(pointwise), source_at(*gradient),
            accumulate, at(x_grad), at(depthwise_grad), at(pointwise_grad), at(coefficients),
            ctypes.byref(NormGrads()), torch.get_num_threads(),
        )  # fmt: skip
        return depthwise_grad, pointwise_grad, coefficients

    def project_forward(
        self, x: Tensor, weight: Tensor, stride: int, eps: float, normed: bool
    ) -> tuple[Tensor, Tensor]:
        """``y = convolution(relu(x))``, 1x1, and the norm of y.

        Args:
            x: pictures.
            weight: (out, in) numbers. With stride 2 the first out // 2 channels are made of even pixels, the others of
                odd ones.
            stride: 1 or 2.
            eps: of the norm.
            normed: y is returned with the norm applied to it.
        """
        batch, _, height, width = x.shape
        size = (batch, weight.shape[0], -(-height // stride), -(-width // stride))
        y = torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)
        norm, weight = _norm(y), weight.contiguous()
        self.function("project_forward", x)(
            ctypes.byref(Projection(*x.shape, weight.shape[0], stride)), at(x), at(weight), eps,
            normed, at(y), at(norm), torch.get_num_threads(),
        )  # fmt: skip
        return y, norm

    def project_backward(
        self,
        x: Tensor,
        weight: Tensor,
        stride: int,
        gradient: tuple[Tensor, Tensor | None, Tensor | None],
        needed: tuple[bool, bool],
    ) -> tuple[Tensor | None, Tensor | None]:
        """The transpose of `project_forward`.

        Args:
            x, weight, stride: as given to `project_forward`.
            gradient: (gradient, None, None) before the norm; behind it (gradient, y, norm) as returned.
            needed: whether the gradients of x and of the weight are asked for.

        Returns:
            Gradients of x and of the weight.
        """
        weight = weight.contiguous()
        x_grad = torch.empty_like(x) if needed[0] else None
        weight_grad = torch.empty_like(weight) if needed[1] else None
        self.function("project_backward", x)(
            ctypes.byref(Projection(*x.shape, weight.shape[0], stride)), at(x), at(weight), *map(at, gradient),
            at(x_grad), at(weight_grad), torch.get_num_threads(),
        )  # fmt: skip
        return x_grad, weight_grad

    def norm_of(self, x: Tensor, eps: float) -> Tensor:
        """The norm (2, C) of pictures."""
        norm = _norm(x)
        batch, channels, height, width = x.shape
        self.function("norm_of", x)(
            batch, height * width, channels, at(x), eps, at(norm), None,
            torch.get_num_threads(),
        )  # fmt: skip
        return norm

    def mix(self, terms: Sequence[Tensor], norms: Sequence[Tensor | None], weights: Sequence[float]) -> Tensor:
        """``sum_j weights[j] * norms[j](terms[j])``; a norm that is None changes nothing."""
        out = torch.empty_like(terms[0], memory_format=torch.channels_last)
        self.function("mix", out)(
            *_extent(out), len(terms), _pointers(terms), _pointers(norms), _doubles(weights), at(out),
            torch.get_num_threads(),
        )  # fmt: skip
        return out

    def through_norms(
        self, terms: Sequence[Tensor], norms: Sequence[Tensor | None], weights: Sequence[float], gradient: Tensor
    ) -> tuple[list[float], Tensor]:
        """The way back through `mix`: the gradients of the weights, and the coefficients (J, 3, C) of every term."""
        weight_grads = _doubles([0.0] * len(terms))
        coefficients = torch.empty((len(terms), 3, gradient.shape[1]), dtype=gradient.dtype)
        self.function("through_norms", gradient)(
            *_extent(gradient), len(terms), _pointers(terms), _pointers(norms), _doubles(weights), at(gradient),
            weight_grads, at(coefficients), torch.get_num_threads(),
        )  # fmt: skip
        return list(weight_grads), coefficients

    def affine(
        self, gradient: Tensor, value: Tensor | None, coefficients: Tensor, to: Tensor, accumulate: bool
    ) -> None:
        """Write ``a * gradient + b * value + d``, without a value ``a * gradient``, or add it to what is there."""
        self.function("affine", gradient)(
            *_extent(gradient), at(gradient), at(value), at(coefficients), accumulate, at(to),
            torch.get_num_threads(),
        )  # fmt: skip

    def average_forward(self, window: Window, x: Tensor, eps: float | None) -> tuple[Tensor, Tensor | None]:
        """Average pool and, where eps is given, the norm of its output."""
        y = window.output(x)
        norm = None if eps is None else _norm(y)
        self.function("average_forward", x)(
            window.pool_over(x), at(x), norm_at(None), eps or 0.0, at(y), at(norm), None, torch.get_num_threads()
        )
        return y, norm

    def average_backward(self, window: Window, gradient: Tensor, x_grad: Tensor) -> None:
        """Write the gradient of the input."""
        self.function("average_backward", gradient)(
            window.pool_over(x_grad), source_at(gradient), False, at(x_grad), torch.get_num_threads()
        )

    def maximum_forward(self, window: Window, x: Tensor, eps: float | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Max pool, the tap (uint8) of each maximum and, where eps is given, the norm of the output."""
        y, winners = window.output(x), window.output(x, torch.uint8)
        norm = None if eps is None else _norm(y)
        self.function("maximum_forward", x)(
            window.pool_over(x), at(x), norm_at(None), eps or 0.0, at(y), at(winners), at(norm), None,
            torch.get_num_threads(),
        )  # fmt: skip
        return y, winners, norm

    def maximum_backward(self, window: Window, gradient: Tensor, winners: Tensor, x_grad: Tensor) -> None:
        """Write the gradient of the input."""
        self.function("maximum_backward", gradient)(
            window.pool_over(x_grad), source_at(gradient), at(winners), False, at(x_grad), torch.get_num_threads()
        )

    def function(self, name: str, x: Tensor) -> Any:
        """The compiled function of that name for pictures like x."""
        check(x)
        return self._functions[name, x.dtype]


def _typed(function: Any, types: str) -> Any:
    function.argtypes, function.restype = [_TYPES[letter] for letter in types], None
    return function


def _norm(y: Tensor) -> Tensor:
    if y.numel() == y.shape[1]:
        raise ValueError("a batch norm needs more than 1 value per channel")
    return _rows(2, y)


def _rows(n: int, x: Tensor) -> Tensor:
    return torch.empty((n, x.shape[1]), dtype=x.dtype)


def _extent(x: Tensor) -> tuple[int, int]:
    check(x)
    batch, channels, height, width = x.shape
    return batch * height * width, channels


def _pointers(tensors: Sequence[Tensor | None]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*map(at, tensors))


def _doubles(numbers: Sequence[float]) -> Any:
    return (ctypes.c_double * len(numbers))(*numbers)
