"""The same function as `architecture/network.py` in training mode, faster: norms applied by their readers.

Every batch norm is a scale and a shift per channel, and where paths drop out per picture, so a node is one pass over
its raw outputs:

    node = sum_j keep_jb (gamma_j (y_j - mean_j) / deviation_j + beta_j)

Its backward pass needs, of every y_j, only the sums of gradient and gradient * y_j per picture and channel. Cells are
never concatenated: who reads one reads its states.

The fast form wraps a network, whose parameters and skeleton it uses: it cannot describe a network of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dadarts.architecture.network import DropPath, FixedNode, LoneNode, Network
from dadarts.architecture.skeletons import Cell
from dadarts.engines.native import Kernels
from dadarts.engines.native.layers import (
    AnyConvolution,
    Branch,
    DenseLayer,
    OtherLayer,
    PointwiseLayer,
    PoolLayer,
    UnitLayer,
    branches,
)
from dadarts.engines.native.normed import Normed
from dadarts.engines.native.passes import Passes
from dadarts.engines.native.steps import (
    DenseStep,
    ForgetStep,
    PointwiseStep,
    PoolStep,
    SumStep,
    UnitStep,
    output,
    whole,
)
from dadarts.engines.native.tape import State, Tape, update_running
from dadarts.engines.native.torch_steps import ConvolutionStep, OtherStep

Joined: TypeAlias = tuple[State, ...]
"""States that are read as if they were concatenated."""


class FusedNetwork:
    """A network's forward pass by native kernels; the same function of the same parameters.

    In evaluation mode the network itself computes, and where some of its norms are (frozen ones).

    Args:
        network: the readable definition, whose modules stay what they are.
        kernels: the compiled kernels.
    """

    def __init__(self, network: Network, kernels: Kernels) -> None:
        self.network = network
        self._passes = Passes(kernels)
        self._branches: dict[nn.Module, tuple[Branch, ...]] = {}
        # Of hundreds of modules: to go through them takes as long as some kernels do.
        self._modules, self._parameters = tuple(network.modules()), tuple(network.backbone.parameters())

    @property
    def _is_training(self) -> bool:
        return all(module.training for module in self._modules)

    def __call__(self, x_BCHW: Tensor, drop_path: DropPath | None = None, noise_key: int = 0) -> Tensor:
        """Logits (B, classes) of normalised pictures."""
        network = self.network
        if not self._is_training:
            logits: Tensor = network(x_BCHW, drop_path, noise_key)
            return logits
        (features,) = self._features(x_BCHW, drop_path, noise_key, (-1,))
        return network.backbone.classify(features)

    def forward_with_auxiliary(
        self, x_BCHW: Tensor, drop_path: DropPath | None, noise_key: int
    ) -> tuple[Tensor, Tensor | None]:
        """Logits of the network and, where there is one, of the auxiliary head."""
        network = self.network
        if not self._is_training:
            return network.forward_with_auxiliary(x_BCHW, drop_path, noise_key)
        if network.auxiliary is None:
            return self(x_BCHW, drop_path, noise_key), None
        side, last = self._features(x_BCHW, drop_path, noise_key, (network.auxiliary_cell, -1))
        return network.backbone.classify(last), network.auxiliary(side)

    def _features(
        self, x_BCHW: Tensor, drop_path: DropPath | None, noise_key: int, wanted: Sequence[int]
    ) -> tuple[Tensor, ...]:
        """The outputs of some cells."""
        backbone = self.network.backbone
        self.network.set_noise(noise_key)
        tape = Tape(self._passes, torch.is_grad_enabled())
        images = x_BCHW.contiguous(memory_format=torch.channels_last)

        def run(x: Tensor) -> list[State]:
            pictures = State(Normed(x), wanted=images.requires_grad)
            joined: Joined = (pictures,)
            own = _Pass(self._of, tape, drop_path)
            cells = backbone.features(joined, own.cell, own.through)
            return [pictures, *(output(tape, cells[number]) for number in wanted)]

        return _passed(tape, run, images, self._parameters)

    def _of(self, module: nn.Module) -> tuple[Branch, ...]:
        """A module taken apart, once."""
        if module not in self._branches:
            self._branches[module] = branches(module)
        return self._branches[module]


def _passed(
    tape: Tape, run: Callable[[Tensor], list[State]], images: Tensor, parameters: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """What a pass gives out, running statistics updated; `run` returns the pictures' state and then those."""
    found: tuple[Tensor, ...] = _Recorded.apply(tape, run, images, *parameters)  # type: ignore[no-untyped-call]
    update_running(tape.norms)
    tape.norms.clear()
    return found


