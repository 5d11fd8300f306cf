"""Wiring and macro skeleton: what the supernet and the discrete network share.

A skeleton decides where cells stand and what surrounds them; what a node computes is the owner's business, passed in
as `make_node` when it is built and as `run` when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from dadarts.architecture.norms import batch_norm
from dadarts.architecture.operations import FactorizedReduce, Noise, ReLUConvBN
from dadarts.architecture.spaces import SearchSpace, Syntax

IMAGENET_STEM_ABOVE = 96
"""Pictures whose short side has more pixels than this get DARTS' ImageNet stem, which divides sizes by 8."""
STAGES = (0, 2, 5)
"""The layers of NAS-Bench-Macro that begin a stage: 2, 3 and 3 layers."""
HEAD = 40
"""Channels of NAS-Bench-Macro's last convolution, in multiples of C: 1,280 at the benchmark's 32."""


@dataclass(frozen=True)
class Site:
    """Where a cell stands: its number in the network, its kind, its width, and the stride of edges from inputs."""

    index: int
    kind: str
    channels: int
    input_stride: int


@dataclass(frozen=True)
class Macro:
    """The size of a network.

    Args:
        channels: initial channels C.
        layers: cells (nas-bench-201: cells a stage; nas-bench-macro: blocks in a row that share a layer's choice).
        image_shape: (C, H, W) of a picture.
        classes: how many.
        stem_multiplier: the DARTS stem has stem_multiplier * C channels.
    """

    channels: int
    layers: int
    image_shape: tuple[int, int, int]
    classes: int
    stem_multiplier: int = 3


MakeNode: TypeAlias = Callable[[Site, int], nn.Module]
"""(site, number of the node) -> the node's module"""


class Cell(nn.Module):
    """A cell: preprocessed inputs, then nodes in order, then the concatenation (or the last) of the states.

    Its nodes are numbered from `first` on, in mixing weights and genotypes.
    """

    def __init__(
        self,
        site: Site,
        preprocess: Sequence[nn.Module],
        nodes: Sequence[nn.Module],
        concat: Sequence[int],
        first: int = 0,
    ) -> None:
        super().__init__()
        self.site = site
        self.preprocess = nn.ModuleList(preprocess)
        self.nodes = nn.ModuleList(nodes)
        self.concat = tuple(concat)
        self.first = first
        for module_name, module in self.named_modules():
            if isinstance(module, Noise):
                module.site = (site.index, *edge_of(module_name))

    def forward(self, inputs: Sequence[Tensor], run_node: Callable[[int, nn.Module, list[Tensor]], Tensor]) -> Tensor:
        states = [prepare(x) for prepare, x in zip(self.preprocess, inputs, strict=True)]
        for number, node in enumerate(self.nodes, start=self.first):
            states.append(run_node(number, node, states))
        return self.joined(states)

    def joined(self, states: Sequence[Tensor]) -> Tensor:
        """The cell's output of its inputs' and nodes' states."""
        return (
            torch.cat([states[state] for state in self.concat], dim=1)
            if len(self.concat) > 1
            else states[self.concat[0]]
        )


def edge_of(module_name: str) -> tuple[int, ...]:
    """(node, input state) of an operation from its module path ``nodes.<node>.<state>-<operation>``.

    The second and third of equal edges end in ``-2`` and ``-3``, and so does what is returned of them.
    """
    _, node, edge = module_name.split(".")[:3]
    state, _, *times = edge.split("-")
    return int(node), int(state), *map(int, times)


State = TypeVar("State")
"""What stands between cells: a tensor, or whatever another form of the same sums makes of it."""
RunCell: TypeAlias = Callable[[Cell, Sequence[State]], State]
Through: TypeAlias = Callable[[nn.Module, State], State]
"""What a module beside the cells makes of a state."""


def applied(module: nn.Module, x: Tensor) -> Tensor:
    """The module of the tensor, as it is."""
    y: Tensor = module(x)
    return y


