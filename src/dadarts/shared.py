"""The same sums as `supernet.py` in torch's own operations, what nodes share computed once.

All nodes that read a state read the same pools and the same rectified state. There are fewer operations to launch and
fewer tensors to save; nothing is compiled, and every device can compute it.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dadarts.alphas import Idle, Mixing
from dadarts.cells import Cell
from dadarts.ops import DilConv, SepConv
from dadarts.supernet import Supernet


class SharedSupernet:
    """A supernet's forward pass with shared pools and rectified states; the same function of the same parameters.

    Args:
        supernet: the readable definition.
    """

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet

    def __call__(self, x_BCHW: Tensor, mixing: Mixing, noise_key: int = 0, idle: Idle | None = None, /) -> Tensor:
        """Logits (B, classes); see `Supernet.forward`."""

        def run(cell: Cell, inputs: Sequence[Tensor]) -> Tensor:
            shared = _Shared()

            def run_node(number: int, node: nn.Module, states: list[Tensor]) -> Tensor:
                weights = mixing[cell.site.kind][number]
                idle_EO = None if idle is None else idle[cell.site.kind][number]
                total: Tensor = node(states, weights, idle_EO, shared.output)
                return total

            out: Tensor = cell(inputs, run_node)
            return out

        return self.supernet.logits(x_BCHW, run, noise_key)


class _Shared:
    """What the nodes of one cell have computed of its states so far."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, str], Tensor] = {}

    def output(self, operation: nn.Module, states: list[Tensor], edge: int) -> Tensor:
        """The operation's output on a state; a pool's is computed once, a convolution shares the rectified state."""
        if isinstance(operation, SepConv | DilConv):
            y = self._once(operation[0], "relu", states, edge)
            for layer in list(operation)[1:]:
                y = layer(y)
            return y
        pool = operation[0] if isinstance(operation, nn.Sequential) and len(operation) == 2 else operation
        if isinstance(pool, nn.AvgPool2d | nn.MaxPool2d):
            return self._once(operation, type(pool).__name__, states, edge)
        out: Tensor = operation(states[edge])
        return out

    def _once(self, operation: nn.Module, name: str, states: list[Tensor], edge: int) -> Tensor:
        # Operations of one name on one state are alike: a state has one stride, and these have no parameters.
        if (edge, name) not in self._made:
            self._made[edge, name] = operation(states[edge])
        return self._made[edge, name]
