"""The cells and the whole of a network spelled out as Python, for people to read and edit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from textwrap import indent

from torch import nn

from dadarts.architecture.network import FixedNode, Network
from dadarts.architecture.norms import BatchNorm
from dadarts.architecture.operations import NONE, FactorizedReduce
from dadarts.architecture.skeletons import BenchBackbone, Cell, DartsBackbone, LayerBackbone, ResidualReduction
from dadarts.bundle.form import LeftOutError

_WIDTH = 116
_CLASSES = {"normal": "NormalCell", "reduce": "ReductionCell"}
_IS = {"normal": "keeps its size", "reduce": "halves its size and doubles its channels"}

Spelling = Callable[[str, int], str]
"""(channels as they are written, stride) to an expression."""


def _stride(stride: int) -> str:
    return f", stride={stride}" if stride > 1 else ""


def _window(kind: str, kernel: int) -> Spelling:
    return lambda c, stride: f"{kind}({c}, {kernel}{_stride(stride)})"


def _convolution(kernel: int) -> Spelling:
    return lambda c, stride: f"ReLUConvBN({c}, {c}, {kernel}{_stride(stride)})"


def _pool(kind: str) -> Spelling:
    return lambda c, stride: f"{kind}({c}{_stride(stride)})"


def _skip(c: str, stride: int) -> str:
    return "nn.Identity()" if stride == 1 else f"FactorizedReduce({c}, {c})"


def _bare_pool(_: str, stride: int) -> str:
    return f"nn.AvgPool2d(3, {stride}, padding=1, count_include_pad=False)"


def _layer(kernel: int, expansion: int) -> Spelling:
    return lambda c, stride: f"InvertedResidual({int(c) // stride}, {c}, {kernel}, {expansion}{_stride(stride)})"


def _reduced(c: str, stride: int) -> str:
    return "nn.Identity()" if stride == 1 else f"PointwiseReduce({int(c) // stride}, {c})"


_DARTS: Mapping[str, Spelling] = {
    "sep_conv_3x3": _window("SepConv", 3),
    "sep_conv_5x5": _window("SepConv", 5),
    "sep_conv_7x7": _window("SepConv", 7),
    "dil_conv_3x3": _window("DilConv", 3),
    "dil_conv_5x5": _window("DilConv", 5),
    "nor_conv_1x1": _convolution(1),
    "nor_conv_3x3": _convolution(3),
    "conv_7x1_1x7": _window("CrossConv", 7),
    "avg_pool_3x3": _pool("AveragePool"),
    "max_pool_3x3": _pool("MaxPool"),
    "skip_connect": _skip,
    "noise": _pool("Noise"),
}
OPERATIONS: Mapping[str, Mapping[str, Spelling]] = {
    "darts": _DARTS,
    "nas-bench-201": {**_DARTS, "avg_pool_3x3": _bare_pool},
    "nas-bench-macro": {"identity": _reduced, "mb3_k3": _layer(3, 3), "mb6_k5": _layer(5, 6)},
}
"""Syntax -> operation -> how it is written."""


def network(given: Network) -> str:
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
        f"self.cells = nn.ModuleList({_list(built)})",
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
        *_nodes(given, cell, "c"),
    ]
    forward = [
        *(
            f"s{place} = self.preprocess[{place}]({('before', 'last')[place]})"
            for place in sorted(_read(cell) & {0, 1})
        ),
        *_sums(given, cell),
        f"return {_joined(cell)}",
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
    forward = ["s0 = x", *_sums(given, cells[0]), f"return {_joined(cells[0])}"]
    cell = _class(
        "Cell", "A cell: its last node is its output.", "c: int", _nodes(given, cells[0], "c"), "x: Tensor", forward
    )
    return f"{cell}\n\n\n{_chain(backbone.stem, 'body', built, backbone.last, backbone.classifier)}"


def _macro(given: Network, backbone: LayerBackbone) -> str:
    built = []
    for cell in backbone.cells:
        assert isinstance(cell, Cell)  # noqa: S101 -- nn.ModuleList forgets the type of what it holds
        ((name, written),) = _operations(given, cell, 0, str(cell.site.channels))
        built.append(f'Layer("{name}", {written})')
    return _chain(backbone.stem, "cells", built, backbone.last, backbone.classifier)


def _chain(stem: nn.Module, name: str, built: Sequence[str], last: nn.Module, classifier: nn.Module) -> str:
    """A network of blocks in a row."""
    init = [
        f"self.stem = {plain(stem)}",
        f"self.{name} = nn.ModuleList({_list(built)})",
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


def _operations(given: Network, cell: Cell, number: int, channels: str) -> list[tuple[str, str]]:
    """The operations of a node of a cell: the names of their modules, and how they are written."""
    spellings = OPERATIONS[given.genotype.syntax]
    node = cell.nodes[number]
    assert isinstance(node, FixedNode)  # noqa: S101 -- nn.ModuleList forgets the type of what it holds
    chosen = [name for name, _ in given.genotype.cells[cell.site.kind].nodes[cell.first + number] if name != NONE]
    found = []
    for name, (state, module) in zip(chosen, node.edges, strict=True):
        stride = cell.site.input_stride if state < len(cell.preprocess) else 1
        # Noise is drawn by its place: cell, node, input, and which of equal edges it is.
        place = ", ".join(["index", str(number), str(state), *module.split("-")[2:]])
        found.append((module, spellings[name](place if name == "noise" else channels, stride)))
    return found


def _nodes(given: Network, cell: Cell, channels: str) -> list[str]:
    nodes = []
    for number in range(len(cell.nodes)):
        edges = [f'"{name}": {written}' for name, written in _operations(given, cell, number, channels)]
        short = f"nn.ModuleDict({{{', '.join(edges)}}})"
        if len(short) + 16 > _WIDTH:
            lines = "".join(f"\n        {edge}," for edge in edges)
            short = f"nn.ModuleDict(\n    {{{lines}\n    }}\n)"
        nodes.append(short)
    return [f"self.nodes = nn.ModuleList({_list(nodes)})"]


def _sums(given: Network, cell: Cell) -> list[str]:
    """What every state that is read is the sum of, line by line."""
    edges = _edges(cell)
    read = _read(cell)
    filled = [state for state in sorted(edges) if state in read and edges[state]]
    lines = []
    if filled:
        every = len(filled) == len(edges)
        inputs = len(cell.preprocess)
        nodes = "self.nodes" if every else ", ".join(f"self.nodes[{state - inputs}]" for state in filled)
        names = ", ".join(f"n{state}" for state in filled)
        lines = [f"({names},) = {nodes}" if every and len(filled) == 1 else f"{names} = {nodes}"]
    for state in sorted(set(edges) & read):
        terms = [f'n{state}["{module}"](s{source})' for source, module in edges[state]]
        line = f"s{state} = {' + '.join(terms) or 'torch.zeros_like(s0)'}"
        if len(line) + 8 > _WIDTH:
            line = f"s{state} = (\n    " + "\n    + ".join(terms) + "\n)"
        lines.append(line)
    return lines


def _edges(cell: Cell) -> dict[int, list[tuple[int, str]]]:
    """State -> the states that its node's operations read, and their names."""
    found = {}
    for state, node in enumerate(cell.nodes, start=len(cell.preprocess)):
        assert isinstance(node, FixedNode)  # noqa: S101 -- nn.ModuleList forgets the type of what it holds
        found[state] = node.edges
    return found


