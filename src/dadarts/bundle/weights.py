"""model.safetensors: the weights, with all that `dadarts.load` needs."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from dadarts import files
from dadarts.bundle.form import Answer, Form
from dadarts.bundle.subject import Subject
from dadarts.training import export


def write(subject: Subject, folder: Path) -> str:
    """Write the file."""
    content = subject.file.read_bytes()
    files.write(folder / FORM.file, lambda temporary: temporary.write_bytes(content))
    return ""


def opened(folder: Path, threads: int) -> Answer:
    """What the network of the file answers, by the code that answers whoever uses it for long."""
    network = export.load(folder / FORM.file).at_once()

    def answer(pictures: Tensor) -> Tensor:
        return network.predict_proba(pictures)

    return answer


FORM = Form("model.safetensors", "the weights; dadarts.load and `dadarts predict` read the folder", write, opened)
