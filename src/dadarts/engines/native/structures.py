"""What the compiled kernels take by address, beside windows."""

from __future__ import annotations

import ctypes
from typing import Any

from torch import Tensor


class Projection(ctypes.Structure):
    """A 1x1 convolution of pictures."""

    _fields_ = [(name, ctypes.c_long) for name in ("pictures", "channels", "height", "width", "out", "stride")]


class Dense(ctypes.Structure):
    """A 3x3 convolution of stride 1 of pictures."""

    _fields_ = [(name, ctypes.c_long) for name in ("pictures", "channels", "out", "height", "width")]


class Norm(ctypes.Structure):
    """A batch norm: (mean, 1 / deviation), and its weights; nothing where the first is null."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("norm", "weight", "bias")]


class NormGrads(ctypes.Structure):
    """Where gradients of a batch norm's weights go; nowhere where they are null."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("weight", "bias")]


class Source(ctypes.Structure):
    """``keep * a * gradient + b * value + d``; without coefficients ``keep * gradient``."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("gradient", "value", "coefficients", "keep")]


class Term(ctypes.Structure):
    """A term of a node's sum."""

    _fields_ = [
        ("x", ctypes.c_void_p),
        ("norm", Norm),
        ("keep", ctypes.c_void_p),
        ("coefficients", ctypes.c_void_p),
        ("grads", NormGrads),
    ]


class Part(ctypes.Structure):
    """One of the states that are read as if they were concatenated."""

    _fields_ = [
        ("x", ctypes.c_void_p),
        ("norm", Norm),
        ("channels", ctypes.c_long),
        ("grad", ctypes.c_void_p),
        ("accumulate", ctypes.c_bool),
    ]


def at(tensor: Tensor | None) -> int | None:
    """The address of a tensor's numbers."""
    return None if tensor is None else tensor.data_ptr()


def norm_at(norm: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None) -> Any:
    """A batch norm's address."""
    return ctypes.byref(Norm(at(norm), at(weight), at(bias)))


def source_at(
    gradient: Tensor, value: Tensor | None = None, coefficients: Tensor | None = None, keep: Tensor | None = None
) -> Any:
    """A source's address."""
    return ctypes.byref(Source(at(gradient), at(gradient if value is None else value), at(coefficients), at(keep)))
