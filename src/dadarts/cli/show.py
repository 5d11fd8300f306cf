"""A genotype as a person wants to see it: its picture, its size, its cost."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from dadarts import report
from dadarts.architecture import spaces
from dadarts.architecture.costs import count_costs
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Macro
from dadarts.cli.profile import scale_of
from dadarts.cli.shown_run import Pictures, known_pictures, what_it_says
from dadarts.data import KNOWN
from dadarts.engines.profile import Scale, kept, kept_like
from dadarts.errors import InputError, shortened, unknown
from dadarts.pacing import counted
from dadarts.rundir.saved import SavedRun


@dataclass(frozen=True)
class Shown:
    """What ``dadarts show`` prints.

    Args:
        dataset: what the numbers are of: a data set that has pictures of `image_shape` and so many classes.
        multiply_adds: of one picture's forward pass.
        test_top1: of a run that has trained it; None where none was shown, or it has not ended.
        search: what the search that found the genotype said of it; empty where that is not known.
        prediction_us: microseconds that a picture's prediction takes on this machine, as `dadarts profile` has measured
            it; None where it has not, at this size.
        prediction_in: in which batches, with how many threads.
    """

    genotype: str
    space: str
    dataset: str
    image_shape: tuple[int, int, int]
    classes: int
    init_channels: int
    layers: int
    parameters: int
    multiply_adds: int
    pictures: list[str]
    search: list[str]
    test_top1: float | None = None
    prediction_us: float | None = None
    prediction_in: str | None = None


@dataclass(frozen=True)
class NetworkCost:
    """What a genotype's network costs; the fields are those of `Shown`."""

    space: str
    init_channels: int
    layers: int
    parameters: int
    multiply_adds: int
    prediction_us: float | None
    prediction_in: str | None


def cost_of(
    genotype: Genotype,
    data: Pictures,
    *,
    space: str | None = None,
    init_channels: int | None = None,
    layers: int | None = None,
) -> NetworkCost:
    """What a genotype's network costs on pictures, at the space's size for trainings where none is given.

    Raises:
        InputError: the space does not contain the genotype.
    """
    home = _first_home(genotype) if space is None else _containing(genotype, spaces.space(space))
    size = home.train_size
    macro = Macro(init_channels or size.channels, layers or size.layers, data.shape, data.classes)
    costs = count_costs(genotype, macro)
    took, how = _prediction(genotype, macro, scale_of(home, data.shape, data.classes, macro.channels, macro.layers))
    return NetworkCost(home.name, macro.channels, macro.layers, costs.parameters, costs.multiply_adds, took, how)


def _prediction(genotype: Genotype, macro: Macro, scale: Scale) -> tuple[float, str] | tuple[None, None]:
    """Microseconds of a picture's prediction, and in which batches; None where `dadarts profile` has not measured."""
    profile = kept(scale)
    found = kept_like(scale) if profile is None else (profile, scale.batch, scale.threads)
    if found is None:
        return None, None
    measured, batch, threads = found
    took = round(1e6 * measured.of(genotype, macro).prediction, 1)
    return took, f"batches of {batch}, with {counted(threads, 'thread')}"


def show(
    genotype: Genotype,
    *,
    space: str | None = None,
    dataset: str | Pictures = "cifar10",
    init_channels: int | None = None,
    layers: int | None = None,
    pictures: Path = Path("runs") / "show",
) -> Shown:
    """Draw a genotype's cells and count what its network costs; no data is read.

    Args:
        genotype: what to show.
        space: a search space that must contain the genotype; None is the first that does.
        dataset: a known data set, or what other pictures are like, for their size and the number of classes.
        init_channels, layers: None is the space's size for training.
        pictures: the folder that the drawings go to.

    Raises:
        InputError: the space does not contain the genotype, or the data set is not a known one.
    """
    data = dataset if isinstance(dataset, Pictures) else _known(dataset)
    cost = cost_of(genotype, data, space=space, init_channels=init_channels, layers=layers)
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
    costing = (cost.init_channels, cost.layers, cost.parameters, cost.multiply_adds)
    return Shown(
        str(genotype), cost.space, data.dataset, data.shape, data.classes, *costing, drawn, said,
        prediction_us=cost.prediction_us, prediction_in=cost.prediction_in,
    )  # fmt: skip


def show_run(genotype: Genotype, run: SavedRun, given: Mapping[str, Any]) -> tuple[Shown, list[str]]:
    """A run's genotype with the run's own sizes, but for those `given` to `show`, and what to say of them.

    Raises:
        InputError: as in `show`, or the run is damaged.
    """
    says = what_it_says(run)
    own = {"dataset": says.pictures, "init_channels": says.channels, "layers": says.layers}
    notes = []
    if says.pictures is None and "dataset" not in given:
        notes.append(
            f"{shortened(run.path)} does not say what its pictures are like: the numbers are of cifar10's; "
            "-dataset names another data set"
        )
    known = {**{name: value for name, value in own.items() if value is not None}, **given}
    shown = show(genotype, **known)
    if not {"init_channels", "layers"} <= set(known):
        notes.append(
            f"the numbers are of a network of {counted(shown.init_channels, 'channel')} and "
            f"{counted(shown.layers, 'layer')}, since a search leaves that to its training: -init_channels and "
            "-layers say another"
        )
    return replace(shown, test_top1=says.test_top1), notes


def _known(dataset: str) -> Pictures:
    pictures = known_pictures(dataset)
    if pictures is None:
        error = unknown("data set", dataset, KNOWN)
        raise InputError(f"{error.marked} A run on own pictures is shown with their size: give it in place of these")
    return pictures


def _first_home(genotype: Genotype) -> spaces.SearchSpace:
    for name in spaces.SPACES:
        with suppress(InputError):
            return _containing(genotype, spaces.space(name))
    # Operations of several spaces in one genotype: it can be trained all the same.
    return genotype.space


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
