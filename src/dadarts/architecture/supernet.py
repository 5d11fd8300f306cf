"""The mixed network: every candidate operation on every edge, weighted. The readable definition, and the oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dadarts.architecture.operations import Zero, noises
from dadarts.architecture.skeletons import Cell, Macro, RunCell, Site, applied, build_backbone
from dadarts.architecture.spaces import SearchSpace


class Batch(Protocol):
    """Normalised pictures, their labels, and a key that names the batch (what `noise` is drawn from)."""

    @property
    def images(self) -> Tensor: ...

    @property
    def labels(self) -> Tensor: ...

    @property
    def key(self) -> int: ...


Mixing: TypeAlias = dict[str, tuple[Tensor, ...]]
"""kind -> node -> (E, O) weights that multiply the operations' outputs"""


Idle: TypeAlias = dict[str, tuple[Tensor, ...]]
"""kind -> node -> bool (E, O): places that a pass leaves out, whatever their weight (see `sparsity.py`)"""


Output: TypeAlias = Callable[[nn.Module, list[Tensor], int], Tensor]
"""What an operation makes of one of its node's states: (operation, states, edge) -> term"""


class Forward(Protocol):
    """A supernet's forward pass: logits (B, classes) of pictures; see `Supernet.forward`."""

    def __call__(self, x_BCHW: Tensor, mixing: Mixing, noise_key: int = 0, idle: Idle | None = None, /) -> Tensor: ...


class MixedNode(nn.Module):
    """``node = sum_e sum_o M[e, o] * op_{e,o}(state_e)``.

    Places that are exactly 0 in mixing weights that need no gradient are not computed: zero times an operation is
    zero, so nothing changes but the time. `none` adds zeros and is never computed, nor is what `idle` leaves out.
    """

    def __init__(self, space: SearchSpace, site: Site, number: int) -> None:
        super().__init__()
        self.places: list[tuple[int, int, str]] = []
        stride_of = [site.input_stride if state < space.inputs else 1 for state in range(number + space.inputs)]
        for edge, names in enumerate(space.table(site.kind)[number]):
            for column, name in enumerate(names):
                operation = space.ops[name].build(site.channels, stride_of[edge], False) if name else None
                if operation is not None and not isinstance(operation, Zero):
                    self.add_module(f"{edge}-{name}", operation)
                    self.places.append((edge, column, f"{edge}-{name}"))
        self.zero = Zero(stride_of[0], site.channels)

    def forward(
        self,
        states: list[Tensor],
        mixing_EO: Tensor,
        idle_EO: Tensor | None = None,
        output: Output | None = None,
    ) -> Tensor:
        """The weighted sum of what `output` makes of (operation, states, edge); by default the operation itself."""
        compute = _output if output is None else output
        computed = needed(mixing_EO, idle_EO)
        weights = [row.unbind() for row in mixing_EO.unbind()]
        total: Tensor | None = None
        for edge, column, name in self.places:
            if computed[edge][column]:
                term = weights[edge][column] * compute(self.get_submodule(name), states, edge)
                total = term if total is None else total + term
        return self.zero(states[0]) if total is None else total


def _output(operation: nn.Module, states: list[Tensor], edge: int) -> Tensor:
    out: Tensor = operation(states[edge])
    return out


