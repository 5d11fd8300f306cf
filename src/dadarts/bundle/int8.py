"""model.int8.onnx: the network in 8-bit integers, their ranges calibrated on training pictures."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from dadarts import files
from dadarts.bundle import onnx_file
from dadarts.bundle.form import Answer, Form, LeftOutError
from dadarts.bundle.onnx_file import quiet
from dadarts.bundle.onnx_graph import INPUT
from dadarts.bundle.subject import Subject
from dadarts.data import DataSet, Pictures
from dadarts.machine import cores
from dadarts.seeds import generator

CALIBRATED, TESTED = 256, 2000
"""Training pictures that the ranges are read off, and test pictures, at most, that the accuracy is."""
MOST_LOST = 0.01
_BATCH = 32


def write(subject: Subject, folder: Path) -> str:
    """Write the file.

    Raises:
        LeftOutError: packages or pictures are missing, or it loses over a point of accuracy and over one picture.
    """
    onnx_file.import_or_refuse("onnx", "onnxruntime")
    plain = folder / onnx_file.FORM.file
    if not plain.exists():
        raise LeftOutError(f"it is made of {onnx_file.FORM.file}")
    if subject.data is None:
        raise LeftOutError(f"it is calibrated on training pictures, and {subject.without_data}")
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / FORM.file
        _quantize(plain, file, subject.data)
        tested = min(TESTED, len(subject.data.test))
        with_all, with_few = _right(subject.data, plain, file)
        said = f"accuracy {with_few / tested:.2%}, against {with_all / tested:.2%} on {tested:,} test pictures"
        if loses_too_much(with_all - with_few, tested):
            raise LeftOutError(f"it loses over a point: {said}")
        content = file.read_bytes()
    files.write(folder / FORM.file, lambda temporary: temporary.write_bytes(content))
    return said


def loses_too_much(lost: int, tested: int) -> bool:
    """Whether that many pictures fewer are right: over a point, and over one, which of few pictures is more than that.

    >>> loses_too_much(1, 56), loses_too_much(2, 56), loses_too_much(20, 2000), loses_too_much(21, 2000)
    (False, True, False, True)
    """
    return lost > max(1, MOST_LOST * tested)


def _right(data: DataSet, *models: Path) -> list[int]:
    """How many of the test pictures each of the models has right."""
    chosen = _some(data.test, TESTED, "int8 tested")
    pictures, labels = data.test.take(chosen), data.test.labels[chosen]
    right = [onnx_file.answering(model, cores())(pictures).argmax(dim=1) == labels for model in models]
    return [int(each.sum()) for each in right]


def _some(pictures: Pictures, count: int, purpose: str) -> Tensor:
    """The places of some pictures, always the same."""
    return torch.randperm(len(pictures), generator=generator(purpose))[:count].sort().values


def _quantize(plain: Path, file: Path, data: DataSet) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Batches(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            pictures = data.train.take(_some(data.train, CALIBRATED, "int8 calibrated"))
            self._left = iter(torch.split(pictures, _BATCH))

        def get_next(self) -> dict[str, Any] | None:
            return next(({INPUT: batch.numpy()} for batch in self._left), None)

    # The quantizer's advice comes by the root of all logs.
    with quiet(None):
        ready = file.with_name("ready.onnx")
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            file,
            Batches(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def opened(folder: Path, threads: int) -> Answer:
    """What the file answers under onnxruntime."""
    return onnx_file.answering(folder / FORM.file, threads)


FORM = Form(
    "model.int8.onnx", "the same in 8-bit integers, calibrated on training pictures", write, opened, exact=False
)
