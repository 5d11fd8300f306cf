"""The steps of a pass through a discrete network that torch computes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dadarts.engines.native.layers import AnyConvolution, OtherLayer
from dadarts.engines.native.normed import Normed
from dadarts.engines.native.steps import read, settled
from dadarts.engines.native.tape import State, Tape


@dataclass(frozen=True, eq=False)
class ConvolutionStep:
    """A convolution by torch; what it convolves is made again on the way back, not kept."""

    layer: AnyConvolution
    x: State
    y: State

    @staticmethod
    def taken(tape: Tape, layer: AnyConvolution, x: State) -> State:
        module, raw = layer.convolution, read(x)
        convolved = torch.nn.functional.conv2d(
            _active(tape, raw, layer.rectify), module.weight, None, *_window(layer)
        ).contiguous(memory_format=torch.channels_last)
        statistics = None if layer.norm is None else tape.passes.statistics_of(convolved, layer.norm.eps)
        y = tape.normed(convolved, statistics, layer.norm)
        tape.record(ConvolutionStep(layer, x, y))
        return y

    def back(self, tape: Tape) -> None:
        layer, x = self.layer, self.x
        gradient = tape.raw_gradient(self.y)
        if gradient is None:
            return
        active, module = _active(tape, x.raw, layer.rectify), layer.convolution
        stride, padding, dilation, groups = _window(layer)
        inner, weight, _ = torch.ops.aten.convolution_backward(
            gradient, active, module.weight, None, stride, padding, dilation, False, [0, 0], groups,
            [x.wanted, True, False],
        )  # fmt: skip
        tape.add_grad(module.weight, weight)
        if not x.wanted:
            return
        inner = inner.contiguous(memory_format=torch.channels_last)
        if layer.rectify:
            tape.passes.rectify_backward(x.raw, inner, *x.room())
        else:
            tape.give(x, inner)


@dataclass(frozen=True, eq=False)
class OtherStep:
    """A module by torch, which writes its own way back down."""

    layer: OtherLayer
    x: State
    leaf: Tensor
    out: Tensor
    y: State

    @staticmethod
    def taken(tape: Tape, layer: OtherLayer, x: State) -> State:
        x = settled(tape, x)
        read(x)
        with torch.set_grad_enabled(tape.recording):
            leaf = x.raw.value.detach().requires_grad_(tape.recording and x.wanted)
            out: Tensor = layer.module(leaf)
        y = State(Normed(out.detach().contiguous(memory_format=torch.channels_last)))
        tape.record(OtherStep(layer, x, leaf, out, y))
        return y

    def back(self, tape: Tape) -> None:
        gradient = tape.raw_gradient(self.y)
        if gradient is None or not self.out.requires_grad:
            return
        parameters = [parameter for parameter in self.layer.module.parameters() if parameter.requires_grad]
        leaves = [self.leaf] if self.leaf.requires_grad else []
        found = torch.autograd.grad(self.out, [*leaves, *parameters], gradient, allow_unused=True)
        for parameter, grad in zip(parameters, found[len(leaves) :], strict=True):
            if grad is not None:
                tape.add_grad(parameter, grad)
        if leaves and found[0] is not None:
            tape.give(self.x, found[0].contiguous(memory_format=torch.channels_last))


def _active(tape: Tape, raw: Normed, rectify: bool) -> Tensor:
    return raw.value if raw.statistics is None and not rectify else tape.passes.activated(raw, rectify)


def _window(layer: AnyConvolution) -> tuple[list[int], list[int], list[int], int]:
    module = layer.convolution
    return list(module.stride), list(module.padding), list(module.dilation), module.groups  # type: ignore[arg-type]
