"""What leaves a finished training: one file with the network's weights and all that its use needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dadarts import atomic
from dadarts.cells import Macro
from dadarts.errors import InputError
from dadarts.genotype import Genotype
from dadarts.network import Network

FILE = "model.safetensors"


class TrainedNetwork(nn.Module):
    """A trained network with its class names and normalisation.

    Args:
        network: the discrete network, in evaluation mode, without auxiliary head.
        classes: name of every class.
        mean, std: per channel, of pixels in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: Network, classes: Sequence[str], mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.classes = tuple(classes)
        self.register_buffer("mean", torch.tensor(list(mean)).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(list(std)).view(1, -1, 1, 1), persistent=False)

    @property
    def genotype(self) -> Genotype:
        """The architecture."""
        return self.network.genotype

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of uint8 pictures (B, C, H, W), or of float ones in [0, 1]."""
        scaled = images.float() / 255 if images.dtype == torch.uint8 else images
        logits: Tensor = self.network((scaled - self.mean) / self.std)
        return logits

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[str]:
        """The class names of uint8 pictures (B, C, H, W), or of float ones in [0, 1]."""
        return [self.classes[index] for index in self(images).argmax(dim=1).tolist()]


def save(path: Path, network: Network, classes: Sequence[str], mean: Sequence[float], std: Sequence[float]) -> None:
    """Write weights and metadata to one safetensors file, without the auxiliary head.

    Raises:
        RunError: the disk is full.
    """
    macro = network.macro
    metadata = {
        "format": "dadarts-network/1",
        "genotype": str(network.genotype),
        "macro": json.dumps(
            {
                "channels": macro.channels,
                "layers": macro.layers,
                "image_shape": macro.image_shape,
                "classes": macro.classes,
                "stem_multiplier": macro.stem_multiplier,
            }
        ),
        "classes": json.dumps(list(classes)),
        "mean": json.dumps(list(mean)),
        "std": json.dumps(list(std)),
    }
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
        if not name.startswith("auxiliary.")
    }
    atomic.write(path, lambda temporary: save_file(tensors, temporary, metadata))


def load(path: str | Path) -> TrainedNetwork:
    """The trained network of a run (``runs/augment/NAME``) or of a ``model.safetensors``, ready to predict.

    Raises:
        InputError: there is none, or the file is damaged or not ours.
    """
    place = Path(path)
    file = place / FILE if place.is_dir() else place
    if not file.is_file():
        raise InputError(f"there is no trained network at {file}; train one with augment.py or `dadarts train`")
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 -- not a dict
        return _built(metadata, tensors)
    except InputError:
        raise
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{file} is not a network that dadarts wrote, or is damaged ({type(error).__name__})"
        ) from None


def _built(metadata: dict[str, str], tensors: dict[str, Tensor]) -> TrainedNetwork:
    sizes: dict[str, Any] = json.loads(metadata["macro"])
    macro = Macro(
        int(sizes["channels"]),
        int(sizes["layers"]),
        tuple(sizes["image_shape"]),
        int(sizes["classes"]),
        int(sizes["stem_multiplier"]),
    )
    network = Network(Genotype.parse(metadata["genotype"]), macro)
    network.load_state_dict(tensors)
    values = [json.loads(metadata[name]) for name in ("classes", "mean", "std")]
    return TrainedNetwork(network, *values).eval()
