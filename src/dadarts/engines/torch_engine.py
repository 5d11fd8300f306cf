"""The same sums as `supernet.py` in torch's own operations, what nodes share computed once.

All nodes that read a state read the same pools and the same rectified state. There are fewer operations to launch and
fewer tensors to save; nothing is compiled, and every device can compute it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from torch import Tensor, nn

from dadarts.architecture.operations import DilConv, SepConv
from dadarts.architecture.skeletons import Cell
from dadarts.architecture.supernet import Idle, MixedNode, Mixing, Supernet
from dadarts.engines.parts import layers_of, pool_of, rectifies

RECTIFIED = "relu"


class SharedSupernet:
    """A supernet's forward pass with shared pools and rectified states; the same function of the same parameters.

    Args:
        supernet: the readable definition.
    """

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet
        nodes = [node for node in supernet.modules() if isinstance(node, MixedNode)]
        self._begins = {operation: _begin_of(operation) for node in nodes for operation in node.children()}

    def __call__(self, x_BCHW: Tensor, mixing: Mixing, noise_key: int = 0, idle: Idle | None = None, /) -> Tensor:
        """Logits (B, classes); see `Supernet.forward`."""

        def run(cell: Cell, inputs: Sequence[Tensor]) -> Tensor:
            shared = _Shared(self._begins)

            def run_node(number: int, node: nn.Module, states: list[Tensor]) -> Tensor:
                weights = mixing[cell.site.kind][number]
                idle_EO = None if idle is None else idle[cell.site.kind][number]
                total: Tensor = node(states, weights, idle_EO, shared.output)
                return total

            out: Tensor = cell(inputs, run_node)
            return out

        return self.supernet.logits(x_BCHW, run, noise_key)


def _begin_of(operation: nn.Module) -> Hashable:
    """What of an operation others on its state may share: a pool is its facts, a convolution its ReLU; None: nothing.

    Equal answers are equal functions without parameters, of the operation's whole or of its first layer.
    """
    if (pool := pool_of(operation)) is not None:
        return pool
    is_convolution = isinstance(operation, SepConv | DilConv) and len(layers_of(operation)) > 1
    return RECTIFIED if is_convolution and rectifies(layers_of(operation)[0]) else None


class _Shared:
    """What the nodes of one cell have computed of its states so far."""

    def __init__(self, begins: Mapping[nn.Module, Hashable]) -> None:
        self._begins = begins
        self._made: dict[tuple[int, Hashable], Tensor] = {}

    def output(self, operation: nn.Module, states: list[Tensor], edge: int) -> Tensor:
        """The operation's output on a state; a pool's is computed once, a convolution shares the rectified state."""
        begin = self._begins.get(operation)
        if begin is None:
            out: Tensor = operation(states[edge])
            return out
        if begin != RECTIFIED:
            return self._once(operation, begin, states, edge)
        first, *rest = layers_of(operation)
        y = self._once(first, begin, states, edge)
        for layer in rest:
            y = layer(y)
        return y

    def _once(self, operation: nn.Module, key: Hashable, states: list[Tensor], edge: int) -> Tensor:
        if (edge, key) not in self._made:
            self._made[edge, key] = operation(states[edge])
        return self._made[edge, key]
