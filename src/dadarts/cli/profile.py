"""``dadarts profile``: what every operation of a search space costs on this machine."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import field_validator

from dadarts.architecture import spaces
from dadarts.architecture.places import Place
from dadarts.architecture.skeletons import Macro
from dadarts.cli import columns
from dadarts.cli.flags import Command, Flag, flags_of
from dadarts.cli.shown_run import Pictures, known_pictures
from dadarts.config.data import DataSettings
from dadarts.config.settings import Settings, setting
from dadarts.data import KNOWN, load
from dadarts.engines.profile import Cost, Profile, Scale, keep, kept, profiled
from dadarts.engines.profile.written import as_csv
from dadarts.errors import InputError, unknown
from dadarts.runs.setup import request_of
from dadarts.runs.threads import by_size, computing_with

BATCH_SIZE = 32
_HEADER = ("operation", "of", "stride", "forward", "backward", "prediction (us a picture)")


class ProfileSettings(Settings):
    """What is measured: the networks of a space at a size, and how they are computed."""

    search_space: str = setting("darts", "network", "whose operations", usual=True)
    nodes: int | None = setting(None, "network", "nodes of a cell (default: the space's)", ge=1, le=16)
    dataset: str = setting(
        "cifar10", "network", "for the sizes of its pictures: a known data set, a folder, .npz or table", usual=True
    )
    image_shape: str | None = setting(
        None, "network", "channels, height and width of own pictures in place of a data set's, as 3x64x64", usual=True
    )
    init_channels: int | None = setting(
        None, "network", "C, initial channels (default: the space's for trainings)", ge=1, le=4096, usual=True
    )
    layers: int | None = setting(
        None, "network", "L, cells (default: the space's for trainings)", "n_layers", ge=1, le=1000, usual=True
    )
    batch_size: int = setting(BATCH_SIZE, "run", "pictures computed at once", ge=1, le=10**6, usual=True)
    threads: int | None = setting(None, "run", "CPU threads (default: by the size of the network)", ge=1, le=1024)
    again: bool = setting(False, "run", "measure again what has been measured")

    @field_validator("dataset")
    @classmethod
    def _dataset_is_known(cls, dataset: str) -> str:
        if dataset not in KNOWN and not is_there(dataset):
            error = unknown("data set", dataset, KNOWN)
            raise InputError(f"{error.marked} Of own pictures give the folder, or -image_shape in place of it")
        return dataset

    @field_validator("image_shape")
    @classmethod
    def _shape_is_of_pictures(cls, shape: str | None) -> str | None:
        if shape is not None and re.fullmatch(r"[1-9]\d{0,3}x[1-9]\d{0,3}x[1-9]\d{0,3}", shape) is None:
            raise InputError("give channels, height and width, as 3x64x64")
        return shape

    @property
    def scale(self) -> Scale:
        """What `profiled` measures.

        Raises:
            InputError: there is no such space, or not with so many nodes.
        """
        pictures = known_pictures(self.dataset) or _own_pictures(self.dataset)
        own = (self.search_space,) if self.nodes is None else (self.search_space, self.nodes)
        shape = pictures.shape
        if self.image_shape is not None:
            channels, height, width = map(int, self.image_shape.split("x"))
            shape = channels, height, width
        return scale_of(
            spaces.space(*own), shape, pictures.classes, self.init_channels, self.layers,
            self.batch_size, self.threads,
        )  # fmt: skip


def is_there(path: str) -> bool:
    """Whether a word is the path of something; one too long for a path is none."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _own_pictures(dataset: str) -> Pictures:
    data = load(request_of(DataSettings(dataset=dataset)))
    return Pictures(dataset, data.train.shape, len(data.classes))


