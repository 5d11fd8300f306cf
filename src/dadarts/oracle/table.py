"""What a benchmark knows about every network of its space, and where one stands among them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from dadarts.architecture.indices import spelled
from dadarts.architecture.pasted import pick
from dadarts.errors import InputError, unknown
from dadarts.oracle import storage

if TYPE_CHECKING:
    from dadarts.architecture.genotype import Genotype


@dataclass(frozen=True)
class Score:
    """How good a network is on one data set, by the benchmark's own training.

    Args:
        dataset: the data set.
        accuracy: in percent.
        rank: 1 + how many networks of the space are better; equals share a rank.
        percentile: percentage of the space's networks that are at most as good; the best has 100.
        regret: percentage points below the best network.
        parameters: trainable parameters with that data set's classes.
    """

    dataset: str
    accuracy: float
    rank: int
    percentile: float
    regret: float
    parameters: int


@dataclass(frozen=True)
class Answer:
    """What a benchmark says of a network: its architecture text, data set -> score, and the source's own row."""

    arch: str
    scores: Mapping[str, Score]
    row: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The source's row under its column names, and beside it, data set by data set, what follows from the table."""
        return {**self.row, "scores": {dataset: asdict(score) for dataset, score in self.scores.items()}}


@dataclass(frozen=True)
class Standing:
    """One data set's accuracies as whole numbers, `unit` of them a percentage point: exact to rank and subtract."""

    points: NDArray[np.int64]
    unit: int

    @cached_property
    def sorted(self) -> NDArray[np.int64]:
        return np.sort(self.points)

    def of(self, number: int) -> tuple[int, float, float]:
        """(rank, percentile, regret) of a network."""
        own = self.points[number]
        at_most = int(self.sorted.searchsorted(own, side="right"))
        count = len(self.points)
        return count - at_most + 1, 100 * at_most / count, int(self.sorted[-1] - own) / self.unit


@dataclass(frozen=True, eq=False)
class Table(ABC):
    """Every network of a benchmark, numbered in the order of their architecture texts.

    Args:
        name: the benchmark, which is also the name of its search space.
        columns: the arrays of its file, mapped into memory.
        metadata: source, licence and format, as the file has them.
    """

    name: str
    columns: storage.Columns
    metadata: Mapping[str, str]

    @classmethod
    def open(cls, name: str) -> Self:
        """The table of that name beside this file."""
        columns, metadata = storage.read(Path(__file__).with_name(f"{name}.safetensors"))
        return cls(name, columns, metadata)

    def __len__(self) -> int:
        return len(self.columns["params"])

    @property
    @abstractmethod
    def datasets(self) -> tuple[str, ...]:
        """The data sets on which every network was trained."""

    @property
    @abstractmethod
    def measure(self) -> str:
        """What an accuracy is an accuracy of."""

    @property
    @abstractmethod
    def form(self) -> str:
        """What an architecture text of this benchmark looks like."""

    @property
    @abstractmethod
    def operations(self) -> tuple[str, ...]:
        """The operations that a network chooses among, everywhere the same."""

    @property
    @abstractmethod
    def choices(self) -> NDArray[np.int64]:
        """(N, places) which of the operations each network has at each of its places."""

    @property
    @abstractmethod
    def multiply_adds(self) -> NDArray[np.int64]:
        """(N,) multiply-adds of a 32x32 picture, with 10 classes."""

    @abstractmethod
    def number(self, arch: str) -> int:
        """Which network an architecture text means; InputError where it is none of this space."""

    @abstractmethod
    def arch(self, number: int) -> str:
        """The architecture text of a network."""

    @abstractmethod
    def row(self, number: int) -> dict[str, Any]:
        """The source's row of a network, with its column names and exactly its values."""

    @abstractmethod
    def _accuracy(self, number: int, dataset: str) -> float: ...

    @abstractmethod
    def _standing(self, dataset: str) -> Standing: ...

    @abstractmethod
    def _parameters(self, number: int, dataset: str) -> int: ...

    @cached_property
    def _standings(self) -> Mapping[str, Standing]:
        return {dataset: self._standing(dataset) for dataset in self.datasets}

    @property
    def parameters(self) -> NDArray[np.int64]:
        """(N,) trainable parameters, with 10 classes."""
        return self.columns["params"].astype(np.int64)

    def architectures(self) -> Iterator[str]:
        """All architecture texts, in the order of their numbers."""
        return map(self.arch, range(len(self)))

    def accuracies(self, dataset: str) -> NDArray[np.float64]:
        """(N,) accuracies in percent of all networks on a data set, in the order of their numbers.

        Raises:
            InputError: the benchmark has no such data set.
        """
        self._refuse_unknown(dataset)
        return self._accuracies[dataset].copy()

    @cached_property
    def _accuracies(self) -> Mapping[str, NDArray[np.float64]]:
        numbers = range(len(self))
        return {name: np.array([self._accuracy(number, name) for number in numbers]) for name in self.datasets}

    def best(self, dataset: str) -> Answer:
        """The network that no other is better than on a data set, the first of equals.

        Raises:
            InputError: the benchmark has no such data set.
        """
        self._refuse_unknown(dataset)
        return self._answer(int(self._standings[dataset].points.argmax()))

    def _refuse_unknown(self, dataset: str) -> None:
        if dataset not in self.datasets:
            raise unknown("data set", dataset, self.datasets)

    def query(self, genotype: Genotype | str) -> Answer:
        """What the benchmark says of a network.

        Args:
            genotype: a genotype of this space, its text, or its JSON.

        Raises:
            InputError: it is no network of this benchmark.
        """
        return self._answer(self.number(_text(genotype)))

    def _answer(self, number: int) -> Answer:
        scores = {}
        for dataset, standing in self._standings.items():
            accuracy, parameters = self._accuracy(number, dataset), self._parameters(number, dataset)
            scores[dataset] = Score(dataset, accuracy, *standing.of(number), parameters)
        return Answer(self.arch(number), scores, self.row(number))

    def refused(self, arch: str) -> InputError:
        """The error for a text that is no architecture of this benchmark."""
        shown = arch if len(arch) <= 60 else arch[:57] + "..."
        return InputError(f"{shown!r} is no network of {self.name}: {self.form}")


def _text(genotype: Genotype | str) -> str:
    text = str(genotype).strip()
    if not text.startswith("{"):
        return _plain(text)
    # The file genotype.json of a run says in its field `text` what every reader of genotypes understands.
    try:
        return str(json.loads(text)["text"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"not a genotype: JSON without its field text ({type(error).__name__})") from None


def _plain(text: str) -> str:
    """The benchmark's own text of what was pasted; what is none is refused as it was written."""
    if text.startswith("|") or text.isdecimal():
        return text
    try:
        found = pick(text)
    except InputError:
        found = None
    if found is None or found.kind == "call":
        return text
    return spelled(found) if found.kind == "indices" else found.text
