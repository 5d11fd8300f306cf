"""What a run says of itself to those who only read it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from dadarts import files
from dadarts.architecture import verdict
from dadarts.architecture.verdict import Verdict
from dadarts.errors import InputError, shortened
from dadarts.rundir import contents
from dadarts.rundir.history import Row

_SIZES = {"method": str, "genotype": str, "init_channels": int, "layers": int}
_COMPUTED = {"threads": int, "processes": int, "engine": str, "device": str, "data": str, "plugins": list}
_LONGEST, _MOST = 2 * 65_536, 2**63


class DamageError(InputError):
    """A file of a run cannot be read.

    Args:
        what: which one; what to do follows from where the run is.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; replace the run with -overwrite")
        self.what = what


@dataclass(frozen=True)
class SavedConfig:
    """What a run's config.json says.

    Args:
        settings: all that decides the run.
        versions: what its numbers may depend on besides.
    """

    settings: dict[str, Any]
    versions: dict[str, Any]

    @classmethod
    def parse(cls, text: str) -> SavedConfig:
        """What `text` has written.

        Raises:
            ValueError, KeyError, TypeError or RecursionError: it is damaged.
        """
        saved = json.loads(text)
        found = cls(saved["settings"], saved["versions"])
        _check(found.settings, {"name": str, "dataset": str, "epochs": int}, _SIZES)
        _check(found.versions, {}, _COMPUTED)
        return found

    @property
    def text(self) -> str:
        """As it stands in the file."""
        return json.dumps({"settings": self.settings, "versions": self.versions}, indent=1) + "\n"

    @property
    def is_training(self) -> bool:
        """Whether the run trains a genotype: a search has none to begin with."""
        return "genotype" in self.settings

    @property
    def processes(self) -> int:
        """How many compute it; those of before there were several are one."""
        count: int = self.versions.get("processes", 1)
        return count


@dataclass(frozen=True)
class SavedRun:
    """The folder of a run, to read.

    Args:
        path: where it is.
    """

    path: Path

    @property
    def config(self) -> Path:
        return contents.CONFIG.at(self.path)

    @property
    def history(self) -> Path:
        return contents.HISTORY.at(self.path)

    @property
    def exists(self) -> bool:
        """Whether a run of that name has begun (its configuration is the last thing a new folder gets)."""
        return self.config.is_file()

    def saved_config(self) -> SavedConfig:
        """What `write_config` wrote.

        Raises:
            InputError: the file is damaged.
        """
        try:
            return SavedConfig.parse(files.read_text(self.config))
        except _OtherTypeError as error:
            raise DamageError(f"{self.config} is damaged: {error}") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise DamageError(f"{self.config} is damaged") from None

    def rows(self) -> list[dict[str, str]]:
        """The rows of its history so far; none where none has been written.

        Raises:
            OSError: the file cannot be read; ValueError or csv.Error: it is damaged.
        """
        try:
            with files.open_text(self.history) as file:
                return list(csv.DictReader(file))
        except FileNotFoundError:
            return []

    def measured(self) -> list[Row]:
        """`rows` in numbers; what is none is left out, since the file is the user's to edit.

        Raises:
            InputError: the file is damaged.
        """
        try:
            rows = self.rows()
        except (OSError, ValueError, csv.Error):
            raise DamageError(f"{self.history} is damaged") from None
        return [{name: _number(text) for name, text in row.items() if name} for row in rows]

    def verdict(self) -> Verdict | None:
        """What a finished search has said of its genotype; None where it has said nothing that can be read."""
        with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
            return verdict.read(json.loads(files.read_text(contents.GENOTYPE.at(self.path)))["verdict"])
        return None

    def result(self) -> str | None:
        """What a finished run ended with; None while it has not ended."""
        path = contents.RESULT.at(self.path)
        try:
            return files.read_text(path).strip()
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            raise DamageError(f"{path} is damaged") from None


def _number(text: object) -> float | None:
    try:
        value = float(text) if isinstance(text, str) else float("nan")
    except ValueError:
        return None
    return value if isfinite(value) else None


class _OtherTypeError(TypeError):
    """A value is not of its type; says which, and what it is."""


def _check(values: Any, needed: Mapping[str, type], known: Mapping[str, type]) -> None:
    """Refuse values that are not JSON's plain ones, or those that are used as they stand not of their type.

    All others are checked by the configuration that is made of them.

    Raises:
        TypeError: they are.
    """
    if not isinstance(values, dict) or not all(map(_is_plain, values.values())):
        raise TypeError("not a dict of plain values")
    kinds = {**needed, **{name: kind for name, kind in known.items() if values.get(name) is not None}}
    wrong = [name for name, kind in kinds.items() if type(values.get(name)) is not kind]
    if wrong:
        raise _OtherTypeError(f"{wrong[0]} is {shortened(values.get(wrong[0]), 40)}")


def _is_plain(value: Any) -> bool:
    match value:
        case str():
            return len(value) <= _LONGEST
        case list():
            return all(item is None or isinstance(item, str | int | float) for item in value)
        case int() | float():
            return -_MOST <= value <= _MOST
        case _:
            return value is None
