"""How many pictures a second a run takes steps on here, told by its first ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from dadarts.fitting import memory
from dadarts.runs.events import Event, StepDone

Clock: TypeAlias = Callable[[], float]
"""Seconds that only grow"""

SECONDS = 1.0
"""How long steps are counted for."""
_FIRST = 2
"""Steps that are not: they find caches cold."""
EPOCHS = 100
"""Of a run that is begun for its speed: more than are done where an epoch has more than a few steps."""


def images_per_second(begin: Callable[[Path], Iterator[Event]], batch_size: int, clock: Clock) -> float:
    """Begin a run in a folder that does not last, and leave it as soon as its speed is known.

    So everything counts that a step waits for, on whatever device: reading, augmenting, both passes, the optimizer.

    Args:
        begin: begins it below a runs folder.
        batch_size: pictures of a step.
        clock: what its seconds are of.

    Raises:
        OutOfMemoryError: as in `memory.told_apart`.
    """
    steps, since, passed = 0, 0.0, 0.0
    with TemporaryDirectory(prefix="dadarts-") as folder:
        begun = begin(Path(folder))
        with memory.told_apart(batch_size), closing(begun) as events:  # type: ignore[type-var]
            for event in events:
                if isinstance(event, StepDone):
                    steps += 1
                    if steps <= _FIRST:
                        since = clock()
                        continue
                    passed = clock() - since
                    if passed >= SECONDS:
                        break
    return (steps - _FIRST) * batch_size / passed
