"""How many pictures a second a run takes steps on here, told by its first ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from dadarts.fitting import memory
from dadarts.runs.events import Event, RunStarted, StepDone

Clock: TypeAlias = Callable[[], float]
"""Seconds that only grow"""

SECONDS = 1.0
"""How long steps are counted for."""
_COLD, _LONG = 2, 5.0
"""First steps that are not, since they find caches cold, and how many times as long one takes that is all the same."""
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
    cold, steps, since, passed = 0, 0, clock(), 0.0
    with TemporaryDirectory(prefix="dadarts-") as folder:
        begun = begin(Path(folder))
        with memory.told_apart(batch_size), closing(begun) as events:  # type: ignore[type-var]
            for event in events:
                if isinstance(event, RunStarted):
                    since = clock()
                if not isinstance(event, StepDone):
                    continue
                steps, now = steps + 1, clock()
                passed = now - since
                if cold < _COLD and passed < _LONG * SECONDS:
                    cold, steps, since = cold + 1, 0, now
                elif passed >= SECONDS:
                    break
    return steps * batch_size / passed