class _Recorded(torch.autograd.Function):
    """A pass as one function of pictures and parameters."""

    @staticmethod
    def forward(
        ctx: Any, tape: Tape, run: Callable[[Tensor], list[State]], images: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        pictures, *outputs = run(images)
        ctx.tape, ctx.pictures, ctx.outputs = tape, pictures, outputs
        # Torch refuses to go back where one of them has changed meanwhile: the way back reads them as they are then.
        ctx.save_for_backward(*parameters)
        # Other tensors of the same numbers: autograd ties what is returned to this pass, which holds the states.
        return tuple(state.raw.value.detach() for state in outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        tape: Tape = ctx.tape
        if not tape.steps:
            raise RuntimeError("a pass by native kernels can be gone back once")
        for state, gradient in zip(ctx.outputs, gradients, strict=True):
            if gradient is not None:
                tape.give(state, gradient.contiguous(memory_format=torch.channels_last))
        ctx.outputs = None
        parameters = ctx.saved_tensors
        tape.back(parameters)
        found = tape.raw_gradient(ctx.pictures) if ctx.pictures.wanted else None
        return None, None, found, *(tape.grads.pop(parameter, None) for parameter in parameters)


class _Pass:
    """A pass through cells and what stands beside them."""

    def __init__(
        self, branches_of: Callable[[nn.Module], tuple[Branch, ...]], tape: Tape, drop_path: DropPath | None
    ) -> None:
        self.branches_of = branches_of
        self.tape = tape
        self.drop_path = drop_path

    def cell(self, cell: Cell, inputs: Sequence[Joined]) -> Joined:
        """The states that a cell's output is the concatenation of."""
        self.tape.pools.clear()
        since = len(self.tape.steps)
        states = [
            whole(self.tape, self.through(prepare, x)) for prepare, x in zip(cell.preprocess, inputs, strict=True)
        ]
        for node in cell.nodes:
            assert isinstance(node, FixedNode)  # noqa: S101 -- nn.ModuleList forgets the type of what it holds
            states.append(self.node(node, states))
        joined = tuple(states[number] for number in cell.concat)
        ForgetStep.taken(self.tape, [state for state in states if state not in joined], since)
        return joined

    def node(self, node: FixedNode, states: Sequence[State]) -> State:
        """The sum of a node's edges."""
        terms: list[State] = []
        keeps: list[Tensor | None] = []
        for number, name in node.edges:
            x = states[number]
            for branch in self.branches_of(node.get_submodule(name)):
                terms.append(self._chain(branch, (x,)))
                keeps.append(self._keep(x.raw.value) if branch.drops else None)
        if not terms:
            return State(Normed(node.zero(states[0].raw.value).contiguous(memory_format=torch.channels_last)))
        return SumStep.taken(self.tape, terms, keeps)

    def _keep(self, like: Tensor) -> Tensor | None:
        if self.drop_path is None:
            return None
        stays = self.drop_path.stays(like.shape[0])
        return None if self.drop_path.probability == 0 else stays.to(like.dtype) / (1 - self.drop_path.probability)

    def through(self, module: nn.Module, x: Joined) -> Joined:
        """What a module beside the nodes makes of states."""
        own = self.branches_of(module)
        if len(own) == 1:
            return (self._chain(own[0], x),) if own[0].layers else x
        return (SumStep.taken(self.tape, [self._chain(branch, x) for branch in own], [None] * len(own)),)

    def _chain(self, branch: Branch, x: Joined) -> State:
        for layer in branch.layers:
            x = (self._layer(layer, x),)
        return whole(self.tape, x)

    def _layer(self, layer: object, x: Joined) -> State:
        if isinstance(layer, PointwiseLayer):
            return PointwiseStep.taken(self.tape, layer, x)
        one = whole(self.tape, x)
        match layer:
            case UnitLayer():
                return UnitStep.taken(self.tape, layer, one)
            case PoolLayer():
                return PoolStep.taken(self.tape, layer, one)
            case DenseLayer():
                return DenseStep.taken(self.tape, layer, one)
            case AnyConvolution():
                return ConvolutionStep.taken(self.tape, layer, one)
            case OtherLayer():
                return OtherStep.taken(self.tape, layer, one)
        raise TypeError(layer)


class FusedNode:
    """A node of one state in training mode; the same function of the same parameters.

    Args:
        node: the readable definition.
        kernels: the compiled kernels.
    """

    def __init__(self, node: LoneNode, kernels: Kernels) -> None:
        self.node = node
        self._passes = Passes(kernels)
        self._branches = {edge: branches(edge) for edge in node.node.children()}

    def __call__(self, x_BCHW: Tensor) -> Tensor:
        """The node (B, C, H, W) of a state."""
        tape = Tape(self._passes, torch.is_grad_enabled())
        images = x_BCHW.contiguous(memory_format=torch.channels_last)

        def run(x: Tensor) -> list[State]:
            state = State(Normed(x), wanted=images.requires_grad)
            node = _Pass(self._branches.__getitem__, tape, None).node(self.node.node, (state,))
            return [state, output(tape, (node,))]

        (found,) = _passed(tape, run, images, list(self.node.parameters()))
        return found
