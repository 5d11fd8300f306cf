"""config.json: all that a reader of the weights needs to know, as Hugging Face lays folders out."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dadarts.bundle.subject import Subject

FILE = "config.json"
FORMAT = "dadarts-bundle/1"
_PACKAGES = ("dadarts", "torch", "numpy", "pillow", "onnx", "onnxruntime")


def config(subject: Subject) -> dict[str, Any]:
    """The document."""
    network = subject.network
    macro = {name: value for name, value in asdict(network.network.macro).items() if name != "classes"}
    return {
        "format": FORMAT,
        "model_type": "dadarts",
        "architectures": ["Network"],
        "genotype": str(network.genotype),
        "search_space_syntax": network.genotype.syntax,
        **macro,
        "num_labels": len(network.classes),
        "id2label": {str(place): name for place, name in enumerate(network.classes)},
        "label2id": {name: place for place, name in enumerate(network.classes)},
        "preparation": preparation(subject),
        "seed": None if subject.saved is None else subject.saved.settings.get("seed"),
        "versions": versions(),
    }


def preparation(subject: Subject) -> dict[str, Any]:
    """How a picture becomes what the network takes, step by step."""
    network = subject.network
    channels, height, width = network.image_shape
    limits = network.preparation.value_range
    return {
        "orientation": "EXIF",
        "transparent": "white",
        "mode": {1: "L", 3: "RGB"}.get(channels),
        "value_range": None if limits is None else list(limits),
        "resize": "bilinear, to cover, cropped at the centre",
        "size": {"height": height, "width": width},
        "input": "uint8 (N, C, H, W)",
        "rescale_factor": 1 / 255,
        "image_mean": network.mean.flatten().tolist(),
        "image_std": network.std.flatten().tolist(),
    }


def versions() -> dict[str, str]:
    """Of what this bundle was made with."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
