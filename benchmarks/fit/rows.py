"""The rows of the contest: a contestant's result on a task."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeAlias

Key: TypeAlias = tuple[str, float, int | None, int, str]


@dataclass(frozen=True)
class Row:
    """A contestant's result.

    Args:
        limit: most parameters, None where there is no limit.
        score: by the task's metric on the test part, in [0, 1].
        pictures: of the test part.
        seconds: of the processor, for everything.
        network: in words.
    """

    task: str
    minutes: float
    limit: int | None
    seed: int
    contestant: str
    score: float
    pictures: int
    seconds: float
    parameters: int
    epochs: float
    network: str

    @property
    def key(self) -> Key:
        """What is run once."""
        return self.task, self.minutes, self.limit, self.seed, self.contestant


def read(path: Path) -> list[Row]:
    """The rows of a file; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(
                row["task"],
                float(row["minutes"]),
                int(row["limit"]) if row["limit"] else None,
                int(row["seed"]),
                row["contestant"],
                float(row["score"]),
                int(row["pictures"]),
                float(row["seconds"]),
                int(row["parameters"]),
                float(row["epochs"]),
                row["network"],
            )
            for row in csv.DictReader(file)
        ]


def write(path: Path, rows: Iterable[Row]) -> None:
    """All rows, in place of those that the file had."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
