"""The network with all around it, and how it is loaded and run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dadarts.bundle.source.constants import CLASSES, MEAN, SHAPE, STD
from dadarts.bundle.source.network import Network
from dadarts.bundle.source.pictures import below, prepare


class Classifier(nn.Module):
    """The network with its classes and the preparation of its pictures."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.network = Network()
        self.classes = CLASSES
        for name, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (B, classes) of uint8 pictures (B, C, H, W)."""
        if pictures.dtype != torch.uint8 or tuple(pictures.shape[1:]) != SHAPE:
            raise ValueError(f"expected uint8 (B, {', '.join(map(str, SHAPE))}), got {pictures.dtype} {pictures.shape}")
        logits: Tensor = self.network((pictures.float() / 255 - self.mean) / self.std)
        return logits

    @torch.no_grad()
    def predict_proba(self, pictures: Tensor) -> Tensor:
        """Probabilities, float64 (B, classes), of uint8 pictures (B, C, H, W)."""
        return torch.cat([self(batch).double().softmax(dim=1) for batch in torch.split(pictures, 256)])

    def predict(self, pictures: Tensor) -> list[str]:
        """The most probable class of each picture."""
        return [self.classes[index] for index in self.predict_proba(pictures).argmax(dim=1).tolist()]

    def predict_files(self, paths: Iterable[str | Path]) -> Tensor:
        """Probabilities of picture files."""
        return self.predict_proba(torch.from_numpy(np.stack([prepare(path) for path in paths])))


def load(file: str | Path | None = None) -> Classifier:
    """The trained network; `file` is its weights, those beside this file where none is given."""
    model = Classifier()
    model.network.load_state_dict(weights(Path(file or Path(__file__).with_name("model.safetensors"))))
    return model.eval()


def weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file: the length of its header, the header in JSON, and numbers."""
    content = bytearray(file.read_bytes())
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    header.pop("__metadata__", None)
    types = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "I64": torch.int64}
    found = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        numbers = torch.frombuffer(content[begin + first : begin + last], dtype=types[entry["dtype"]])
        found[name.removeprefix("backbone.")] = numbers.reshape(entry["shape"])
    return found


def main(paths: list[str]) -> int:
    """Print the class of every picture with its probability; of a folder those of all pictures below it."""
    if not paths:
        print(f"usage: python {Path(__file__).name} PICTURES", file=sys.stderr)
        return 2
    try:
        code = tell(load(), paths)
        sys.stdout.flush()
    except BrokenPipeError:  # Whoever read it, such as head, has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def tell(model: Classifier, paths: list[str]) -> int:
    """Print a line a picture; 1 where one cannot be read, else 0."""
    code = 0
    for path in [file for given in paths for file in (below(given) if Path(given).is_dir() else [given])]:
        try:
            (row,) = model.predict_files([path])
        except Exception as error:  # Decoders raise nearly any type on damaged bytes.
            print(f"{path}: {error}", file=sys.stderr)
            code = 1
        else:
            surest = int(row.argmax())
            print(f"{path}\t{model.classes[surest]}\t{row[surest]:.4f}")
    return code
