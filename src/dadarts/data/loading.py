"""How a request becomes a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

import platformdirs
import torch

from dadarts.data import arrays, folder, memory, table
from dadarts.data.cache import Cache
from dadarts.data.class_folders import Choices
from dadarts.data.decoding import Decoder
from dadarts.data.given import MARK, Source
from dadarts.data.pictures import DataRequest, DataSet, Parts, Pictures
from dadarts.data.registry import KNOWN, Facts
from dadarts.errors import InputError, shortened
from dadarts.seeds import generator

_SAMPLE_BYTES = 1 << 26
_SMALLEST_STD = 1 / 255
_MOST_LOOKED_AT = 1000
"""Entries of the current folder among which the nearest name is looked for."""
_PATHS = "a folder of pictures, an .npz file, or a table of labels (.csv or .tsv)"


def load(request: DataRequest, *, budget: int | None = None, known: Mapping[str, Facts] = KNOWN) -> DataSet:
    """The data set asked for, decoded where `budget` bytes hold it (None: half of the available memory).

    Raises InputError, in one line, where the name is unknown, files are missing and cannot be downloaded, or
    are damaged, and where a class has fewer than two training pictures.
    """
    cache = Cache(request.cache_dir or platformdirs.user_cache_path("dadarts"))
    budget = memory.budget() if budget is None else budget
    decoder = Decoder(cache, request.workers, budget, request.nominal, request.skip_broken)
    facts = known.get(request.dataset)
    try:
        if request.given is not None:
            parts = _read_given(request, request.given, decoder)
        elif facts is not None:
            parts = _read_known(request, decoder, facts)
        else:
            parts = _read_path(request, decoder, known)
    except OSError as error:
        name = shortened(error.filename or request.dataset)
        raise InputError(f"{name} cannot be read: {error.strerror}") from error
    _check(request.dataset, parts, every_class=facts is None)
    if facts is not None and facts.mean is not None and facts.std is not None:
        mean, std, notes = facts.mean, facts.std, parts.notes
    else:
        mean, std = _statistics(parts.train)
        notes = (*parts.notes, *_lifeless(std))
    flip = facts is None or facts.flip
    return DataSet(
        request.dataset,
        parts.classes,
        parts.train,
        parts.test,
        mean,
        std,
        flip,
        parts.remarks,
        notes,
        parts.value_range,
    )


def _read_known(request: DataRequest, decoder: Decoder, facts: Facts) -> Parts:
    if request.image_size is not None:
        raise InputError(f"an image size is for folders of pictures; {request.dataset} has its own")
    _refuse_choices(request, "-classes is", request.choices.classes)
    _refuse_choices(request, "-test_path is", request.choices.test_path)
    return facts.read(request.data_path, decoder)


def _read_given(request: DataRequest, given: Source, decoder: Decoder) -> Parts:
    _refuse_choices(request, "classes is", request.choices.classes)
    _refuse_choices(request, "test_path is", request.choices.test_path)
    return given.read(request.image_size, decoder)


def _read_path(request: DataRequest, decoder: Decoder, known: Mapping[str, Facts]) -> Parts:
    path = Path(request.dataset)
    try:
        path = path.expanduser()
        is_folder, is_file = bool(request.dataset) and path.is_dir(), path.is_file()
    except (OSError, RuntimeError):  # A name too long for the file system, or a `~name` without a home.
        is_folder = is_file = False
    choices = _expanded(request.choices)
    if is_folder or (is_file and path.suffix.lower() in table.SUFFIXES):
        return folder.read(path, request.image_size, decoder, _checked(choices))
    if is_file and path.suffix.lower() == ".npz":
        if request.image_size is not None:
            raise InputError(f"an image size is for folders of pictures; {path} has its own")
        _refuse_choices(request, "-classes is", request.choices.classes)
        return arrays.read(path, choices.test_path, request.nominal)
    if is_file:
        raise InputError(f"{path} is a file of an unknown kind; give {_PATHS}")
    if request.dataset.endswith(MARK):
        raise InputError(
            f"the data set {request.dataset} is an object that no command can find; begin or resume the run in Python, "
            "with that data set"
        )
    if "/" in request.dataset or path.suffix.lower() in (".npz", *table.SUFFIXES):
        raise InputError(f"there is no folder or file {shortened(request.dataset)!r}; give the path of {_PATHS}")
    raise _nowhere(request.dataset, known)


def _nowhere(given: str, known: Mapping[str, Facts]) -> InputError:
    """What is said of a word that is neither a path nor a data set, with the nearest one that is either."""
    try:
        here = [path.name for path in islice(Path().iterdir(), _MOST_LOOKED_AT) if path.is_dir()]
    except OSError:
        here = []
    near = get_close_matches(given[:60], [*known, *here], n=1)
    meant = next(iter(near), next((name for name in known if name.lower() == given.lower()), None))
    return InputError(
        f"unknown data set {shortened(given, 60)!r}: there is no folder of that name here, nor is it one of "
        f"{', '.join(known)}. {f'Did you mean {meant!r}? Else give' if meant else 'Give'} the path of {_PATHS}"
    )


def _refuse_choices(request: DataRequest, what: str, given: object) -> None:
    if given is not None:
        raise InputError(f"{what} for folders of pictures; {request.dataset} has its own")


def _expanded(choices: Choices) -> Choices:
    """The choices, with a `~` in the test path replaced."""
    if choices.test_path is None:
        return choices
    try:
        return replace(choices, test_path=choices.test_path.expanduser())
    except RuntimeError as error:  # A `~name` without a home.
        raise InputError(f"-test_path {shortened(choices.test_path)}: {shortened(error)}") from None


def _checked(choices: Choices) -> Choices:
    """The choices for a folder, whose test path is one too."""
    path = choices.test_path
    if path is not None and not path.is_dir():
        what = "a file; the test part of a folder is a folder too" if path.is_file() else "no folder"
        raise InputError(f"-test_path {shortened(path)} is {what}: give one of class folders")
    return choices


def _check(dataset: str, parts: Parts, every_class: bool) -> None:
    counts = torch.bincount(parts.train.labels, minlength=len(parts.classes)).tolist()
    for name, count in zip(parts.classes, counts, strict=True):
        if count == 1 or (count == 0 and every_class):
            found = "a single training picture" if count else "no training picture"
            raise InputError(f"{dataset}: class {name} has {found}; every class needs two or more")
    if sum(count > 0 for count in counts) < 2:
        raise InputError(f"{dataset}: the training part needs pictures of two classes or more")
    if len(parts.test) == 0:
        raise InputError(f"{dataset}: the test part holds no pictures")


def _lifeless(std: tuple[float, ...]) -> Iterator[str]:
    for channel, deviation in enumerate(std):
        if deviation <= _SMALLEST_STD:
            of = f"channel {channel + 1} of {len(std)} of the training pictures" if len(std) > 1 else "every pixel"
            yield f"{of} has one value everywhere, or nearly: nothing can be learnt from it; look at the pictures"


def _statistics(pictures: Pictures) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per channel of pixels in [0, 1], over a fixed sample of the training part."""
    channels, height, width = pictures.shape
    count = min(len(pictures), max(1, _SAMPLE_BYTES // (channels * height * width)))
    chosen = torch.randperm(len(pictures), generator=generator("statistics"))[:count].sort().values
    pixels = pictures.take(chosen).transpose(0, 1).reshape(channels, -1)
    # Counting values is exact, and needs no copy of the pixels in floats.
    counts = torch.stack([torch.bincount(channel, minlength=256) for channel in pixels]).to(torch.float64)
    shares, values = counts / pixels.shape[1], torch.arange(256, dtype=torch.float64) / 255
    mean = shares @ values
    std = (shares @ values.square() - mean.square()).clamp_min(0).sqrt()
    # A channel of one value has deviation 0, which nothing can be divided by.
    return tuple(mean.tolist()), tuple(std.clamp_min(_SMALLEST_STD).tolist())
