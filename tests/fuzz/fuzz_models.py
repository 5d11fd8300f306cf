"""Files of trained networks that somebody or something has been at."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import dadarts
from tests.commands import DARTS_GENOTYPE
from tests.fuzz import damage
from tests.fuzz.fuzz_runs import tensor_or_value
from tests.fuzz.fuzzer import Fuzzer

_FILE = "model.safetensors"


def prepare(base: Path) -> None:
    """A network of two classes for pictures of 8x8 grey pixels."""
    from dadarts.architecture.network import Network
    from dadarts.training import export

    network = Network(dadarts.Genotype.parse(DARTS_GENOTYPE), dadarts.Macro(2, 1, (1, 8, 8), 2)).eval()
    export.save(base / _FILE, network, ["cat", "dog"], [0.5], [0.5])


def _damaged(draw: Random, base: Path, folder: Path) -> None:
    path = folder / _FILE
    path.write_bytes((base / _FILE).read_bytes())
    draw.choice([damage.change_bytes, damage.replace, _change_metadata, _change_metadata, _change_tensors])(draw, path)


def _change_metadata(draw: Random, path: Path) -> None:
    from safetensors.torch import load_file, save_file

    facts = damage.changed(draw, json.loads(_metadata(path)))
    save_file(load_file(path), path, {"dadarts": json.dumps(facts)})


def _change_tensors(draw: Random, path: Path) -> None:
    from safetensors.torch import load_file, save_file
    from torch import Tensor

    facts = _metadata(path)
    tensors = damage.changed(draw, load_file(path), tensor_or_value)
    kept = {
        str(name)[:100]: tensor.clone().contiguous()
        for name, tensor in (tensors.items() if isinstance(tensors, dict) else ())
        if isinstance(tensor, Tensor) and tensor.device.type == "cpu" and not tensor.is_sparse
        if tensor.numel() < 10**6
    }
    save_file(kept, path, {"dadarts": facts})


def _metadata(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        found: str = file.metadata()["dadarts"]
    return found


def _predicts(folder: Path) -> None:
    """What is loaded predicts one of its classes."""
    import torch

    network = dadarts.load(folder / _FILE)
    if max(network.image_shape) < 100:
        (name,) = network.predict(torch.zeros((1, *network.image_shape), dtype=torch.uint8))
        assert name in network.classes


FUZZERS = (Fuzzer("models", _damaged, _predicts, prepare, tests=60),)