class PartialNode(MixedNode):
    """A mixed node through which 1/K of every state's channels go; the rest goes around it (arXiv 1907.05737).

    With x the first C/K channels of an edge's state, y the rest (max-pooled where the edge halves sizes), and b_e what
    M gives edge e in all,

        node = shuffle(concat(sum_e sum_o M[e, o] * op_{e,o}(x_e), sum_e b_e * y_e)),   b_e = sum_o M[e, o].

    The shuffle puts channel i of each of the K groups next to one another.
    """

    def __init__(self, space: SearchSpace, site: Site, number: int, fraction: int) -> None:
        super().__init__(space, replace(site, channels=site.channels // fraction), number)
        self.fraction = fraction
        self.inside = site.channels // fraction
        self.halving = tuple(state < space.inputs and site.input_stride > 1 for state in range(number + space.inputs))

    def forward(
        self,
        states: list[Tensor],
        mixing_EO: Tensor,
        idle_EO: Tensor | None = None,
        output: Output | None = None,
    ) -> Tensor:
        """As `MixedNode.forward`, where operations see only the channels that go through them."""
        through = super().forward([state[:, : self.inside] for state in states], mixing_EO, idle_EO, output)
        rests = [state[:, self.inside :] for state in states]
        around = [
            share * (F.max_pool2d(rest, 2, ceil_mode=True) if halves else rest)
            for share, rest, halves in zip(mixing_EO.sum(dim=-1), rests, self.halving, strict=True)
        ]
        return F.channel_shuffle(torch.cat((through, torch.stack(around).sum(dim=0)), dim=1), self.fraction)


def needed(mixing_EO: Tensor, idle_EO: Tensor | None) -> list[list[bool]]:
    """Which places of a node a pass computes: those that are not idle, and not 0 in weights without a gradient."""
    computed = torch.ones_like(mixing_EO, dtype=torch.bool) if mixing_EO.requires_grad else mixing_EO != 0
    if idle_EO is not None:
        computed = computed & ~idle_EO
    rows: list[list[bool]] = computed.tolist()
    return rows


class Supernet(nn.Module):
    """All networks of a search space at once; it holds weights w and never an alpha.

    Every batch norm uses the statistics of the batch: there are no running statistics, so any mixing weights can be
    evaluated at any time. Cells of one kind share their mixing weights.

    Args:
        space: which operations stand where.
        macro: the size.
        recomputes_cells: keep only what goes into cells for the backward pass, and compute each cell again there
            (arXiv 1604.06174): less memory, more time, the same numbers.
        channel_fraction: K, where 1/K of the channels go through the operations; see `PartialNode`.
    """

    def __init__(
        self, space: SearchSpace, macro: Macro, recomputes_cells: bool = False, channel_fraction: int = 1
    ) -> None:
        super().__init__()
        self.channel_fraction = channel_fraction
        self.recomputes_cells = recomputes_cells
        self.space = space
        self.macro = macro
        self.backbone = build_backbone(
            space,
            macro,
            lambda site, number: (
                MixedNode(space, site, number)
                if channel_fraction == 1
                else PartialNode(space, site, number, channel_fraction)
            ),
            dict.fromkeys(space.kinds, space.joined),
            affine=False,
        )
        self._noises = noises(self)

    def forward(self, x_BCHW: Tensor, mixing: Mixing, noise_key: int = 0, idle: Idle | None = None) -> Tensor:
        """Logits (B, classes) of normalised pictures under mixing weights.

        Args:
            x_BCHW: normalised pictures.
            mixing: kind -> node -> (E, O).
            noise_key: names the batch; only the operation `noise` (space S4) draws from it.
            idle: places that the pass leaves out.
        """

        def run(cell: Cell, inputs: Sequence[Tensor]) -> Tensor:
            weights, left_out = mixing[cell.site.kind], None if idle is None else idle[cell.site.kind]

            def run_node(number: int, node: nn.Module, states: list[Tensor]) -> Tensor:
                total: Tensor = node(states, weights[number], None if left_out is None else left_out[number])
                return total

            out: Tensor = cell(inputs, run_node)
            return out

        return self.logits(x_BCHW, run, noise_key)

    def logits(self, x_BCHW: Tensor, run: RunCell[Tensor], noise_key: int) -> Tensor:
        """Logits of a forward pass whose cells are computed by `run`."""
        for noise in self._noises:
            noise.key = noise_key
        if self.recomputes_cells and torch.is_grad_enabled():
            run = _recomputed(run)
        return self.backbone.classify(self.backbone.features(x_BCHW, run, applied)[-1])


def _recomputed(run: RunCell[Tensor]) -> RunCell[Tensor]:
    def run_again(cell: Cell, inputs: Sequence[Tensor]) -> Tensor:
        # Nothing in a cell draws from a generator that has a state.
        out: Tensor = checkpoint(run, cell, inputs, use_reentrant=False, preserve_rng_state=False)
        return out

    return run_again