class DartsBackbone(nn.Module):
    """Stem, L cells of which L//3 and 2L//3 are reduction cells, global pooling, classifier (arXiv 1806.09055)."""

    def __init__(
        self, macro: Macro, make_node: MakeNode, concat: Mapping[str, Sequence[int]], nodes: int, affine: bool
    ) -> None:
        super().__init__()
        channels = macro.channels
        self.stem0, self.stem1, before_last, last, halved = _darts_stem(macro, affine)
        cells = []
        self.out_channels = []
        for index in range(macro.layers):
            reduction = index in (macro.layers // 3, 2 * macro.layers // 3)
            channels *= 2 if reduction else 1
            kind = "reduce" if reduction else "normal"
            site = Site(index, kind, channels, input_stride=2 if reduction else 1)
            preprocess = (
                FactorizedReduce(before_last, channels, affine)
                if halved
                else ReLUConvBN(before_last, channels, 1, 1, affine),
                ReLUConvBN(last, channels, 1, 1, affine),
            )
            cells.append(Cell(site, preprocess, [make_node(site, n) for n in range(nodes)], concat[kind]))
            before_last, last, halved = last, len(concat[kind]) * channels, reduction
            self.out_channels.append(last)
        self.cells = nn.ModuleList(cells)
        self.classifier = nn.Linear(last, macro.classes)

    def features(self, x_BCHW: State, run: RunCell[State], through: Through[State]) -> list[State]:
        before_last = through(self.stem0, x_BCHW)
        outputs = [through(self.stem1, before_last)]
        for cell in self.cells:
            outputs.append(run(_as_cell(cell), (before_last, outputs[-1])))
            before_last = outputs[-2]
        return outputs[1:]

    def classify(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits


def _darts_stem(macro: Macro, affine: bool) -> tuple[nn.Module, nn.Module, int, int, bool]:
    colours, height, width = macro.image_shape
    if min(height, width) <= IMAGENET_STEM_ABOVE:
        wide = macro.stem_multiplier * macro.channels
        stem = nn.Sequential(nn.Conv2d(colours, wide, 3, padding=1, bias=False), batch_norm(wide, affine))
        return stem, nn.Identity(), wide, wide, False
    c = macro.channels
    thin = max(1, c // 2)
    stem0 = nn.Sequential(
        nn.Conv2d(colours, thin, 3, stride=2, padding=1, bias=False),
        batch_norm(thin, affine),
        nn.ReLU(),
        nn.Conv2d(thin, c, 3, stride=2, padding=1, bias=False),
        batch_norm(c, affine),
    )
    stem1 = nn.Sequential(nn.ReLU(), nn.Conv2d(c, c, 3, stride=2, padding=1, bias=False), batch_norm(c, affine))
    return stem0, stem1, c, c, True


class ResidualReduction(nn.Module):
    """NAS-Bench-201's block between stages: two 3x3 convolutions beside an average pool and a 1x1 convolution."""

    def __init__(self, c_in: int, c_out: int, affine: bool) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(c_in, c_out, 3, 2, affine)
        self.conv_b = ReLUConvBN(c_out, c_out, 3, 1, affine)
        # Ceil mode leaves even sizes as they are and keeps odd ones equal to the strided convolution's.
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False), nn.Conv2d(c_in, c_out, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv_b(self.conv_a(x)) + self.shortcut(x)
        return out


class BenchBackbone(nn.Module):
    """NAS-Bench-201's skeleton: three stages of `layers` cells at C, 2C and 4C (arXiv 2001.00326, section 2.1)."""

    def __init__(
        self, macro: Macro, make_node: MakeNode, concat: Mapping[str, Sequence[int]], nodes: int, affine: bool
    ) -> None:
        super().__init__()
        c = macro.channels
        self.stem = nn.Sequential(nn.Conv2d(macro.image_shape[0], c, 3, padding=1, bias=False), batch_norm(c, affine))
        self.out_channels = [c << stage for stage in range(3) for _ in range(macro.layers)]
        body: list[nn.Module] = []
        for stage in range(3):
            if stage:
                body.append(ResidualReduction(c << (stage - 1), c << stage, affine))
            for number in range(macro.layers):
                site = Site(stage * macro.layers + number, "normal", c << stage, input_stride=1)
                body.append(Cell(site, [nn.Identity()], [make_node(site, n) for n in range(nodes)], concat["normal"]))
        self.body = nn.ModuleList(body)
        self.last = nn.Sequential(batch_norm(c << 2, affine), nn.ReLU())
        self.classifier = nn.Linear(c << 2, macro.classes)

    def features(self, x_BCHW: State, run: RunCell[State], through: Through[State]) -> list[State]:
        x = through(self.stem, x_BCHW)
        outputs = []
        for block in self.body:
            if isinstance(block, Cell):
                x = run(block, (x,))
                outputs.append(x)
            else:
                x = through(block, x)
        return outputs

    def classify(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.last(features).mean(dim=(2, 3)))
        return logits


class LayerBackbone(nn.Module):
    """NAS-Bench-Macro's skeleton: stem, 8 layers in stages, 1x1 convolution, classifier (arXiv 2103.11922).

    A stage's first layer halves sizes and doubles channels. A layer is a cell of one node, which reads what the layer
    before made; `macro.layers` above the benchmark's 1 stacks as many blocks of a layer's choice.
    """

    def __init__(
        self, macro: Macro, make_node: MakeNode, concat: Mapping[str, Sequence[int]], nodes: int, affine: bool
    ) -> None:
        super().__init__()
        c = macro.channels
        stem = nn.Conv2d(macro.image_shape[0], c, 3, padding=1, bias=False)
        self.stem = nn.Sequential(stem, batch_norm(c, affine), nn.ReLU())
        cells: list[Cell] = []
        for number in range(nodes):
            for repeat in range(macro.layers):
                stride = 2 if number in STAGES and not repeat else 1
                c *= stride
                site = Site(len(cells), "normal", c, input_stride=stride)
                cells.append(Cell(site, [nn.Identity()], [make_node(site, number)], concat=(1,), first=number))
        self.cells = nn.ModuleList(cells)
        self.out_channels = [cell.site.channels for cell in cells]
        wide = HEAD * macro.channels
        self.last = nn.Sequential(nn.Conv2d(c, wide, 1, bias=False), batch_norm(wide, affine), nn.ReLU())
        self.classifier = nn.Linear(wide, macro.classes)

    def features(self, x_BCHW: State, run: RunCell[State], through: Through[State]) -> list[State]:
        outputs = [through(self.stem, x_BCHW)]
        for cell in self.cells:
            outputs.append(run(_as_cell(cell), (outputs[-1],)))
        return outputs[1:]

    def classify(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.last(features).mean(dim=(2, 3)))
        return logits


def maps_end_in_one_pixel(space: SearchSpace, macro: Macro) -> bool:
    """Whether the last maps have one value a picture, so that batch norm needs two pictures."""
    _, height, width = macro.image_shape
    return space.syntax == "nas-bench-macro" and max(height, width) <= 1 << len(STAGES)


Backbone: TypeAlias = DartsBackbone | BenchBackbone | LayerBackbone


def build_backbone(
    space: SearchSpace, macro: Macro, make_node: MakeNode, concat: Mapping[str, Sequence[int]], affine: bool
) -> Backbone:
    """The skeleton that a space's cells stand in, with the owner's nodes in them."""
    backbones: Mapping[Syntax, Callable[..., Backbone]] = {
        "darts": DartsBackbone,
        "nas-bench-201": BenchBackbone,
        "nas-bench-macro": LayerBackbone,
    }
    return backbones[space.syntax](macro, make_node, concat, space.nodes, affine)


def _as_cell(module: nn.Module) -> Cell:
    assert isinstance(module, Cell)  # noqa: S101 -- nn.ModuleList forgets the type of what it holds
    return module
