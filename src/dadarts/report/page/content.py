"""What a page says, as plain data: whoever has a verdict, candidates or runs hands them in, and `render` draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dadarts.architecture.genotype import Genotype
from dadarts.rundir.history import Panel, Row

Kind: TypeAlias = Literal["search", "training"]


@dataclass(frozen=True)
class Table:
    """A table, its cells as they are to be read.

    Args:
        caption: what it shows, for those who meet it alone.
        numeric: the columns whose cells are flush right.
        marked: the rows that stand out.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """A heading, sentences, a table (its first row is its head), and a picture for the page.

    Args:
        picture: an element of HTML.
        level: of the heading.
        folded: whether it is there only when it is asked for.
    """

    title: str
    text: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    picture: str = ""
    level: int = 2
    folded: bool = False


@dataclass(frozen=True)
class Candidate:
    """A network, or what a search has found, with what it is worth and what it costs.

    Args:
        name: what people call it.
        about: what it is, in a few words.
        accuracy: in [0, 1]; None where it was not measured.
        measured_on: the pictures that the accuracy is of; only equal ones are drawn in one picture.
        interval: the accuracy's 95 % interval.
        latency_us: microseconds that a picture's prediction takes.
        seconds: of computing, to find or to train it.
        chosen: whether it is the one that the verdict is about.
    """

    name: str
    about: str
    accuracy: float | None
    measured_on: str
    interval: tuple[float, float] | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    latency_us: float | None = None
    seconds: float | None = None
    chosen: bool = False


@dataclass(frozen=True, eq=False)
class Mixture:
    """The mixing weights of one kind of cell over T epochs.

    Args:
        places: (node, state that it reads) of each of the E edges, as indices.
        operations: the O operations, by their names.
        weights: (T, E, O) in [0, 1]; NaN where an edge lacks the operation.
    """

    places: tuple[tuple[int, int], ...]
    operations: tuple[str, ...]
    weights: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evolution:
    """A search over its epochs.

    Args:
        epochs: the T epochs that are shown, from 1.
        genotypes: what the search would have returned after each.
        mixtures: by kind of cell.
    """

    epochs: tuple[int, ...]
    genotypes: tuple[Genotype, ...]
    mixtures: Mapping[str, Mixture]


@dataclass(frozen=True)
class Confusion:
    """How many pictures of each class (row) were taken for each (column)."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Mistake:
    """A picture that a network takes for another class.

    Args:
        picture: its place in the test part, from 1.
        image: a small file of it, of a media type that browsers show.
        width, height: its pixels.
    """

    picture: int
    image: bytes
    media: str
    width: int
    height: int
    truth: str
    answer: str
    probability: float


@dataclass(frozen=True)
class Mistakes:
    """The mistakes that a network is surest of, and what is to be said of them."""

    text: str
    pictures: tuple[Mistake, ...] = ()


@dataclass(frozen=True)
class Data:
    """The pictures of a run: in a sentence, by class, and what was said of them (what was passed over, and why)."""

    text: str
    classes: Table | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command of a shell or a line of Python, under its heading."""

    title: str
    text: str


@dataclass(frozen=True, eq=False)
class Account:
    """All that a page says of one run.

    Args:
        state: whether it has ended.
        sentence: what came of it.
        doubts: what to mistrust.
        facts: (what, value), the most important first.
        commands: what makes the same run again, what was typed first; none where that is not known.
        genotype: what the search found or the training trains; None where there is none yet.
        history: a row an epoch.
        panels: what of it is drawn.
    """

    name: str
    kind: Kind
    state: str
    sentence: str
    doubts: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    commands: tuple[Command, ...]
    genotype: Genotype | None
    history: Sequence[Row]
    panels: tuple[Panel, ...]
    settings: Mapping[str, str]
    costs: Table | None = None
    evolution: Evolution | None = None
    scores: Table | None = None
    confusion: Confusion | None = None
    mistakes: Mistakes | None = None
    data: Data | None = None


@dataclass(frozen=True, eq=False)
class Page:
    """A page.

    Args:
        verdict: what all of it comes to, in a sentence or two.
        doubts: what to mistrust of that.
        candidates: whose accuracy is drawn against their costs.
        accounts: the runs, in the order of the page.
    """

    title: str
    verdict: str
    candidates: tuple[Candidate, ...]
    accounts: tuple[Account, ...]
    doubts: tuple[str, ...] = ()
