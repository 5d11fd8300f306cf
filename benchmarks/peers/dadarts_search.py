"""The public search on the native engine: ``python -m benchmarks.peers.dadarts_search BATCH STEPS THREADS``."""

from __future__ import annotations

import tempfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

import dadarts
from benchmarks.peers.task import CLASSES, Task, Turns, counted
from dadarts.runs.events import RunStarted, StepDone
from dadarts.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Generator

    from dadarts.runs.events import Event


def _config(task: Task, folder: Path) -> dadarts.SearchConfig:
    images, labels = task.pictures()
    np.savez(folder / "noise.npz", x=images, y=labels, x_test=images[:CLASSES], y_test=labels[:CLASSES])
    return dadarts.SearchConfig(
        name="peer",
        runs_dir=folder,
        dataset=str(folder / "noise.npz"),
        method=dadarts.METHODS["darts-first-order"](),
        engine="native",
        device="cpu",
        threads=task.threads,
        epochs=1,
        batch_size=task.batch,
        init_channels=task.channels,
        layers=task.cells,
        checkpoint_minutes=1e3,
    )


def _facts(config: dadarts.SearchConfig) -> dict[str, object]:
    macro = dadarts.Macro(config.init_channels, config.layers, (3, 32, 32), CLASSES)
    alphas = dadarts.Alphas(config.space, generator(0))
    return {
        **counted(dadarts.Supernet(config.space, macro), alphas=0),
        "alphas": sum(alpha.numel() for alpha in alphas.parameters()),
        "versions": {"dadarts": version("dadarts"), "torch": torch.__version__},
    }


def main() -> None:
    """Take the steps of one epoch in turns; the epoch's validation, which the peer has not, is left out."""
    task, turns = Task.parse(), Turns()
    with tempfile.TemporaryDirectory() as folder:
        config = _config(task, Path(folder))
        with closing(cast("Generator[Event, None, None]", dadarts.search(config))) as events:
            for event in events:
                if isinstance(event, RunStarted):
                    turns.begin(_facts(config))
                if isinstance(event, StepDone):
                    turns.step_done()


if __name__ == "__main__":
    main()
