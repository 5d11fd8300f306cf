"""How many pictures a second a network is trained with here, told by the first steps of a training."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from dadarts.config import TrainConfig
from dadarts.data import DataSet
from dadarts.fitting import memory
from dadarts.runs.events import StepDone
from dadarts.training.loop import train

SECONDS = 1.0
"""How long steps are counted for."""
_FIRST = 2
"""Steps that are not: they find caches cold."""
_EPOCHS = 100
"""More than are begun where an epoch has more than a few steps."""


def images_per_second(config: TrainConfig, data: DataSet) -> float:
    """Begin a training in a folder that does not last, and leave it as soon as its speed is known.

    So everything counts that a step waits for, on whatever device: reading, augmenting, both passes, the optimizer.

    Raises:
        OutOfMemoryError: as in `memory.told_apart`.
    """
    steps, since, passed = 0, 0.0, 0.0
    with TemporaryDirectory(prefix="dadarts-") as folder:
        begun = config.model_copy(update={"runs_dir": Path(folder), "epochs": _EPOCHS})
        with memory.told_apart(config.batch_size), closing(train(begun, loaded=lambda _: data)) as events:  # type: ignore[type-var]
            for event in events:
                if isinstance(event, StepDone):
                    steps += 1
                    if steps <= _FIRST:
                        since = time.monotonic()
                    passed = time.monotonic() - since
                    if passed >= SECONDS:
                        break
    return (steps - _FIRST) * config.batch_size / passed
