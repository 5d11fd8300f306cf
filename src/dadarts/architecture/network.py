"""The discrete network of a genotype: what is trained from scratch and handed to the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.genotype_text import Edge
from dadarts.architecture.norms import batch_norm
from dadarts.architecture.operations import NONE, InvertedResidual, PointwiseReduce, Zero, noises
from dadarts.architecture.skeletons import Cell, Macro, Site, applied, build_backbone
from dadarts.architecture.spaces import SearchSpace
from dadarts.distributed import ALONE, Processes


@dataclass(frozen=True)
class DropPath:
    """Scheduled drop path (arXiv 1605.07648): each edge but the identity ones drops out, picture by picture.

    Args:
        probability: that an edge is dropped for a picture, in [0, 1).
        draw: where the decisions come from.
        processes: they are drawn for the batch of all, and each takes its share.
    """

    probability: float
    draw: torch.Generator
    processes: Processes = ALONE

    def __call__(self, x: Tensor) -> Tensor:
        if self.probability == 0:
            return x
        return x * self.stays(x.shape[0]).to(x.device)[:, None, None, None] / (1 - self.probability)

    def stays(self, pictures: int) -> Tensor:
        """Whether the next edge stays, for each of this process' pictures: bool (B,)."""
        size = pictures * self.processes.count
        drawn = torch.rand((size, 1, 1, 1), generator=self.draw).flatten()
        return drawn[self.processes.share(size)] < 1 - self.probability


class FixedNode(nn.Module):
    """``node = sum over its edges of op(state)``, states counted from the first that the node can read.

    An edge that is there twice is two operations, each with weights of its own.
    """

    def __init__(self, space: SearchSpace, site: Site, number: int, edges: tuple[Edge, ...]) -> None:
        super().__init__()
        self.edges: list[tuple[int, str]] = []
        first = space.reads(site.kind, number).start
        for name, global_state in edges:
            state = global_state - first
            if name != NONE:
                stride = site.input_stride if state < space.inputs else 1
                edge = f"{state}-{name}"
                times = sum(other.startswith(f"{edge}-") or other == edge for _, other in self.edges)
                edge = f"{edge}-{times + 1}" if times else edge
                self.add_module(edge, space.ops[name].build(site.channels, stride, True))
                self.edges.append((state, edge))
        self.zero = Zero(site.input_stride)

    def forward(self, states: list[Tensor], drop_path: DropPath | None) -> Tensor:
        total: Tensor | None = None
        for state, name in self.edges:
            operation, x = self.get_submodule(name), states[state]
            term = operation(x) if drop_path is None else _dropping(operation, x, drop_path)
            total = term if total is None else total + term
        return self.zero(states[0]) if total is None else total


class LoneNode(nn.Module):
    """A node of which every edge reads the same state: what an operation costs is measured on it.

    Args:
        space: of the operations.
        site: where it stands; the edges' stride is that of its inputs.
        operations: the names of its edges.
    """

    def __init__(self, space: SearchSpace, site: Site, operations: Sequence[str]) -> None:
        super().__init__()
        first = space.reads(site.kind, 0).start
        self.node = FixedNode(space, site, 0, tuple((name, first) for name in operations))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.node([x], None)
        return out


def _dropping(operation: nn.Module, x: Tensor, drop_path: DropPath) -> Tensor:
    terms: list[Tensor] = [drop_path(branch(x)) if drops else branch(x) for branch, drops in branches_of(operation)]
    return reduce(torch.add, terms)


def branches_of(operation: nn.Module) -> tuple[tuple[nn.Module, bool], ...]:
    """What an operation on an edge is the sum of, and whether that drops out where paths do.

    Of an operation that is a layer's only path, no more than its residual does.
    """
    match operation:
        case nn.Identity() | PointwiseReduce():
            return ((operation, False),)
        case InvertedResidual():
            if not operation.has_shortcut:
                return ((operation.residual, False),)
            return (operation.residual, True), (nn.Identity(), False)
        case _:
            return ((operation, True),)


class AuxiliaryHead(nn.Module):
    """DARTS' auxiliary classifier, its first pool adaptive so that any picture size gives 2x2."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Conv2d(channels, 128, 1, bias=False),
            batch_norm(128, affine=True),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            batch_norm(768, affine=True),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(768, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.body(x)
        return logits


class Network(nn.Module):
    """The discrete network of a genotype.

    Args:
        genotype: which operations stand where.
        macro: the network's size.
        auxiliary: whether to add DARTS' auxiliary head behind cell 2L//3 (only the darts skeleton has one).
    """

    def __init__(self, genotype: Genotype, macro: Macro, auxiliary: bool = False) -> None:
        super().__init__()
        space = genotype.space
        self.genotype = genotype
        self.macro = macro
        self.backbone = build_backbone(
            space,
            macro,
            lambda site, number: FixedNode(space, site, number, genotype.cells[site.kind].nodes[number]),
            {kind: cell.concat for kind, cell in genotype.cells.items()},
            affine=True,
        )
        self.auxiliary: AuxiliaryHead | None = None
        if auxiliary and genotype.syntax == "darts":
            self.auxiliary = AuxiliaryHead(self.backbone.out_channels[self.auxiliary_cell], macro.classes)
        self._noises = noises(self)

    @property
    def auxiliary_cell(self) -> int:
        """The cell that the auxiliary head reads."""
        return 2 * self.macro.layers // 3

    def forward(self, x_BCHW: Tensor, drop_path: DropPath | None = None, noise_key: int = 0) -> Tensor:
        """Logits (B, classes) of normalised pictures."""
        return self.backbone.classify(self._features(x_BCHW, drop_path, noise_key)[-1])

    def forward_with_auxiliary(
        self, x_BCHW: Tensor, drop_path: DropPath | None, noise_key: int
    ) -> tuple[Tensor, Tensor | None]:
        """Logits of the network and, where there is one, of the auxiliary head."""
        features = self._features(x_BCHW, drop_path, noise_key)
        side = self.auxiliary(features[self.auxiliary_cell]) if self.auxiliary is not None else None
        return self.backbone.classify(features[-1]), side

    def _features(self, x_BCHW: Tensor, drop_path: DropPath | None, noise_key: int) -> list[Tensor]:
        self.set_noise(noise_key)

        def run(cell: Cell, inputs: object) -> Tensor:
            out: Tensor = cell(inputs, lambda number, node, states: node(states, drop_path))
            return out

        return self.backbone.features(x_BCHW, run, applied)

    def set_noise(self, noise_key: int) -> None:
        """Set what noise operations draw in the passes that follow."""
        for noise in self._noises:
            noise.key = noise_key
