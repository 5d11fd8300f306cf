"""Networks of every kind, with weights and statistics that are not those of a beginning."""

from __future__ import annotations

from pathlib import Path

import torch

from dadarts.architecture.genotype import Genotype, random_genotype
from dadarts.architecture.network import Network
from dadarts.architecture.operations import NONE, OPS
from dadarts.architecture.skeletons import Macro
from dadarts.bundle.subject import Subject
from dadarts.data import ValueRange
from dadarts.seeds import generator, seeded
from dadarts.training import export
from dadarts.training.export import TrainedNetwork
from tests.nets import tiny_space

WIDE = 104
"""Pixels of pictures that get the stem of ImageNet."""


def every_operation() -> Genotype:
    """A genotype of the darts kind in which every operation that draws nothing stands at both strides."""
    names = [name for name in OPS if name not in (NONE, "noise")]
    cell = f"[{', '.join(f'({name!r}, {place % 2})' for place, name in enumerate(names))}], [('skip_connect', 2)]"
    other = cell.replace(", 0)", ", 7)").replace(", 1)", ", 0)").replace(", 7)", ", 1)")
    return Genotype.parse(f"Genotype(normal=[{cell}], normal_concat=[2, 3], reduce=[{other}], reduce_concat=[3])")


def drawn(space: str, seed: int = 0) -> Genotype:
    return random_genotype(tiny_space(space), seed)


GENOTYPES = {
    "every-operation": every_operation(),
    "twice-the-same": Genotype.parse(
        "Genotype(normal=[[('sep_conv_3x3', 0), ('sep_conv_3x3', 0)], [], [('avg_pool_3x3', 2)]], normal_concat=[4], "
        "reduce=[[('skip_connect', 1)], [('conv_7x1_1x7', 2), ('skip_connect', 0)], []], reduce_concat=[2, 3])"
    ),
    "a-node-of-zeros": Genotype.parse("|none~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|none~2|"),
    "every-layer": Genotype.parse("01201210"),
    "one-edge": Genotype.parse("|nor_conv_3x3~0|"),
    **{name: drawn(name) for name in ("darts", "nas-bench-201", "connect-nas-bench", "S2", "S3", "nas-bench-macro")},
}


def subject(
    genotype: Genotype,
    shape: tuple[int, int, int] = (3, 9, 12),
    layers: int = 4,
    channels: int = 4,
    names: tuple[str, ...] = ("cat", "dog", "cow"),
    value_range: ValueRange | None = None,
) -> Subject:
    """A network of random weights and running statistics; few layers where one of them is several."""
    layers = layers if genotype.syntax == "darts" else 1
    with seeded(0, "bundled"):
        network = Network(genotype, Macro(channels, layers, shape, len(names)))
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var") or ("weight" in name and tensor.ndim == 1):
                tensor.uniform_(0.5, 1.5)
            elif name.endswith(("running_mean", "bias")):
                tensor.normal_()
    mean, std = [0.3 + place / 50 for place in range(shape[0])], [0.2 + place / 50 for place in range(shape[0])]
    trained = TrainedNetwork(network, names, mean, std, value_range).eval()
    return Subject(Path("model.safetensors"), trained, None, None, None, "there are none")


def save(one: Subject, folder: Path) -> None:
    """Its weights, as a training writes them."""
    own = one.network
    mean, std = (values.flatten().tolist() for values in (own.mean, own.std))
    export.save(folder / "model.safetensors", own.network, own.classes, mean, std, own.preparation.value_range)


def pictures(one: Subject, count: int = 5) -> torch.Tensor:
    draw = generator("bundled pictures")
    return torch.randint(0, 256, (count, *one.network.image_shape), generator=draw, dtype=torch.uint8)