def _read(cell: Cell) -> set[int]:
    """The states that the output is made of, whether or not at once; nodes of zeros read the first input's shape."""
    edges, read = _edges(cell), set(cell.concat)
    for state in sorted(edges, reverse=True):
        if state in read:
            read |= {source for source, _ in edges[state]} or {0}
    return read


def _joined(cell: Cell) -> str:
    if len(cell.concat) == 1:
        return f"s{cell.concat[0]}"
    return f"torch.cat(({', '.join(f's{state}' for state in cell.concat)}), dim=1)"


def _list(items: Sequence[str]) -> str:
    lines = "".join(f"{indent(item, '        ')},\n" for item in items)
    return f"\n    [\n{lines}    ]\n"


def plain(layer: nn.Module) -> str:
    """How a layer of torch's is written, or a row of them."""
    match layer:
        case nn.Sequential():
            return f"nn.Sequential({', '.join(map(plain, layer))})"
        case nn.Conv2d():
            kernel, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
            around = f", padding={padding}" if padding else ""
            return (
                f"nn.Conv2d({layer.in_channels}, {layer.out_channels}, {kernel}{_stride(stride)}{around}, bias=False)"
            )
        case BatchNorm():
            return f"nn.BatchNorm2d({layer.num_features})"
        case nn.Linear():
            return f"nn.Linear({layer.in_features}, {layer.out_features})"
        case nn.ReLU() | nn.Identity():
            return f"nn.{type(layer).__name__}()"
        case _:
            raise NotImplementedError(type(layer).__name__)
