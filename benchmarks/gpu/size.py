"""How large the checks and the timings are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.engine.contestants import Scale


@dataclass(frozen=True)
class Size:
    """Two scales: one of the runs that are checked, whose data are made up too, and one of what is timed.

    Args:
        pictures: of the checked runs' training part; their test part is a quarter of it.
        checked: the supernet and the batch of the checked runs.
        timed: the supernet and the batch of the timings.
        rounds: of every timing.
        epoch_pictures: of the run whose pictures a second are those of a whole epoch.
    """

    pictures: int
    checked: Scale
    timed: Scale
    rounds: int
    epoch_pictures: int


WHOLE = Size(512, Scale(32, channels=8, cells=4, side=16), Scale(64), 5, 4096)
"""Of a GPU, in a few minutes."""
TINY = Size(20, Scale(4, channels=2, cells=2, nodes=1, side=8), Scale(2, channels=2, cells=2, nodes=1, side=8), 1, 20)
"""Of a CPU, in seconds: it shows that every line runs, and nothing else."""


def drawn_pictures(count: int, side: int) -> dict[str, np.ndarray]:
    """The arrays of an .npz data set: noise around a mean of each class, so that a few epochs learn something."""
    draw = np.random.default_rng(0)
    means = draw.uniform(64, 192, (10, side, side, 3))

    def part(pictures: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(pictures) % 10
        noise = draw.normal(0, 32, (pictures, side, side, 3))
        return (means[labels] + noise).clip(0, 255).astype(np.uint8), labels

    (x, y), (x_test, y_test) = part(count), part(max(10, count // 4))
    return {"x": x, "y": y, "x_test": x_test, "y_test": y_test}
