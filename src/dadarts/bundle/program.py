"""model.pt2: the network as a program of torch.export, which needs no code of ours to run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from dadarts import files
from dadarts.bundle.form import Answer, Form, LeftOutError
from dadarts.bundle.subject import Subject
from dadarts.training.export import TrainedNetwork


class Probabilities(nn.Module):
    """A trained network from uint8 pictures (B, C, H, W) to probabilities, float32 (B, classes)."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: TrainedNetwork) -> None:
        super().__init__()
        self.network = network.network
        self.register_buffer("mean", network.mean)
        self.register_buffer("std", network.std)

    def forward(self, pictures: Tensor) -> Tensor:
        fractions = (pictures.float() / 255 - self.mean) / self.std
        probabilities: Tensor = self.network(fractions).softmax(dim=1)
        return probabilities


def write(subject: Subject, folder: Path) -> str:
    """Write the file.

    Raises:
        LeftOutError: the network draws numbers, or torch cannot follow an operation that was registered from outside.
    """
    if subject.draws:
        raise LeftOutError("the operation noise draws numbers, which a program of torch.export cannot draw again")
    pictures = torch.zeros((2, *subject.network.image_shape), dtype=torch.uint8)
    try:
        with torch.no_grad():
            program = torch.export.export(
                Probabilities(subject.network).eval(),
                (pictures,),
                dynamic_shapes={"pictures": {0: torch.export.Dim("batch", min=1)}},
            )
    except Exception as error:
        # Anybody's layer may raise anything.
        why = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise LeftOutError(f"torch.export cannot follow its pass: {why}") from error
    for node in program.graph.nodes:
        # It would tell the world where files lie on this machine.
        node.meta.pop("stack_trace", None)
    files.write(folder / FORM.file, lambda temporary: torch.export.save(program, temporary))
    return f"torch {torch.__version__.partition('+')[0]}"


def opened(folder: Path, threads: int) -> Answer:
    """What the program of the file answers."""
    program = torch.export.load(folder / FORM.file).module()

    @torch.no_grad()
    def answer(pictures: Tensor) -> Tensor:
        probabilities: Tensor = program(pictures)
        return probabilities.double()

    return answer


FORM = Form("model.pt2", "a program of torch.export: uint8 (N, C, H, W) to probabilities", write, opened)
