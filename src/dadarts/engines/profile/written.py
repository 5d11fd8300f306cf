"""A profile as a table of comma-separated values: written here, measured elsewhere, and read again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path

from dadarts import files
from dadarts.architecture.places import Place
from dadarts.engines.profile.cost import Cost
from dadarts.engines.profile.table import Profile
from dadarts.errors import InputError, shortened

REST = "(rest)"
"""The row of all that a network has beside its operations."""
_SIZES = ("in_channels", "height", "width", "out_channels", "stride")
COLUMNS = ("operation", *_SIZES, "ms")
"""Of a picture's prediction: which operation, on what, and how long it takes."""
_MOST_MS = 1e9


def as_csv(profile: Profile) -> str:
    """What predictions cost, a row an operation at a place; read again by `read_csv`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for place, cost in profile.operations.items():
        sizes = (*place.inputs, place.channels, place.stride)
        writer.writerow((place.operation, *sizes, f"{1000 * cost.prediction:.6f}"))
    writer.writerow((REST, *("",) * len(_SIZES), f"{1000 * profile.rest.prediction:.6f}"))
    return text.getvalue()


def read_csv(path: Path) -> Profile:
    """The profile that a table spells; of its costs predictions alone are known.

    Raises:
        InputError: it cannot be read, or a row is none of an operation.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(files.read_text(path))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or "it is no table of comma-separated values in UTF-8"
        raise InputError(f"-costs {shortened(path, 120)}: {why}") from None
    found: dict[Place | None, Cost] = {}
    for number, (place, ms) in enumerate(_read(path, rows), start=2):
        if place in found:
            raise InputError(f"-costs {shortened(path, 120)}, line {number}: this operation has a row already")
        found[place] = Cost(0.0, 0.0, ms / 1000)
    if None not in found:
        raise InputError(
            f"-costs {shortened(path, 120)} lacks a row of the operation {REST}: what a network takes beside its "
            "operations, stem and classifier, in ms"
        )
    return Profile({place: cost for place, cost in found.items() if place is not None}, found[None])


def _read(path: Path, rows: list[dict[str, str]]) -> Iterator[tuple[Place | None, float]]:
    for number, row in enumerate(rows, start=2):
        where = f"-costs {shortened(path, 120)}, line {number}"
        if missing := [name for name in COLUMNS if not isinstance(row.get(name), str)]:
            raise InputError(f"{where}: there is no {missing[0]}; the columns are {', '.join(COLUMNS)}")
        ms = _ms(where, row)
        name = row["operation"].strip()
        yield (None if name == REST else _place(where, name, row)), ms


def _ms(where: str, row: Mapping[str, str]) -> float:
    try:
        ms = float(row["ms"])
    except ValueError:
        ms = -1.0
    if not (isfinite(ms) and 0 <= ms <= _MOST_MS):
        raise InputError(f"{where}: ms is {shortened(row['ms'], 40)!r}; give a number of milliseconds, 0 or more")
    return ms


def _place(where: str, name: str, row: Mapping[str, str]) -> Place:
    sizes = {}
    for column in _SIZES:
        word = row[column].strip()
        if not word.isdecimal() or not 0 < int(word[:9]) <= 10**6 or len(word) > 9:
            raise InputError(f"{where}: {column} is {shortened(word, 40)!r}; give a whole number above 0")
        sizes[column] = int(word)
    inputs = sizes["in_channels"], sizes["height"], sizes["width"]
    return Place(name, inputs, sizes["out_channels"], sizes["stride"])
