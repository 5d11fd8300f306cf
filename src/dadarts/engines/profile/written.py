"""A profile as a table of comma-separated values: written here, measured elsewhere, and read again."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path

from dadarts import files
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.places import Place, places_of_genotype
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import Size
from dadarts.engines.profile.cost import Cost
from dadarts.engines.profile.table import Profile
from dadarts.errors import InputError, shortened

REST = "(rest)"
"""The row of all that a network has beside its operations; ``(rest 16x2)`` is that of 16 channels and 2 layers."""
_OF_SIZE = re.compile(r"\(rest ([1-9]\d{0,5})x([1-9]\d{0,5})\)", re.ASCII)
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


@dataclass(frozen=True)
class Table:
    """Latencies of operations, which may be those of networks of several sizes.

    Args:
        operations: of each operation at the places that there are rows of.
        rests: of what networks of a size have beside them; None is any size that has none of its own.
    """

    operations: Mapping[Place, Cost]
    rests: Mapping[Size | None, Cost]

    def rest(self, size: Size) -> Cost | None:
        """What networks of a size have beside their operations; None where no row says it."""
        return self.rests.get(size, self.rests.get(None))

    def lacking(self, genotype: Genotype, macro: Macro) -> list[str]:
        """The rows that a genotype's network needs and that there are none of, each as a phrase."""
        missing = [said(place) for place in places_of_genotype(genotype, macro) if place not in self.operations]
        if self.rest(Size(macro.channels, macro.layers)) is None:
            missing.append(f"{REST} or (rest {macro.channels}x{macro.layers})")
        return missing

    def latency_ms(self, genotype: Genotype, macro: Macro) -> float:
        """Milliseconds of a lone picture's prediction by a genotype's network: a sum of whole nanoseconds.

        Raises:
            KeyError: a row is `lacking`.
        """
        rest = self.rest(Size(macro.channels, macro.layers))
        if rest is None:
            raise KeyError(REST)
        places = places_of_genotype(genotype, macro)
        of_operations = sum(times * in_ns(self.operations[place]) for place, times in places.items())
        return (in_ns(rest) + of_operations) / 1e6


def said(place: Place) -> str:
    """An operation and where it stands."""
    return f"{place.operation} of {'x'.join(map(str, place.inputs))} with stride {place.stride}"


def in_ns(cost: Cost) -> int:
    """A prediction's nanoseconds, rounded up."""
    return ceil(1e9 * cost.prediction)


def read_csv(path: Path, size: Size | None = None) -> Profile:
    """The profile that a table spells of networks of a size; of its costs predictions alone are known.

    Raises:
        InputError: it cannot be read, or a row is none of an operation, or none says what is beside them.
    """
    table = read_table(path)
    rest = table.rests.get(None) if size is None else table.rest(size)
    if rest is None:
        own = "" if size is None or not table.rests else f" or (rest {size.channels}x{size.layers})"
        raise InputError(
            f"-costs {shortened(path, 120)} lacks a row of the operation {REST}{own}: what a network takes beside its "
            "operations, stem and classifier, in ms"
        )
    return Profile(table.operations, rest)


def read_table(path: Path) -> Table:
    """All that a table has.

    Raises:
        InputError: it cannot be read, or a row is none of an operation.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(files.read_text(path))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or "it is no table of comma-separated values in UTF-8"
        raise InputError(f"-costs {shortened(path, 120)}: {why}") from None
    operations: dict[Place, Cost] = {}
    rests: dict[Size | None, Cost] = {}
    for number, (place, ms) in enumerate(_read(path, rows), start=2):
        if place in operations or place in rests:
            raise InputError(f"-costs {shortened(path, 120)}, line {number}: this operation has a row already")
        cost = Cost(0.0, 0.0, ms / 1000)
        if isinstance(place, Place):
            operations[place] = cost
        else:
            rests[place] = cost
    return Table(operations, rests)


def _read(path: Path, rows: list[dict[str, str]]) -> Iterator[tuple[Place | Size | None, float]]:
    for number, row in enumerate(rows, start=2):
        where = f"-costs {shortened(path, 120)}, line {number}"
        if missing := [name for name in COLUMNS if not isinstance(row.get(name), str)]:
            raise InputError(f"{where}: there is no {missing[0]}; the columns are {', '.join(COLUMNS)}")
        ms = _ms(where, row)
        name = row["operation"].strip()
        of_size = _OF_SIZE.fullmatch(name)
        if of_size is not None:
            yield Size(int(of_size[1]), int(of_size[2])), ms
        else:
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
