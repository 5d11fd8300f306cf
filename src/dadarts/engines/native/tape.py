"""A pass through a discrete network, written down so that it can be gone back.

A state's batch norm is left to its readers, so that nothing is written twice; the gradient of a raw output is formed
where it is used (`normed.Source`). What has been gone back is let go.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from dadarts.engines.native.normed import Normed, NormGradients, Source
from dadarts.engines.native.passes import Passes


@dataclass(eq=False)
class State:
    """A value that others read, and the gradient of what they read: of the value behind its norm.

    Args:
        raw: the value, and the norm that it stands before.
        norm: the module of that norm.
        wanted: whether anybody asks for its gradient.
        readers: how many have read it.
        given: its gradient where there is one reader.
        total: the sum of gradients where there are several.
        behind: the way back through its norm, once it is known.
    """

    raw: Normed
    norm: nn.BatchNorm2d | None = None
    wanted: bool = True
    readers: int = 0
    given: Source | None = None
    total: Tensor | None = None
    behind: NormGradients | None = None

    @property
    def is_alone(self) -> bool:
        """Whether its gradient comes from one reader."""
        return self.readers == 1

    def room(self) -> tuple[Tensor, bool]:
        """Where to write the gradient, and whether to add to what is there."""
        if self.total is not None:
            return self.total, True
        self.total = torch.empty_like(self.raw.value)
        return self.total, False


class Step(Protocol):
    """What was computed of states, and can be gone back."""

    def back(self, tape: Tape) -> None:
        """Hand the gradient of what came out to what went in."""


@dataclass(eq=False)
class Tape:
    """The steps of a pass.

    Args:
        passes: the kernels.
        recording: whether it will be gone back.
        steps: those taken.
        grads: of parameters, once they are known.
        places: where they are written.
        pools: of states in the cell that is computed.
        norms: those passed through, and how many values a channel had.
    """

    passes: Passes
    recording: bool
    steps: list[Step] = field(default_factory=list)
    grads: dict[Tensor, Tensor] = field(default_factory=dict)
    places: dict[Tensor, Tensor] = field(default_factory=dict)
    pools: dict[Hashable, State] = field(default_factory=dict)
    norms: list[tuple[nn.BatchNorm2d, Tensor, int]] = field(default_factory=list)

    def record(self, step: Step) -> None:
        """Write a step down."""
        if self.recording:
            self.steps.append(step)

    def normed(self, value: Tensor, statistics: Tensor | None, norm: nn.BatchNorm2d | None) -> State:
        """A state before its norm, whose running statistics are to be updated."""
        if norm is None or statistics is None:
            return State(Normed(value))
        raw = Normed(value, statistics, norm.weight, norm.bias)
        self.keep(norm, raw)
        return State(raw, norm)

    def keep(self, norm: nn.BatchNorm2d, raw: Normed) -> None:
        """Note the statistics of what a norm is given."""
        if raw.statistics is not None:
            self.norms.append((norm, raw.statistics, raw.value.numel() // raw.value.shape[1]))

    def back(self, parameters: Sequence[Tensor]) -> None:
        """Go back all the way; gradients of parameters are in `grads`."""
        # In the gaps that the pass leaves as it is let go they would keep larger things from filling these again: a
        # tenth of the peak of memory.
        self.places = {parameter: torch.empty_like(parameter) for parameter in parameters}
        while self.steps:
            self.steps.pop().back(self)

    def add_grad(self, parameter: Tensor, grad: Tensor) -> None:
        """Add to the gradient of a parameter."""
        so_far = self.grads.get(parameter)
        self.grads[parameter] = self.places[parameter].copy_(grad) if so_far is None else so_far.add_(grad)

    def give(self, state: State, gradient: Tensor, keep: Tensor | None = None) -> None:
        """Hand over ``keep * gradient`` of a state behind its norm; the tensor must not be written to any more."""
        if not state.wanted:
            return
        if state.is_alone:
            state.given = Source(gradient, None, keep)
        else:
            self.passes.spread(Source(gradient, None, keep), gradient, *state.room())

    def source(self, state: State) -> Source | None:
        """What the gradient of the raw value is made of; None where nobody has given any."""
        found = state.given
        if found is None:
            if state.total is None:
                return None
            found = Source(state.total)
        if state.norm is None:
            return found
        if state.behind is None:
            (state.behind,) = self.passes.node_backward([state.raw], [found.keep], found.gradient)
        behind = state.behind
        if behind.weight is not None and behind.bias is not None:
            self.add_grad(state.norm.weight, behind.weight)
            self.add_grad(state.norm.bias, behind.bias)
        return Source(found.gradient, behind.coefficients, found.keep)

    def raw_gradient(self, state: State) -> Tensor | None:
        """The gradient of the raw value, written out."""
        source = self.source(state)
        if source is None or (source.coefficients is None and source.keep is None):
            return None if source is None else source.gradient
        to = torch.empty_like(state.raw.value)
        self.passes.spread(source, state.raw.value, to, accumulate=False)
        return to


def update_running(norms: Sequence[tuple[nn.BatchNorm2d, Tensor, int]]) -> None:
    """Update running statistics as torch does, by the statistics (3, C) of every norm that keeps any.

    With a momentum m they go a part m of the way to the batch's, of which the variance is the unbiased one; without one
    they are means over all batches so far.
    """
    tracked = [
        (norm.running_mean, norm.running_var, norm.num_batches_tracked, norm.momentum, found, count)
        for norm, found, count in norms
        if norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
    ]
    if not tracked:
        return
    torch._foreach_add_([batches for _, _, batches, *_ in tracked], 1)
    parts = [1 / float(batches) if momentum is None else momentum for _, _, batches, momentum, *_ in tracked]
    for part in dict.fromkeys(parts):
        those = [entry for entry, own in zip(tracked, parts, strict=True) if own == part]
        means, variances = ([found[row] for *_, found, _ in those] for row in (0, 2))
        unbiased = torch._foreach_mul(variances, [count / (count - 1) for *_, count in those])
        torch._foreach_lerp_([mean for mean, *_ in those], means, part)
        torch._foreach_lerp_([variance for _, variance, *_ in those], unbiased, part)
