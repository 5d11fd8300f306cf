"""What leaves a finished training: one file with the network's weights and all that its use needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dadarts import atomic
from dadarts.cells import Macro
from dadarts.errors import InputError
from dadarts.genotype import Genotype
from dadarts.network import Network

FILE = "model.safetensors"
KEY = "dadarts"
"""Where the file's metadata has all facts, as one JSON document."""
_OVERSHOOT = 0.25
"""How far a resized picture may go beyond black and white, in parts of the way from one to the other."""


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

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pictures that it was trained on."""
        return self.network.macro.image_shape

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of uint8 pictures (B, C, H, W), or of float ones in [0, 1].

        Raises:
            ValueError: the pictures have other channels or another size than those of the training.
        """
        channels, height, width = shape = self.image_shape
        if images.ndim != 4 or tuple(images.shape[1:]) != shape:
            raise ValueError(
                f"expected pictures of shape (B, {channels}, {height}, {width}), got {tuple(images.shape)}; the "
                f"training's were resized to cover {width}x{height} and cropped at the centre, as PIL.ImageOps.fit does"
            )
        scaled = images.float() / 255 if images.dtype == torch.uint8 else images.to(self.mean.dtype)
        logits: Tensor = self.network((scaled - self.mean) / self.std)
        return logits

    @torch.no_grad()
    def predict(self, images: Tensor | NDArray[Any]) -> list[str]:
        """The class names of uint8 pictures (B, C, H, W), or of float ones in [0, 1].

        Raises:
            ValueError: the pictures have other channels or another size than those of the training, or are not uint8
                and go beyond [0, 1] by more than resizing does.
        """
        pictures = torch.as_tensor(images)
        _refuse_other_scale(pictures)
        return [self.classes[index] for index in self(pictures).argmax(dim=1).tolist()]


def _refuse_other_scale(pictures: Tensor) -> None:
    if pictures.dtype == torch.uint8 or not pictures.numel():
        return
    least, most = (end.item() for end in pictures.float().aminmax())
    if not -_OVERSHOOT <= least <= most <= 1 + _OVERSHOOT:
        kind = str(pictures.dtype).removeprefix("torch.")
        raise ValueError(
            f"expected uint8 pictures, 0 to 255, or float ones from 0 to 1, got {kind} from {least:g} to {most:g}"
        )


def save(path: Path, network: Network, classes: Sequence[str], mean: Sequence[float], std: Sequence[float]) -> None:
    """Write weights and metadata to one safetensors file, without the auxiliary head.

    Raises:
        RunError: the disk is full.
    """
    macro = network.macro
    facts = {
        "format": "dadarts-network/1",
        "genotype": str(network.genotype),
        "macro": {
            "channels": macro.channels,
            "layers": macro.layers,
            "image_shape": macro.image_shape,
            "classes": macro.classes,
            "stem_multiplier": macro.stem_multiplier,
        },
        "classes": list(classes),
        "mean": list(mean),
        "std": list(std),
    }
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
        if not name.startswith("auxiliary.")
    }
    # One key: safetensors writes several in random order, and equal networks shall be equal bytes.
    atomic.write(path, lambda temporary: save_file(tensors, temporary, {KEY: json.dumps(facts)}))


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
            facts: dict[str, Any] = json.loads((opened.metadata() or {})[KEY])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 -- not a dict
        return _built(facts, tensors)
    except InputError:
        raise
    except (SafetensorError, OSError, AttributeError, LookupError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{file} is not a network that dadarts wrote, or is damaged ({type(error).__name__})"
        ) from None


def _built(facts: dict[str, Any], tensors: dict[str, Tensor]) -> TrainedNetwork:
    sizes = facts["macro"]
    macro = Macro(
        int(sizes["channels"]),
        int(sizes["layers"]),
        tuple(sizes["image_shape"]),
        int(sizes["classes"]),
        int(sizes["stem_multiplier"]),
    )
    network = Network(Genotype.parse(facts["genotype"]), macro)
    network.load_state_dict(tensors)
    return TrainedNetwork(network, facts["classes"], facts["mean"], facts["std"]).eval()
