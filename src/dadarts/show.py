"""A genotype as a person wants to see it: its picture, its size, its cost."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from dadarts import report, spaces
from dadarts.cells import Macro
from dadarts.data import KNOWN
from dadarts.errors import InputError, unknown
from dadarts.genotype import Genotype
from dadarts.network import Network, count_multiply_adds, count_parameters


@dataclass(frozen=True)
class Shown:
    """What ``dadarts show`` prints; `multiply_adds` are of one picture's forward pass."""

    genotype: str
    space: str
    dataset: str
    init_channels: int
    layers: int
    parameters: int
    multiply_adds: int
    pictures: list[str]


def show(
    genotype: Genotype,
    *,
    space: str | None = None,
    dataset: str = "cifar10",
    init_channels: int | None = None,
    layers: int | None = None,
    pictures: Path = Path("runs") / "show",
) -> Shown:
    """Draw a genotype's cells and count what its network costs; no data is read.

    Args:
        genotype: what to show.
        space: a search space; None is the one that the genotype's syntax belongs to.
        dataset: a known data set, for the pictures' size and the number of classes.
        init_channels, layers: None is the space's size for training.
        pictures: the folder that the drawings go to.

    Raises:
        InputError: the space has another syntax or lacks an operation, or the data set is not a known one.
    """
    import torch

    home = spaces.for_syntax(genotype.syntax) if space is None else spaces.space(space)
    _check_fits(genotype, home)
    if dataset not in KNOWN:
        raise unknown("data set", dataset, KNOWN)
    facts = KNOWN[dataset]
    size = home.train_size
    macro = Macro(init_channels or size.channels, layers or size.layers, facts.shape, facts.n_classes)
    with torch.device("meta"):
        parameters = count_parameters(Network(genotype, macro))
    folder = pictures / blake2b(str(genotype).encode(), digest_size=4).hexdigest()
    drawn = []
    for kind in genotype.cells:
        path = folder / f"{kind}.svg"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"pictures cannot go to {path.parent}: {error.strerror}; give another -runs_dir") from None
        report.draw_cell(genotype, kind, path, f"{kind} cell")
        drawn.append(str(path))
    cost = count_multiply_adds(genotype, macro)
    return Shown(str(genotype), home.name, dataset, macro.channels, macro.layers, parameters, cost, drawn)


def _check_fits(genotype: Genotype, space: spaces.SearchSpace) -> None:
    if genotype.syntax != space.syntax:
        raise InputError(
            f"the genotype is written in the syntax of {genotype.syntax}, search space {space.name} is not"
        )
    known = {name for cell in space.candidates.values() for node in cell for edge in node for name in edge}
    for name in genotype.operations():
        if name not in known:
            raise InputError(f"search space {space.name} has no {name}; it has {', '.join(sorted(known))}")
