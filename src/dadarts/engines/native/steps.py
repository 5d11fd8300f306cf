"""The steps of a pass through a discrete network, forward and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dadarts.engines.native.layers import DenseLayer, PointwiseLayer, PoolLayer, UnitLayer
from dadarts.engines.native.normed import Normed
from dadarts.engines.native.tape import State, Tape


def read(state: State) -> Normed:
    """What a state is read as; its reader hands a gradient back."""
    state.readers += 1
    return state.raw


@dataclass(frozen=True, eq=False)
class UnitStep:
    layer: UnitLayer
    x: State
    y: State

    @staticmethod
    def taken(tape: Tape, layer: UnitLayer, x: State) -> State:
        kernels = contiguous(layer.depthwise), contiguous(layer.pointwise)
        value, statistics = tape.passes.unit_forward(layer.window, read(x), kernels, layer.norm.eps)
        y = tape.normed(value, statistics, layer.norm)
        tape.record(UnitStep(layer, x, y))
        return y

    def back(self, tape: Tape) -> None:
        source = tape.source(self.y)
        if source is None:
            return
        layer, x = self.layer, self.x
        # A lone reader sees the whole gradient, and sums up what the norm before it needs as it goes.
        through_norm = x.is_alone and x.norm is not None
        x_grad, accumulate = x.room()
        kernels = contiguous(layer.depthwise), contiguous(layer.pointwise)
        depthwise, pointwise, behind = tape.passes.unit_backward(
            layer.window, x.raw, kernels, self.y.raw.value, source, x_grad, accumulate, through_norm
        )
        x.behind = behind
        tape.add_grad(layer.depthwise.weight, depthwise)
        tape.add_grad(layer.pointwise.weight, pointwise)


@dataclass(frozen=True, eq=False)
class PointwiseStep:
    layer: PointwiseLayer
    parts: tuple[State, ...]
    weight: Tensor
    y: State

    @staticmethod
    def taken(tape: Tape, layer: PointwiseLayer, parts: tuple[State, ...]) -> State:
        kernels = [contiguous(convolution) for convolution in layer.convolutions]
        weight = kernels[0] if len(kernels) == 1 else torch.cat(kernels)
        value, statistics = tape.passes.join_forward(
            [read(part) for part in parts], weight, layer.stride, layer.rectify, layer.norm.eps
        )
        y = tape.normed(value, statistics, layer.norm)
        tape.record(PointwiseStep(layer, parts, weight, y))
        return y

    def back(self, tape: Tape) -> None:
        source = tape.source(self.y)
        if source is None:
            return
        grads = [part.room() if part.wanted else (None, False) for part in self.parts]
        weight = tape.passes.join_backward(
            [part.raw for part in self.parts], self.weight, self.layer.stride, self.layer.rectify, self.y.raw.value,
            source, grads,
        )  # fmt: skip
        widths = [convolution.out_channels for convolution in self.layer.convolutions]
        grads_of = torch.split_with_sizes(weight, widths)
        for convolution, grad in zip(self.layer.convolutions, grads_of, strict=True):
            tape.add_grad(convolution.weight, grad)


@dataclass(frozen=True, eq=False)
class PoolStep:
    layer: PoolLayer
    x: State
    winners: Tensor | None
    y: State

    @staticmethod
    def taken(tape: Tape, layer: PoolLayer, x: State) -> State:
        """A norm without weights is the same for all who pool a state alike; each keeps running statistics of it."""
        like = (x, layer.maximum, layer.window, None if layer.norm is None else layer.norm.eps)
        if like in tape.pools:
            y = tape.pools[like]
            if layer.norm is not None:
                tape.keep(layer.norm, y.raw)
            return y
        y = tape.pools[like] = PoolStep.computed(tape, layer, x)
        return y

    @staticmethod
    def computed(tape: Tape, layer: PoolLayer, x: State) -> State:
        eps = None if layer.norm is None else layer.norm.eps
        value, winners, statistics = tape.passes.pool_forward(layer.window, layer.maximum, read(x), eps)
        y = tape.normed(value, statistics, layer.norm)
        tape.record(PoolStep(layer, x, winners, y))
        return y

    def back(self, tape: Tape) -> None:
        source = tape.source(self.y)
        if source is not None and self.x.wanted:
            tape.passes.pool_backward(self.layer.window, self.winners, self.y.raw.value, source, *self.x.room())


@dataclass(frozen=True, eq=False)
class DenseStep:
    layer: DenseLayer
    x: State
    y: State

    @staticmethod
    def taken(tape: Tape, layer: DenseLayer, x: State) -> State:
        weight = contiguous(layer.convolution)
        value, statistics = tape.passes.dense_forward(read(x), weight, layer.rectify, layer.norm.eps)
        y = tape.normed(value, statistics, layer.norm)
        tape.record(DenseStep(layer, x, y))
        return y

    def back(self, tape: Tape) -> None:
        source = tape.source(self.y)
        if source is None:
            return
        layer, x = self.layer, self.x
        x_grad, accumulate = x.room() if x.wanted else (None, False)
        weight = tape.passes.dense_backward(
            x.raw, contiguous(layer.convolution), layer.rectify, self.y.raw.value, source, x_grad, accumulate
        )
        tape.add_grad(layer.convolution.weight, weight)


@dataclass(frozen=True, eq=False)
class SumStep:
    """A node."""

    terms: tuple[State, ...]
    keeps: tuple[Tensor | None, ...]
    y: State

    @staticmethod
    def taken(tape: Tape, terms: Sequence[State], keeps: Sequence[Tensor | None]) -> State:
        y = State(Normed(tape.passes.node_forward([read(term) for term in terms], keeps)))
        tape.record(SumStep(tuple(terms), tuple(keeps), y))
        return y

    def forget(self) -> None:
        """Let the sum go, which nobody reads any more until the way back."""
        self.y.raw = Normed(self.y.raw.value.new_empty(0))

    def recall(self, tape: Tape) -> None:
        """Take the sum again."""
        self.y.raw = Normed(tape.passes.node_forward([term.raw for term in self.terms], self.keeps))

    def back(self, tape: Tape) -> None:
        gradient = tape.raw_gradient(self.y)
        if gradient is None:
            return
        lone = [j for j, term in enumerate(self.terms) if term.is_alone and term.norm is not None]
        if lone:
            found = tape.passes.node_backward(
                [self.terms[j].raw for j in lone], [self.keeps[j] for j in lone], gradient
            )
            for j, behind in zip(lone, found, strict=True):
                self.terms[j].behind = behind
        for term, keep in zip(self.terms, self.keeps, strict=True):
            tape.give(term, gradient, keep)


@dataclass(frozen=True, eq=False)
class ForgetStep:
    """Nodes that are read inside of their cell alone, in their order; their sums are not saved.

    To take one again costs a pass over its terms, and those are saved for their own way back.
    """

    sums: tuple[SumStep, ...]

    @staticmethod
    def taken(tape: Tape, inner: Sequence[State], since: int) -> None:
        """Forget the states among the steps that were taken since then."""
        sums = tuple(step for step in tape.steps[since:] if isinstance(step, SumStep) and step.y in inner)
        for step in sums:
            step.forget()
        tape.record(ForgetStep(sums))

    def back(self, tape: Tape) -> None:
        for step in self.sums:
            step.recall(tape)


@dataclass(frozen=True, eq=False)
class JoinStep:
    """Concatenation, where somebody reads the whole of it."""

    parts: tuple[State, ...]
    y: State

    @staticmethod
    def taken(tape: Tape, parts: tuple[State, ...]) -> State:
        parts = tuple(settled(tape, part) for part in parts)
        y = State(Normed(torch.cat([read(part).value for part in parts], dim=1)))
        tape.record(JoinStep(parts, y))
        return y

    def back(self, tape: Tape) -> None:
        gradient = tape.raw_gradient(self.y)
        if gradient is None:
            return
        widths = [part.raw.value.shape[1] for part in self.parts]
        for part, own in zip(self.parts, torch.split_with_sizes(gradient, widths, dim=1), strict=True):
            tape.give(part, own.contiguous(memory_format=torch.channels_last))


@dataclass(frozen=True, eq=False)
class SettledStep:
    """A norm applied, where somebody needs its output itself."""

    x: State
    y: State

    def back(self, tape: Tape) -> None:
        gradient = tape.raw_gradient(self.y)
        if gradient is not None:
            tape.give(self.x, gradient)


def whole(tape: Tape, parts: tuple[State, ...]) -> State:
    """The states as one."""
    return parts[0] if len(parts) == 1 else JoinStep.taken(tape, parts)


def settled(tape: Tape, x: State) -> State:
    """A state that stands before no norm."""
    if x.norm is None:
        return x
    y = State(Normed(tape.passes.activated(read(x), rectify=False)))
    tape.record(SettledStep(x, y))
    return y


def output(tape: Tape, parts: tuple[State, ...]) -> State:
    """A state that is read outside, whole and behind its norm."""
    found = settled(tape, whole(tape, parts))
    read(found)
    return found


def contiguous(module: torch.nn.Conv2d) -> Tensor:
    """A convolution's numbers as the kernels read them."""
    return module.weight.detach().contiguous()
