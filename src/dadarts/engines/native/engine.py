"""The same sums as `supernet.py`, faster: what nodes share is computed once, and a node is one pass over its terms.

A batch norm without parameters is a scale and a shift per channel, so a node is one weighted sum of *raw* outputs:

    node = sum_j M_j (y_j - mean_j) / deviation_j = bias + sum_j scale_j * y_j

and its backward pass needs, of every y_j, only the per-channel sums of gradient and gradient * y_j. The gradient of y_j
is then ``a * gradient + b * y_j + d`` per channel, which the kernels form on the fly. A depthwise separable unit
(norm, ReLU, depthwise and pointwise convolution) saves its input and output and recomputes what is between.

The fast form wraps a reference supernet, whose parameters and skeleton it uses: it cannot describe a network of its
own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dadarts.architecture.skeletons import Cell
from dadarts.architecture.supernet import Idle, MixedNode, Mixing, Supernet, needed
from dadarts.engines.native import Kernels
from dadarts.engines.native.decompose import OUTSIDE, Chain, Other, Place, Pool, Projection, Unit, places_of, term_of
from dadarts.engines.native.functional import Raw, pooled, projected


class FusedSupernet:
    """A supernet's forward pass by native kernels; the same function of the same parameters.

    Args:
        supernet: the readable definition.
        kernels: the compiled kernels.
    """

    def __init__(self, supernet: Supernet, kernels: Kernels) -> None:
        self.supernet = supernet
        self._kernels = kernels
        self._places = {node: places_of(node) for node in supernet.modules() if isinstance(node, MixedNode)}
        cells = [cell for cell in supernet.modules() if isinstance(cell, Cell)]
        self._preparing = {prepare: term_of(prepare) for cell in cells for prepare in cell.preprocess}

    def __call__(self, x_BCHW: Tensor, mixing: Mixing, noise_key: int = 0, idle: Idle | None = None) -> Tensor:
        """Logits (B, classes); see `Supernet.forward`."""

        def run(cell: Cell, inputs: Sequence[Tensor]) -> Tensor:
            pools: dict[tuple[int, Pool], Raw] = {}

            states = [self._prepared(module, x) for module, x in zip(cell.preprocess, inputs, strict=True)]
            for number, node in enumerate(cell.nodes, start=cell.first):
                assert isinstance(node, MixedNode)  # noqa: S101 -- nn.ModuleList forgets the type of what it holds
                mixing_EO = mixing[cell.site.kind][number]
                idle_EO = None if idle is None else idle[cell.site.kind][number]
                computed = needed(mixing_EO, idle_EO)
                places = tuple(place for place in self._places[node] if computed[place.edge][place.column])
                out = self._node(node, places, states, mixing_EO, pools)
                states.append(out.contiguous(memory_format=torch.channels_last))
            return cell.joined(states)

        return self.supernet.logits(x_BCHW, run, noise_key)

    def _prepared(self, module: nn.Module, x: Tensor) -> Tensor:
        """An input of a cell, preprocessed."""
        term = self._preparing[module]
        if not isinstance(term, Projection):
            state: Tensor = module(x)
            return state.contiguous(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
        return projected(self._kernels, term, x, normed=True)[0]

    def _node(
        self,
        node: MixedNode,
        places: tuple[Place, ...],
        states: list[Tensor],
        mixing_EO: Tensor,
        pools: dict[tuple[int, Pool], Raw],
    ) -> Tensor:
        if not places:
            nothing: Tensor = node.zero(states[0])
            return nothing
        given = [self._given(place, states, pools) for place in places]
        call = _Call(self._kernels, places, tuple(norm for _, norm in given), len(states))
        parameters = [
            parameter
            for place in places
            if isinstance(place.term, Chain)
            for unit in place.term.units
            for parameter in (unit.depthwise, unit.pointwise)
        ]
        out: Tensor = _MixedSum.apply(  # type: ignore[no-untyped-call]
            call, mixing_EO, *states, *(raw for raw, _ in given if raw is not None), *parameters
        )
        return out

    def _given(
        self, place: Place, states: list[Tensor], pools: dict[tuple[int, Pool], Raw]
    ) -> tuple[Tensor | None, Tensor | None]:
        """What of a place is computed outside of the node's one pass."""
        term, state = place.term, states[place.edge]
        if isinstance(term, Pool):
            if (place.edge, term) not in pools:
                pools[place.edge, term] = pooled(self._kernels, term, state)
            return pools[place.edge, term]
        if isinstance(term, Projection):
            return projected(self._kernels, term, state, normed=False)
        if isinstance(term, Other):
            raw = term.body(state).contiguous(memory_format=torch.channels_last)
            return raw, None if term.eps is None else self._kernels.norm_of(raw.detach(), term.eps)
        return None, None


