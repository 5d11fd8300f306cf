"""A network as a graph of ONNX: what the recorded pass computes, its batch norms folded, written node by node.

Written by hand, and not by torch's exporter: the graph has one node for each layer that a person knows, which graph
viewers show, quantization finds and every runtime runs fast; and it takes neither tracing nor further packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dadarts.engines.inference.graph import (
    Affine,
    Convolution,
    Joined,
    Mean,
    Node,
    Opaque,
    Pooled,
    Rectified,
    Shape,
    Sum,
    Zeros,
)

if TYPE_CHECKING:
    import onnx

OPSET = 17
"""Of 2022: what runtimes of the last years read."""
_IR = 8
"""The version of the file that belongs to it."""
INPUT, OUTPUT = "pictures", "probabilities"
_BATCH = "N"


class UnknownLayerError(Exception):
    """A layer is none that is known to be operations of ONNX."""


def model_of(nodes: Sequence[Node], mean: Tensor, std: Tensor, classes: int) -> onnx.ModelProto:
    """The model: uint8 pictures (N, C, H, W) in, float32 probabilities (N, classes) out.

    Args:
        nodes: as recorded, of logits.
        mean, std: per channel, of pixels in [0, 1].

    Raises:
        UnknownLayerError: it has a layer that was registered from outside, or that draws numbers.
    """
    import onnx
    from onnx import TensorProto, helper

    writer = _Writer(nodes)
    pixels = writer.add("Cast", [INPUT], to=TensorProto.FLOAT)
    fractions = writer.scaled(pixels, 1 / (255 * std.double().flatten()), -(mean / std).double().flatten())
    logits = writer.written(fractions)
    flat = logits if writer.is_flat else writer.add("Flatten", [logits], axis=1)
    writer.add("Softmax", [flat], axis=1, output=OUTPUT)
    channels, height, width = nodes[0].shape
    graph = helper.make_graph(
        writer.nodes,
        "dadarts",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [_BATCH, channels, height, width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [_BATCH, classes])],
        [onnx.numpy_helper.from_array(values, name) for name, values in writer.constants.items()],
    )
    model = helper.make_model(
        graph, producer_name="dadarts", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR
    )
    onnx.checker.check_model(model, full_check=True)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


class _Writer:
    """Nodes and constants of a graph.

    Args:
        recorded: what is to be written.
    """

    def __init__(self, recorded: Sequence[Node]) -> None:
        self._recorded = recorded
        self._readers: list[list[int]] = [[] for _ in recorded]
        self._within: set[int] = set()
        for number, node in enumerate(recorded):
            for read in node.inputs:
                self._readers[read].append(number)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.is_flat = False
        """Whether the last output has two axes."""

    def add(self, kind: str, inputs: Sequence[str], *, output: str | None = None, **attributes: Any) -> str:
        """Append a node. Returns the name of its output."""
        from onnx import helper

        name = f"{kind.lower()}_{len(self.nodes)}"
        output = output or name
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=name, **attributes))
        return output

    def constant(self, values: Tensor) -> str:
        """Append numbers, floating ones as float32. Returns their name."""
        name = f"constant_{len(self.constants)}"
        held = values.detach().cpu()
        self.constants[name] = np.ascontiguousarray((held.float() if held.is_floating_point() else held).numpy())
        return name

    def scaled(self, x: str, scale: Tensor, shift: Tensor) -> str:
        """``x * scale + shift`` per channel."""
        by, plus = (self.constant(each[:, None, None]) for each in (scale, shift))
        return self.add("Add", [self.add("Mul", [x, by]), plus])

    def written(self, pictures: str) -> str:
        """Append all recorded nodes; `pictures` is what the first one stands for."""
        outputs = {0: pictures}
        for number, node in enumerate(self._recorded):
            if number not in outputs and number not in self._within:
                self._node(number, node, outputs)
        return outputs[len(self._recorded) - 1]

    def _node(self, number: int, node: Node, outputs: dict[int, str]) -> None:
        inputs = [outputs[read] for read in node.inputs]
        shapes = [self._recorded[read].shape for read in node.inputs]
        match node.operation:
            case Convolution() as convolution:
                folded, end = self._folded(number, convolution.weight(), None)
                outputs[end] = self._convolution(convolution, folded, inputs[0], node)
            case Opaque(module=nn.Conv2d() as layer) if _is_plain(layer):
                folded, end = self._folded(number, layer.weight, layer.bias)
                outputs[end] = self._any_convolution(layer, folded, inputs[0])
            case Affine() as affine:
                outputs[number] = self.scaled(inputs[0], *affine.factors())
            case Rectified():
                outputs[number] = self.add("Relu", inputs)
            case Pooled() as pooled:
                outputs[number] = self._pool(pooled, inputs[0], shapes[0], node.shape)
            case Sum():
                outputs[number] = self.add("Add", inputs)
            case Joined():
                outputs[number] = self.add("Concat", inputs, axis=1)
            case Mean():
                outputs[number] = self.add("GlobalAveragePool", inputs)
            case Zeros():
                outputs[number] = self._zeros(inputs[0], node.shape)
            case _:
                raise UnknownLayerError(type(node.operation).__name__)

    def _folded(self, number: int, weight: Tensor, bias: Tensor | None) -> tuple[tuple[Tensor, Tensor | None], int]:
        """Weight and bias with all that only scales and shifts behind, and the last node that this is."""
        weight, bias = weight.detach().double(), None if bias is None else bias.detach().double()
        while len(readers := self._readers[number]) == 1:
            reader = self._recorded[readers[0]].operation
            if not isinstance(reader, Affine):
                break
            scale, shift = reader.factors()
            weight = weight * scale[:, None, None, None]
            bias = shift if bias is None else bias * scale + shift
            number = readers[0]
            self._within.add(number)
        return (weight, bias), number

    def _convolution(self, convolution: Convolution, folded: tuple[Tensor, Tensor | None], x: str, node: Node) -> str:
        weight, bias = folded
        before = self._recorded[node.inputs[0]]
        if isinstance(before.operation, Mean):
            return self._linear(x, weight, bias)
        if convolution.taps is None:
            return self._window(convolution, folded, x, before.shape, node.shape)
        parts = []
        for tap, (begin, end) in enumerate(convolution.taps):
            if begin < end:
                row, column = divmod(tap, convolution.kernel[1])
                own = weight[begin:end, :, row : row + 1, column : column + 1]
                single = Convolution(convolution.weight, (1, 1), convolution.stride)
                shape = (before.shape[0], before.shape[1] - row, before.shape[2] - column)
                moved = self._from(x, row, column) if row or column else x
                bit = None if bias is None else bias[begin:end]
                parts.append(self._window(single, (own, bit), moved, shape, node.shape))
        return self.add("Concat", parts, axis=1)

    def _window(
        self, convolution: Convolution, folded: tuple[Tensor, Tensor | None], x: str, before: Shape, after: Shape
    ) -> str:
        weight, bias = folded
        dilation, stride = convolution.dilation, convolution.stride
        reach = [dilation * (taps - 1) + 1 for taps in convolution.kernel]
        inputs = [x, self.constant(weight), *([] if bias is None else [self.constant(bias)])]
        return self.add(
            "Conv",
            inputs,
            kernel_shape=list(convolution.kernel),
            strides=[stride, stride],
            pads=_pads(before, after, reach, stride, convolution.padding),
            dilations=[dilation, dilation],
            group=before[0] if convolution.depthwise else 1,
        )

    def _any_convolution(self, layer: nn.Conv2d, folded: tuple[Tensor, Tensor | None], x: str) -> str:
        weight, bias = folded
        assert not isinstance(layer.padding, str)  # noqa: S101 -- a plain one
        return self.add(
            "Conv",
            [x, self.constant(weight), *([] if bias is None else [self.constant(bias)])],
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=[*layer.padding, *layer.padding],
            dilations=list(layer.dilation),
            group=layer.groups,
        )

    def _linear(self, x: str, weight: Tensor, bias: Tensor | None) -> str:
        flat = self.add("Flatten", [x], axis=1)
        inputs = [flat, self.constant(weight[:, :, 0, 0]), *([] if bias is None else [self.constant(bias)])]
        self.is_flat = True
        return self.add("Gemm", inputs, transB=1)

    def _pool(self, pooled: Pooled, x: str, before: Shape, after: Shape) -> str:
        kernel, padding = pooled.kernel, (pooled.padding, pooled.padding)
        options: dict[str, Any] = {} if pooled.maximum else {"count_include_pad": 0}
        return self.add(
            "MaxPool" if pooled.maximum else "AveragePool",
            [x],
            kernel_shape=[kernel, kernel],
            strides=[pooled.stride, pooled.stride],
            pads=_pads(before, after, [kernel, kernel], pooled.stride, padding),
            **options,
        )

    def _zeros(self, x: str, shape: Shape) -> str:
        pictures = self.add("Shape", [x], start=0, end=1)
        size = self.add("Concat", [pictures, self.constant(torch.tensor(shape))], axis=0)
        return self.add("ConstantOfShape", [size])

    def _from(self, x: str, row: int, column: int) -> str:
        """The picture without its first rows and columns."""
        starts, ends, axes = torch.tensor([row, column]), torch.tensor([1 << 31, 1 << 31]), torch.tensor([2, 3])
        return self.add("Slice", [x, *map(self.constant, (starts, ends, axes))])


def _is_plain(layer: nn.Conv2d) -> bool:
    known = type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return known and not (layer._forward_hooks or layer._forward_pre_hooks)


def _pads(before: Shape, after: Shape, reach: Sequence[int], stride: int, padding: tuple[int, int]) -> list[int]:
    """What lies around a picture so that windows of a reach give the size behind, above and left first."""
    ends = [
        max(0, (out - 1) * stride + taps - size - first)
        for size, out, taps, first in zip(before[1:], after[1:], reach, padding, strict=True)
    ]
    return [*padding, *ends]
