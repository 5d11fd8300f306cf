"""A search over its epochs, as the slider of a page shows it: cells, the edges that change, and mixing weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.operations import ALL_OPS
from dadarts.pacing import counted
from dadarts.report.page.cells import Edge, cell_picture, edges
from dadarts.report.page.content import Evolution, Mixture
from dadarts.report.plan import state_names


@dataclass(frozen=True)
class Cells:
    """The cells of one kind that a search has had.

    Args:
        pictures: each once.
        shown: which of them each epoch has.
    """

    kind: str
    pictures: tuple[Markup, ...]
    shown: tuple[int, ...]


@dataclass(frozen=True)
class HeatMap:
    """The mixing weights of one kind of cell, in whole percent.

    Args:
        rows, columns: names of edges and operations.
        cells: of the last epoch, row by row; None where an edge lacks the operation.
        chosen: the places of `cells` (row by row) that the last epoch's genotype has.
        weights: of every epoch, row by row, without those that are None.
        choices: of every epoch, what `chosen` is of the last.
    """

    kind: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[int | None, ...], ...]
    chosen: frozenset[int]
    weights: tuple[tuple[int, ...], ...]
    choices: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Player:
    """What the slider moves through.

    Args:
        changes: of every epoch, what has changed since the one before.
    """

    epochs: tuple[int, ...]
    changes: tuple[str, ...]
    cells: tuple[Cells, ...]
    maps: tuple[HeatMap, ...]

    @property
    def script(self) -> dict[str, object]:
        """What the page's script reads."""
        return {
            "epochs": self.epochs,
            "changes": self.changes,
            "cells": {one.kind: one.shown for one in self.cells},
            "weights": {one.kind: one.weights for one in self.maps},
            "choices": {one.kind: one.choices for one in self.maps},
        }


def player(evolution: Evolution) -> Player:
    """All that a page shows of a search's epochs."""
    genotypes = evolution.genotypes
    kinds = tuple(genotypes[-1].cells)
    return Player(
        evolution.epochs,
        tuple(_change(genotypes, number) for number in range(len(genotypes))),
        tuple(_cells(genotypes, kind) for kind in kinds),
        tuple(_heat_map(evolution.mixtures[kind], genotypes, kind) for kind in kinds if kind in evolution.mixtures),
    )


def _fresh(genotypes: Sequence[Genotype], number: int, kind: str) -> frozenset[Edge]:
    """The edges of an epoch's cell that the one before did not have; none in the first."""
    if number == 0:
        return frozenset()
    return frozenset(edges(genotypes[number], kind)) - frozenset(edges(genotypes[number - 1], kind))


def _change(genotypes: Sequence[Genotype], number: int) -> str:
    if number == 0:
        return "The first that is shown."
    said, total = [], 0
    for kind in genotypes[number].cells:
        fresh = _fresh(genotypes, number, kind)
        total += len(fresh)
        names = state_names(genotypes[number], kind)
        first = len(names) - 1 - len(genotypes[number].cells[kind].nodes)
        said += [
            f"{kind} node {names[first + node]} takes {ALL_OPS[operation].label} of {_plain(names[state])}"
            for node, operation, state in sorted(fresh)
        ]
    if not total:
        return "No choice changed."
    return f"{counted(total, 'choice')} changed: {'; '.join(said)}."


def _plain(name: str) -> str:
    """A state's name in running text."""
    return name.replace("_{", " ").replace("}", "") if "_" in name else name


def _cells(genotypes: Sequence[Genotype], kind: str) -> Cells:
    pictures: dict[tuple[object, frozenset[Edge]], int] = {}
    drawn: list[Markup] = []
    shown: list[int] = []
    for number, genotype in enumerate(genotypes):
        fresh = _fresh(genotypes, number, kind)
        key = genotype.cells[kind], fresh
        if key not in pictures:
            pictures[key] = len(drawn)
            drawn.append(cell_picture(genotype, kind, fresh))
        shown.append(pictures[key])
    return Cells(kind, tuple(drawn), tuple(shown))


def _heat_map(mixture: Mixture, genotypes: Sequence[Genotype], kind: str) -> HeatMap:
    names = state_names(genotypes[-1], kind)
    first = len(names) - 1 - len(genotypes[-1].cells[kind].nodes)
    present = np.isfinite(mixture.weights[-1])
    weights = [np.rint(100 * epoch[present]).astype(int).tolist() for epoch in mixture.weights]
    last = np.where(present, np.rint(100 * np.nan_to_num(mixture.weights[-1])), -1).astype(int).tolist()
    places = {place: row for row, place in enumerate(mixture.places)}
    columns = {name: column for column, name in enumerate(mixture.operations)}
    choices = [_choices(genotype, kind, places, columns) for genotype in genotypes]
    return HeatMap(
        kind,
        tuple(f"{_plain(names[state])} → {names[first + node]}" for node, state in mixture.places),
        tuple(ALL_OPS[name].label for name in mixture.operations),
        tuple(tuple(None if cell < 0 else cell for cell in row) for row in last),
        frozenset(choices[-1]),
        tuple(map(tuple, weights)),
        tuple(choices),
    )


def _choices(
    genotype: Genotype, kind: str, places: Mapping[tuple[int, int], int], columns: Mapping[str, int]
) -> tuple[int, ...]:
    return tuple(
        sorted(
            places[node, state] * len(columns) + columns[operation]
            for node, operation, state in edges(genotype, kind)
            if (node, state) in places and operation in columns
        )
    )