@dataclass(frozen=True)
class _Call:
    """What a node's pass needs beside tensors that have gradients.

    Args:
        kernels: the compiled kernels.
        places: the terms of the sum.
        norms: of every term that comes from outside, its norm.
        states: how many states there are.
    """

    kernels: Kernels
    places: tuple[Place, ...]
    norms: tuple[Tensor | None, ...]
    states: int

    def scattered(self, values: Sequence[float], like_EO: Tensor) -> Tensor:
        """One value a place where its mixing weight stands, zeros elsewhere."""
        rows = [[0.0] * like_EO.shape[1] for _ in range(like_EO.shape[0])]
        for place, value in zip(self.places, values, strict=True):
            rows[place.edge][place.column] = value
        return torch.tensor(rows, dtype=like_EO.dtype)


@dataclass(frozen=True)
class _Step:
    """A unit as it was computed: positions in the list of saved tensors."""

    unit: Unit
    x: int
    norm: int | None
    depthwise: int
    pointwise: int


class _MixedSum(torch.autograd.Function):
    """A node: every convolution of depthwise units, and the weighted sum of them and of what was computed before.

    Its tensors are the states, the outputs given from outside in the order of their places, and the kernels of every
    unit in order.
    """

    @staticmethod
    def forward(ctx: Any, call: _Call, mixing_EO: Tensor, *tensors: Tensor) -> Tensor:
        saved, norms, values = list(tensors), [], []
        steps: list[tuple[_Step, ...]] = []
        outside = iter(range(call.states, len(tensors)))
        given = {j: next(outside) for j, place in enumerate(call.places) if isinstance(place.term, OUTSIDE)}
        for j, place in enumerate(call.places):
            at, norm, done = given.get(j, place.edge), call.norms[j], []
            for unit in place.term.units if isinstance(place.term, Chain) else ():
                step = _Step(unit, at, None if norm is None else len(saved), next(outside), next(outside))
                if norm is not None:
                    saved.append(norm)
                kernels = saved[step.depthwise], saved[step.pointwise]
                value, norm = call.kernels.unit_forward(unit.window, saved[at], norm, *kernels, unit.eps)
                at = len(saved)
                saved.append(value)
                done.append(step)
            steps.append(tuple(done))
            values.append(at)
            norms.append(norm)
        mixing = mixing_EO.tolist()
        weights = [mixing[place.edge][place.column] for place in call.places]
        ctx.call, ctx.steps, ctx.values, ctx.weights, ctx.mixing_EO = call, steps, values, weights, mixing_EO.detach()
        ctx.normed = [norm is not None for norm in norms]
        ctx.save_for_backward(*saved, *(norm for norm in norms if norm is not None))
        return call.kernels.mix([saved[at] for at in values], norms, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        call: _Call = ctx.call
        saved = ctx.saved_tensors
        last = iter(saved[len(saved) - sum(ctx.normed) :])
        norms = [next(last) if normed else None for normed in ctx.normed]
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        values = [saved[at] for at in ctx.values]
        products, coefficients_J3C = call.kernels.through_norms(values, norms, ctx.weights, gradient)
        coefficients = coefficients_J3C.unbind()
        mixing_grad = call.scattered(products, ctx.mixing_EO) if ctx.needs_input_grad[1] else None
        # Two more inputs, the call and the mixing weights, stand before the tensors.
        needed = ctx.needs_input_grad[2:]
        grads: list[Tensor | None] = [None] * len(needed)
        for j, (steps, at) in enumerate(zip(ctx.steps, ctx.values, strict=True)):
            inputs = [at, *(i for step in steps for i in (step.x, step.depthwise, step.pointwise))]
            # What a unit made for the next one stands behind the inputs, and nobody asks for its gradient.
            if ctx.weights[j] == 0 or not any(needed[i] for i in inputs if i < len(needed)):
                continue
            source = gradient, saved[at], coefficients[j]
            for step in reversed(steps):
                source = _unit_backward(call.kernels, step, saved, source, grads, needed)
            if not steps:
                value = saved[at] if norms[j] is not None else None
                call.kernels.affine(gradient, value, coefficients[j], *_total(grads, saved, at))
        return None, mixing_grad, *grads


Source: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""(gradient, value, coefficients) of which the gradient of a raw output is made"""


def _unit_backward(
    kernels: Kernels,
    step: _Step,
    saved: Sequence[Tensor],
    source: Source,
    grads: list[Tensor | None],
    needed: Sequence[bool],
) -> Source:
    """Add a unit's gradients to `grads`; returns what the gradient of its input is made of."""
    x, norm = saved[step.x], None if step.norm is None else saved[step.norm]
    x_grad, accumulate = _total(grads, saved, step.x) if norm is None else (torch.empty_like(x), False)
    grads[step.depthwise], grads[step.pointwise], coefficients = kernels.unit_backward(
        step.unit.window, x, norm, (saved[step.depthwise], saved[step.pointwise]), source, x_grad, accumulate,
        weights=needed[step.depthwise] or needed[step.pointwise],
    )  # fmt: skip
    return (x_grad, x, coefficients) if coefficients is not None else source


def _total(grads: list[Tensor | None], saved: Sequence[Tensor], at: int) -> tuple[Tensor, bool]:
    """The gradient of a tensor as far as it has been added up, and whether there is anything in it yet."""
    so_far = grads[at]
    if so_far is not None:
        return so_far, True
    fresh = grads[at] = torch.empty_like(saved[at])
    return fresh, False
