"""A genotype as a person wants to see it: its picture, its size, its cost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from dadarts import report, spaces
from dadarts.cells import Macro
from dadarts.data import KNOWN
from dadarts.errors import InputError, unknown
from dadarts.genotype import Genotype
from dadarts.network import count_costs


@dataclass(frozen=True)
class Shown:
    """What ``dadarts show`` prints.

    Args:
        multiply_adds: of one picture's forward pass.
        search: what the search that found the genotype said of it; empty where that is not known.
    """

    genotype: str
    space: str
    dataset: str
    init_channels: int
    layers: int
    parameters: int
    multiply_adds: int
    pictures: list[str]
    search: list[str]


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
        space: a search space that must contain the genotype; None is the first that does.
        dataset: a known data set, for the pictures' size and the number of classes.
        init_channels, layers: None is the space's size for training.
        pictures: the folder that the drawings go to.

    Raises:
        InputError: the space does not contain the genotype, or the data set is not a known one.
    """
    home = _first_home(genotype) if space is None else _containing(genotype, spaces.space(space))
    if dataset not in KNOWN:
        raise unknown("data set", dataset, KNOWN)
    facts = KNOWN[dataset]
    size = home.train_size
    macro = Macro(init_channels or size.channels, layers or size.layers, facts.shape, facts.n_classes)
    costs = count_costs(genotype, macro)
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
    said = list(genotype.verdict.lines) if genotype.verdict else []
    costing = (macro.channels, macro.layers, costs.parameters, costs.multiply_adds)
    return Shown(str(genotype), home.name, dataset, *costing, drawn, said)


def _first_home(genotype: Genotype) -> spaces.SearchSpace:
    for name in spaces.SPACES:
        with suppress(InputError):
            return _containing(genotype, spaces.space(name))
    # Operations of several spaces in one genotype: it can be trained all the same.
    return spaces.for_syntax(genotype.syntax)


def _containing(genotype: Genotype, space: spaces.SearchSpace) -> spaces.SearchSpace:
    """The space with as many nodes as the genotype has, where it has every operation on its edge as a candidate."""
    if genotype.syntax != space.syntax:
        raise InputError(
            f"the genotype is written in the syntax of {genotype.syntax}, search space {space.name} is not"
        )
    known = {name for cell in space.candidates.values() for node in cell for edge in node for name in edge}
    for name in genotype.operations():
        if name not in known:
            raise InputError(f"search space {space.name} has no {name}; it has {', '.join(sorted(known))}")
    nodes = len(next(iter(genotype.cells.values())).nodes)
    try:
        space = spaces.space(space.name, nodes)
    except InputError:
        raise InputError(
            f"the number of nodes in a cell is {nodes} in the genotype, {space.nodes} in search space {space.name}"
        ) from None
    for kind, cell in genotype.cells.items():
        for number, node in enumerate(cell.nodes):
            for name, state in node:
                candidates = space.candidates[kind][number][state - space.reads(kind, number).start]
                if name not in candidates:
                    raise InputError(
                        f"search space {space.name} has no {name} from state {state} to {kind} node "
                        f"{number + space.inputs}; the candidates there are {', '.join(candidates)}"
                    )
    return space