def scale_of(
    space: spaces.SearchSpace,
    shape: tuple[int, int, int],
    classes: int,
    channels: int | None = None,
    layers: int | None = None,
    batch: int = BATCH_SIZE,
    threads: int | None = None,
) -> Scale:
    """What is measured for networks of a space; None is its size for trainings, and threads by the rule of sizes."""
    macro = Macro(channels or space.train_size.channels, layers or space.train_size.layers, shape, classes)
    pixels = shape[1] * shape[2]
    return Scale(space, macro, batch, threads or by_size(pixels * macro.channels * batch).count)


def profile_command() -> Command:
    """The flags of ``dadarts profile``."""
    return Command(
        "dadarts profile",
        "Measure what every operation of a search space costs on this machine: forward and backward in a training, and "
        "in predictions. It is measured once; `dadarts show` then says what a network's pictures cost.",
        (
            *flags_of(ProfileSettings),
            Flag(("json",), "output", "print JSON", boolean=True),
            Flag(
                ("csv",),
                "output",
                "print what predictions take as a table, which -costs of a search or fit reads, with another device's",
                boolean=True,
            ),
        ),
    )


def profile(argv: Sequence[str]) -> int:
    """Carry ``dadarts profile`` out."""
    from dadarts.cli import configs

    values: dict[str, Any] = dict(profile_command().parse(argv))
    in_json, in_csv = (configs.truth(name, values) for name in ("json", "csv"))
    settings = ProfileSettings(**{name: value for name, value in values.items() if name not in ("json", "csv")})
    scale = settings.scale
    found = None if settings.again else kept(scale)
    if found is None:
        with computing_with(scale.threads), _progress() as progress:
            found = profiled(scale, progress)
        _keep(scale, found)
    if in_csv:
        print(as_csv(found), end="")
    else:
        print(_as_json(scale, found) if in_json else _as_table(scale, found))
    return 0


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """What `profiled` tells, on standard error: a bar on a terminal, elsewhere one line at the beginning."""
    if not sys.stderr.isatty():
        print("dadarts profile: measuring, once for this size; a minute or several", file=sys.stderr)
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    parts = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*parts, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("measuring, once for this size", total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)


def _keep(scale: Scale, found: Profile) -> None:
    try:
        keep(scale, found)
    except OSError as error:
        why = error.strerror or error
        print(f"dadarts profile: not kept for next time, {error.filename or 'the cache'}: {why}", file=sys.stderr)


def _as_table(scale: Scale, profile: Profile) -> str:
    rows = [_row(place, cost) for place, cost in profile.operations.items()]
    rest = ("(rest)", "a network's beside these", "", *_microseconds(profile.rest))
    lines = columns.rows([_HEADER, *rows, rest], (20, 30, 6, 9, 9), (False, False, True, True, True))
    macro = scale.macro
    threads = "1 thread" if scale.threads == 1 else f"{scale.threads} threads"
    about = (
        f"{scale.space.name}, {macro.channels} channels, {macro.layers} layers, pictures of "
        f"{'x'.join(map(str, macro.image_shape))} in batches of {scale.batch}, {threads}"
    )
    return "\n".join([about, *lines])


def _row(place: Place, cost: Cost) -> tuple[str, ...]:
    return place.operation, "x".join(map(str, place.inputs)), str(place.stride), *_microseconds(cost)


def _microseconds(cost: Cost) -> tuple[str, str, str]:
    forward, backward, prediction = (f"{1e6 * seconds:.1f}" for seconds in asdict(cost).values())
    return forward, backward, prediction


def _as_json(scale: Scale, profile: Profile) -> str:
    macro = scale.macro
    found: Mapping[str, Any] = {
        "space": scale.space.name,
        "nodes": scale.space.nodes,
        "init_channels": macro.channels,
        "layers": macro.layers,
        "image_shape": macro.image_shape,
        "classes": macro.classes,
        "batch_size": scale.batch,
        "threads": scale.threads,
        "seconds_per_picture": {
            "operations": [{**asdict(place), **asdict(cost)} for place, cost in profile.operations.items()],
            "rest": asdict(profile.rest),
        },
    }
    return json.dumps(found, indent=1)
