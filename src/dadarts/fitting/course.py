"""A fit in its folder: what it has done, how long that took, and how it goes on where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TypeVar

from dadarts.config.fitting import FitConfig
from dadarts.data import DataSet
from dadarts.fitting import parts, plan
from dadarts.fitting.memory import OutOfMemoryError
from dadarts.fitting.plan import Shares
from dadarts.fitting.record import Record
from dadarts.fitting.speed import Clock
from dadarts.pacing import counted
from dadarts.runs.events import Event, Note
from dadarts.runs.folder import RunFolder

Found = TypeVar("Found")

KEPT_EVERY = 10.0
"""Seconds after which what was spent is put down."""


@dataclass
class Course:
    """A fit between two of its parts.

    Args:
        data: all pictures.
        racing: training pictures alone, divided (`parts.racing`).
        record: what is done.
        clock: what the minutes are of.
        since: where the clock stood when this process began.
        writing: seconds that are needed behind the last training.
    """

    config: FitConfig
    folder: RunFolder
    data: DataSet
    racing: DataSet
    record: Record
    clock: Clock
    since: float
    writing: float = 0.0

    def __post_init__(self) -> None:
        self.since -= self.record.spent

    @property
    def seconds(self) -> float:
        """Of the whole fit."""
        return 60 * self.config.minutes

    @property
    def spent(self) -> float:
        """Seconds since the beginning, without those between a stop and its resumption."""
        return self.clock() - self.since

    @property
    def left(self) -> float:
        """Seconds until the minutes are over."""
        return max(0.0, self.seconds - self.spent)

    @property
    def shares(self) -> Shares:
        """How the seconds are divided; what a search that is over has not taken is the others'."""
        known = self.record.search
        if known is not None and known.is_over:
            search = known.seconds
        elif self.record.entrants is None and self.searches:
            search = plan.SEARCH * self.seconds
        else:
            search = 0.0
        divided = plan.shares(self.seconds, search=search, writing=self.writing)
        return divided if self.judges else replace(divided, race=0.0, final=divided.race + divided.final)

    @property
    def judges(self) -> bool:
        """Whether there are pictures to judge candidates by."""
        return parts.judges(self.data)

    @property
    def searches(self) -> bool:
        """Whether an architecture is searched."""
        return self.judges and plan.searches(self.seconds, self.config.searching)

    def keep(self, changed: Record) -> None:
        """Put down what is done, and what it took."""
        self.record = replace(changed, spent=self.spent)
        self.record.write(self.folder.path)

    def keep_now_and_then(self, changed: Record | None = None) -> None:
        """So that a process that is killed loses no more than some seconds.

        Args:
            changed: what is done by now; None where nothing has ended since.
        """
        if self.spent - self.record.spent > KEPT_EVERY:
            self.keep(changed or self.record)

    def in_memory(self, does: Callable[[int], Generator[Event, None, Found]]) -> Generator[Event, None, Found]:
        """Do something with batches of a size; where memory runs out, anew with half of it."""
        while True:
            try:
                return (yield from does(self.record.batch_size))
            except OutOfMemoryError:
                self.keep(replace(self.record, batch_size=self.record.batch_size // 2))
                yield Note(f"memory has run out: from here on a batch has {counted(self.record.batch_size, 'picture')}")

    def measured(self, does: Callable[[int], Found]) -> Generator[Event, None, Found]:
        """What `in_memory` gives of something that says nothing meanwhile."""

        def silently(batch_size: int) -> Generator[Event, None, Found]:
            yield from ()
            return does(batch_size)

        return self.in_memory(silently)
