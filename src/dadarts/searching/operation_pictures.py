"""What a search costs whatever computes it: operations that are active in a pass, times the pictures that it sees.

A pass forward and backward counts one for every active operation of the supernet (of all its cells) and every picture,
a forward pass alone a third. Active is what an engine computes: all candidates of an edge in a mixture, one where the
weights are hard. `none` never is, nor is what a pass leaves out as negligible. An operation on 1/K of the channels
(arXiv 1907.05737) counts 1/K. Validations are diagnostics and count nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from dadarts.architecture.skeletons import Cell
from dadarts.architecture.supernet import Idle, MixedNode, Mixing, Supernet, needed
from dadarts.runs import fitting

FORWARD, BOTH = 1, 3
"""What a pass counts, in thirds of an operation and picture."""
_MOST = 2**62
Name = TypeVar("Name")


@dataclass
class Tally:
    """What was counted apart from the rest, in thirds of an operation and picture; known when that has ended."""

    thirds: int = 0


class OperationPictures:
    """The count of one search, in whole parts so that a resumed search counts what an unbroken one does.

    Args:
        supernet: whose operations are counted.
        processes: how many of them share every batch of a step.
    """

    def __init__(self, supernet: Supernet, processes: int = 1) -> None:
        self._places: dict[tuple[str, int], dict[tuple[int, int], int]] = {}
        for cell in supernet.modules():
            if isinstance(cell, Cell):
                for number, node in enumerate(cell.nodes, start=cell.first):
                    self._add(cell.site.kind, number, node)
        self._parts = BOTH * supernet.channel_fraction
        self._processes = processes
        self._epochs: list[int] | None = [0]
        self._selection = 0
        self._since_decision = 0
        self._selects = False

    def _add(self, kind: str, number: int, node: torch.nn.Module) -> None:
        places = self._places.setdefault((kind, number), {})
        if isinstance(node, MixedNode):
            for edge, column, _ in node.places:
                places[edge, column] = places.get((edge, column), 0) + 1

    def active(self, mixing: Mixing, idle: Idle | None = None) -> int:
        """How many operations of the whole supernet a pass computes."""
        total = 0
        for (kind, number), places in self._places.items():
            computed = needed(mixing[kind][number], None if idle is None else idle[kind][number])
            total += sum(cells for (edge, column), cells in places.items() if computed[edge][column])
        return total

    def step(self, mixing: Mixing, idle: Idle | None, pictures: int) -> None:
        """Count a step's pass, backward too where gradients are on, over this process' share of a batch."""
        weight = BOTH if torch.is_grad_enabled() else FORWARD
        self._count(weight * self.active(mixing, idle) * pictures * self._processes)

    def measured(self, mixings: Mapping[Name, Mixing], pictures: int) -> None:
        """Count forward passes of a selection over so many pictures of all processes."""
        self._count(FORWARD * pictures * sum(self.active(mixing) for mixing in mixings.values()))

    def measured_for_decision(self, mixings: Mapping[Name, Mixing], pictures: int) -> None:
        """The same where a search that is stopped before `decided` measures them again."""
        self._since_decision += FORWARD * pictures * sum(self.active(mixing) for mixing in mixings.values())

    def decided(self) -> None:
        """What was measured for a decision has been used."""
        self._selection += self._since_decision
        self._since_decision = 0

    def _count(self, thirds: int) -> None:
        if self._selects:
            self._selection += thirds
        elif self._epochs is not None:
            self._epochs[-1] += thirds

    @contextmanager
    def apart(self) -> Iterator[Tally]:
        """Count what a selection does in the block in a tally of its own, for `add`."""
        before, tally = self._selection, Tally()
        try:
            yield tally
        finally:
            tally.thirds = self._selection - before
            self._selection = before

    def add(self, thirds: int) -> None:
        """Count for the selection what was counted apart."""
        self._selection += thirds

    def begin_epoch(self, epoch: int) -> None:
        """Count on for an epoch, which may have been begun before."""
        if self._epochs is not None and len(self._epochs) == epoch:
            self._epochs.append(0)

    def begin_selection(self) -> None:
        """Count for the selection from here on."""
        self._selects = True

    @property
    def of_epoch(self) -> float | None:
        """Of the steps of the last epoch; None where the search began with a program that did not count."""
        return None if self._epochs is None else self._epochs[-1] / self._parts

    @property
    def of_selection(self) -> float | None:
        """Of the selection so far; None as in `of_epoch`."""
        return None if self._epochs is None else self._selection / self._parts

    def to_checkpoint(self) -> dict[str, Any] | None:
        """What `restore` takes back."""
        return None if self._epochs is None else {"epochs": list(self._epochs), "selection": self._selection}

    @staticmethod
    def read(saved: Any, epochs: int) -> tuple[list[int] | None, int]:
        """What a checkpoint has counted, of at most so many epochs: for `restore`.

        Raises:
            MisfitError: it is no count.
        """
        if saved is None:
            return None, 0
        found = fitting.part("work", saved, dict)
        if found.keys() != {"epochs", "selection"}:
            raise fitting.MisfitError("work is not that of epochs and selection")
        counted = fitting.part("work.epochs", found["epochs"], list)
        if len(counted) > epochs:
            raise fitting.MisfitError(f"work has {len(counted)} epochs, and the run {epochs}")
        for epoch, count in enumerate(counted):
            fitting.number(f"work.epochs[{epoch}]", count, _MOST, whole=True)
        selection = fitting.number("work.selection", found["selection"], _MOST, whole=True)
        return list(counted), selection

    def restore(self, counted: tuple[list[int] | None, int]) -> None:
        """Go on counting where a checkpoint stood."""
        self._epochs, self._selection = counted
