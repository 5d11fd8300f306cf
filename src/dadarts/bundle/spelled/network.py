"""The classes of a network's cells, and of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import indent

from torch import nn

from dadarts.architecture.network import Network
from dadarts.architecture.operations import NONE, FactorizedReduce
from dadarts.architecture.skeletons import BenchBackbone, Cell, DartsBackbone, LayerBackbone, ResidualReduction
from dadarts.bundle.form import LeftOutError
from dadarts.bundle.spelled.cells import joined, listed, nodes, operations, states_read, sums
from dadarts.bundle.spelled.layers import OPERATIONS, plain

_CLASSES = {"normal": "NormalCell", "reduce": "ReductionCell"}
_IS = {"normal": "keeps its size", "reduce": "halves its size and doubles its channels"}


def classes_of(given: Network) -> str:
    """The classes of a network's cells, and the class `Network`.

    Raises:
        LeftOutError: an operation was registered from outside, whose source is not ours to write.
    """
    backbone = given.backbone
    unknown = sorted({*given.genotype.operations()} - {NONE} - {*OPERATIONS[given.genotype.syntax]})
    if unknown:
        raise LeftOutError(f"the source of {', '.join(unknown)}, registered from outside, is not known to stand alone")
    match backbone:
        case DartsBackbone():
            return _darts(given, backbone)
        case BenchBackbone():
            return _bench(given, backbone)
        case LayerBackbone():
            return _macro(given, backbone)


def _darts(given: Network, backbone: DartsBackbone) -> str:
    cells = [cell for cell in backbone.cells if isinstance(cell, Cell)]
    kinds = {cell.site.kind: cell for cell in reversed(cells)}
    halving = {cell.site.kind for cell in cells if _halves(cell)}
    noisy = "noise" in given.genotype.operations()
    classes = [_darts_cell(given, kinds[kind], kind in halving, noisy) for kind in _CLASSES if kind in kinds]
    built = []
    before, last, *_ = [_out(backbone.stem0), _out(backbone.stem1) or _out(backbone.stem0)]
    for cell, wide in zip(cells, backbone.out_channels, strict=True):
        halved = ", halved=True" if _halves(cell) else ""
        index = f", index={cell.site.index}" if noisy else ""
        built.append(f"{_CLASSES[cell.site.kind]}({before}, {last}, {cell.site.channels}{halved}{index})")
        before, last = last, wide
    init = [
        f"self.stem0 = {plain(backbone.stem0)}",
        f"self.stem1 = {plain(backbone.stem1)}",
        f"self.cells = nn.ModuleList({listed(built)})",
        f"self.classifier = {plain(backbone.classifier)}",
    ]
    forward = [
        "before = self.stem0(x)",
        "last = self.stem1(before)",
        "for cell in self.cells:",
        "    before, last = last, cell(before, last)",
        "logits: Tensor = self.classifier(last.mean(dim=(2, 3)))",
        "return logits",
    ]
    return "\n\n\n".join([*classes, _network(init, forward)])


def _halves(cell: Cell) -> bool:
    return isinstance(cell.preprocess[0], FactorizedReduce)


def _out(stem: nn.Module) -> int:
    """The channels that a stem gives; 0 of one that changes nothing."""
    wide = [layer.out_channels for layer in stem.modules() if isinstance(layer, nn.Conv2d)]
    return wide[-1] if wide else 0


def _darts_cell(given: Network, cell: Cell, halving: bool, noisy: bool) -> str:
    kind = cell.site.kind
    first = "ReLUConvBN(before, c, 1)"
    if halving:
        first = f"FactorizedReduce(before, c) if halved else {first}"
    more = (", halved: bool = False" if halving else "") + (", index: int = 0" if noisy else "")
    init = [
        *(["# Where the cell before the last is twice as large as the last, it is halved."] if halving else []),
        f"first = {first}",
        "self.preprocess = nn.ModuleList([first, ReLUConvBN(last, c, 1)])",
        *nodes(given, cell, "c"),
    ]
    forward = [
        *(
            f"s{place} = self.preprocess[{place}]({('before', 'last')[place]})"
            for place in sorted(states_read(cell) & {0, 1})
        ),
        *sums(cell),
        f"return {joined(cell)}",
    ]
    doc = f"A cell that {_IS[kind]}; it reads what the last two cells have given."
    return _class(
        _CLASSES[kind],
        doc,
        f"before: int, last: int, c: int{more}",
        init,
        "before: Tensor, last: Tensor",
        forward,
    )


def _bench(given: Network, backbone: BenchBackbone) -> str:
    cells = [block for block in backbone.body if isinstance(block, Cell)]
    built = []
    for block in backbone.body:
        if isinstance(block, Cell):
            built.append(f"Cell({block.site.channels})")
        elif isinstance(block, ResidualReduction):
            shortcut = block.shortcut[1]
            assert isinstance(shortcut, nn.Conv2d)  # noqa: S101 -- nn.Sequential forgets the type of what it holds
            built.append(f"ResidualReduction({shortcut.in_channels}, {shortcut.out_channels})")
    forward = ["s0 = x", *sums(cells[0]), f"return {joined(cells[0])}"]
    cell = _class(
        "Cell", "A cell: its last node is its output.", "c: int", nodes(given, cells[0], "c"), "x: Tensor", forward
    )
    return f"{cell}\n\n\n{_chain(backbone.stem, 'body', built, backbone.last, backbone.classifier)}"


def _macro(given: Network, backbone: LayerBackbone) -> str:
    built = []
    for cell in backbone.cells:
        assert isinstance(cell, Cell)  # noqa: S101 -- nn.ModuleList forgets the type of what it holds
        ((name, written),) = operations(given, cell, 0, str(cell.site.channels))
        built.append(f'Layer("{name}", {written})')
    return _chain(backbone.stem, "cells", built, backbone.last, backbone.classifier)


def _chain(stem: nn.Module, name: str, built: Sequence[str], last: nn.Module, classifier: nn.Module) -> str:
    """A network of blocks in a row."""
    init = [
        f"self.stem = {plain(stem)}",
        f"self.{name} = nn.ModuleList({listed(built)})",
        f"self.last = {plain(last)}",
        f"self.classifier = {plain(classifier)}",
    ]
    forward = [
        "x = self.stem(x)",
        f"for block in self.{name}:",
        "    x = block(x)",
        "logits: Tensor = self.classifier(self.last(x).mean(dim=(2, 3)))",
        "return logits",
    ]
    return _network(init, forward)


def _network(init: Iterable[str], forward: Iterable[str]) -> str:
    return _class("Network", "Logits (B, classes) of normalised pictures (B, C, H, W).", "", init, "x: Tensor", forward)


def _class(name: str, doc: str, arguments: str, init: Iterable[str], reads: str, forward: Iterable[str]) -> str:
    given = f"self, {arguments}" if arguments else "self"
    body = [
        f'"""{doc}"""',
        "",
        f"def __init__({given}) -> None:",
        *(indent(line, "    ") for line in ("super().__init__()", *init)),
        "",
        f"def forward(self, {reads}) -> Tensor:",
        *(indent(line, "    ") for line in forward),
    ]
    return "\n".join([f"class {name}(nn.Module):", *(indent(line, "    ") for line in body)])
