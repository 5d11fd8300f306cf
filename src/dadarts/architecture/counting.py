"""Counts the multiply-adds of whatever a module computes, by the functions of torch that it asks for.

`torch.utils.flop_counter` counts so too. Its mode, and torch's own answers for tensors without numbers, take seconds to
import what compiles Python; here what networks are made of is answered by a shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten
Shape = tuple[int, int, int]


def count_parameters(network: nn.Module) -> int:
    """Trainable parameters, the auxiliary head excluded as in the field's tables."""
    return sum(
        p.numel() for name, p in network.named_parameters() if p.requires_grad and not name.startswith("auxiliary.")
    )


def multiply_adds(module: nn.Module, x: Tensor) -> int:
    """Those of a module's pass, on the device of what it is given."""
    with Counting() as counter, torch.no_grad():
        module(x)
    total: int = counter.multiply_adds
    return total


class _Dispatched:
    """What `Counting` does, in a class of its own: torch wraps what a mode itself defines, which takes seconds."""

    multiply_adds: int

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        answer = None if options else _ANSWERS.get(function)
        out = None if answer is None else answer(*args)
        if out is None:
            out = function(*args, **options)
        formula = flop_registry.get(function._overloadpacket)
        if formula is not None:
            self.multiply_adds += int(formula(*args, **options, out_val=out)) // 2
        return out


class Counting(_Dispatched, TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts in `multiply_adds` while it is entered."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.multiply_adds = 0


def _like(x: Tensor) -> Tensor | None:
    return x.new_empty(x.shape) if x.is_meta else None


def _sum(x: Tensor, y: Any) -> Tensor | None:
    return _like(x) if isinstance(y, Tensor) and x.shape == y.shape and x.dtype == y.dtype else None


def _joined(parts: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    shape = list(parts[0].shape)
    if not all(part.is_meta and part.ndim == len(shape) > 1 for part in parts):
        return None
    shape[dim] = sum(part.shape[dim] for part in parts)
    return parts[0].new_empty(shape)


def _repeated(x: Tensor, times: Sequence[int]) -> Tensor | None:
    if not x.is_meta or len(times) != x.ndim:
        return None
    return x.new_empty([size * by for size, by in zip(x.shape, times, strict=True)])


def _pixels_mean(x: Tensor, dims: Sequence[int], keeps: bool = False) -> Tensor | None:
    return x.new_empty(x.shape[:2]) if x.is_meta and x.ndim == 4 and list(dims) == [2, 3] and not keeps else None


def _product(_: Tensor, x: Tensor, y: Tensor) -> Tensor | None:
    return x.new_empty((x.shape[0], y.shape[1])) if x.is_meta else None


def _convolved(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], transposed: bool, *_: Any,
) -> Tensor | None:  # fmt: skip
    if transposed or not x.is_meta or x.ndim != 4:
        return None
    sizes = _windows(x, weight.shape[2:], stride, padding, dilation, False)
    return x.new_empty((x.shape[0], weight.shape[0], *sizes))


def _averaged(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int] = (), padding: Sequence[int] = (0,), ceils: bool = False,
    *_: Any,
) -> Tensor | None:  # fmt: skip
    if not x.is_meta or x.ndim != 4:
        return None
    return x.new_empty((*x.shape[:2], *_windows(x, kernel, stride or kernel, padding, (1,), ceils)))


def _largest(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int] = (), padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,), ceils: bool = False,
) -> tuple[Tensor, Tensor] | None:  # fmt: skip
    if not x.is_meta or x.ndim != 4:
        return None
    shape = (*x.shape[:2], *_windows(x, kernel, stride or kernel, padding, dilation, ceils))
    return x.new_empty(shape), x.new_empty(shape, dtype=torch.int64)


def _windows(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int],
    ceils: bool,
) -> list[int]:  # fmt: skip
    """How many windows there are, below one another and side by side."""
    found = []
    for axis, size in enumerate(x.shape[2:]):
        # One number stands for both axes.
        taps, jump, pad, step = (numbers[axis % len(numbers)] for numbers in (kernel, stride, padding, dilation))
        behind = size + 2 * pad - step * (taps - 1) - 1
        windows = (behind + (jump - 1 if ceils else 0)) // jump + 1
        # No window begins behind the picture.
        found.append(windows - (ceils and (windows - 1) * jump >= size + pad))
    return found


_ANSWERS: Mapping[Any, Callable[..., Any]] = {
    aten.relu.default: _like,
    aten.add.Tensor: _sum,
    aten.cat.default: _joined,
    aten.repeat.default: _repeated,
    aten.mean.dim: _pixels_mean,
    aten.addmm.default: _product,
    aten.convolution.default: _convolved,
    aten.avg_pool2d.default: _averaged,
    aten.max_pool2d_with_indices.default: _largest,
}
"""What these functions return of tensors without numbers, as far as networks need them; None: torch is to say it."""
