"""model.onnx: the network for any runtime of ONNX, with the classes and the preparation in its metadata."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dadarts import files
from dadarts.bundle import described
from dadarts.bundle.form import Answer, Form, LeftOutError
from dadarts.bundle.onnx_graph import INPUT, OPSET, OUTPUT, UnknownLayerError, model_of
from dadarts.bundle.program import Probabilities
from dadarts.bundle.subject import Subject

if TYPE_CHECKING:
    import onnx
    import onnxruntime

_PACKAGES = ("onnx", "onnxruntime")
_HOW = "pip install 'dadarts[export]'"
_BATCH = 64
_TORCH_OPSET = 18
"""The lowest that torch's exporter writes."""


def write(subject: Subject, folder: Path) -> str:
    """Write the file.

    Raises:
        LeftOutError: packages are missing, or an operation cannot be written in ONNX.
    """
    import_or_refuse(*_PACKAGES)
    import onnx

    if subject.draws:
        raise LeftOutError("the operation noise draws numbers, which ONNX cannot draw as torch does")
    remark = f"opset {OPSET}"
    try:
        network = subject.network
        model = model_of(subject.recorded, network.mean, network.std, len(network.classes))
    except (UnknownLayerError, NotImplementedError):
        model, remark = _by_torch(subject), f"opset {_TORCH_OPSET}, an operation from outside as torch exports it"
    onnx.helper.set_model_props(model, dict(_metadata(subject)))
    files.write(folder / FORM.file, lambda temporary: onnx.save(model, temporary))
    return remark


def import_or_refuse(*packages: str) -> None:
    """Say which packages are missing; raises LeftOutError."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise LeftOutError(f"{' and '.join(missing)} not installed: {_HOW}")


def _metadata(subject: Subject) -> Mapping[str, str]:
    """What the file says of itself, as JSON where it is no plain text."""
    return {
        "classes": json.dumps(list(subject.network.classes), ensure_ascii=False),
        "preparation": json.dumps(described.preparation(subject)),
        "genotype": str(subject.network.genotype),
        "input": f"{INPUT}: uint8 (N, C, H, W), prepared pictures; scaling and normalisation are part of the graph",
        "output": f"{OUTPUT}: float32 (N, classes), in the order of classes",
    }


def _by_torch(subject: Subject) -> onnx.ModelProto:
    """The model as torch's own exporter has it, which follows any layer's pass."""
    import_or_refuse("onnxscript")
    pictures = torch.zeros((2, *subject.network.image_shape), dtype=torch.uint8)
    try:
        with torch.no_grad(), warnings.catch_warnings(), quiet("torch.onnx"):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                Probabilities(subject.network).eval(),
                (pictures,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={"pictures": {0: torch.export.Dim("N", min=1)}},
                opset_version=_TORCH_OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:
        # Anybody's layer may raise anything.
        raise LeftOutError(f"torch cannot export an operation from outside: {_first_line(error)}") from error
    assert program is not None  # noqa: S101 -- where no file is asked for
    model: onnx.ModelProto = program.model_proto
    for node in model.graph.node:
        # They would tell the world where files lie on this machine.
        del node.metadata_props[:]
    return model


@contextmanager
def quiet(logger: str | None) -> Iterator[None]:
    """Without what a package logs for those who develop it."""
    found = logging.getLogger(logger)
    before = found.level
    found.setLevel(logging.ERROR)
    try:
        yield
    finally:
        found.setLevel(before)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def session_of(file: Path, threads: int) -> onnxruntime.InferenceSession:
    """A file ready to run, by so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def answering(file: Path, threads: int) -> Answer:
    """What a file of ONNX answers, batch by batch."""
    session = session_of(file, threads)

    def answer(pictures: Tensor) -> Tensor:
        batches = [session.run([OUTPUT], {INPUT: batch.numpy()})[0] for batch in torch.split(pictures, _BATCH)]
        return torch.from_numpy(np.concatenate(batches)).double()

    return answer


def opened(folder: Path, threads: int) -> Answer:
    """What the file answers under onnxruntime."""
    return answering(folder / FORM.file, threads)


FORM = Form(
    "model.onnx", "ONNX: uint8 (N, C, H, W) to probabilities; classes and preparation in its metadata", write, opened
)
