"""What bfloat16 is worth in trainings on this CPU: ``python -m benchmarks.fit.lowered FOLDER``, FOLDER holding cifar10.

Steps of `dadarts train` on one thread in float32 and in bfloat16, in turns, by the processor's time: pictures a second.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Literal

from benchmarks.fit.tasks import TASKS, written
from dadarts import TrainConfig, train
from dadarts.architecture.spaces import Size
from dadarts.fitting.candidates import FAMILIES
from dadarts.fitting.speed import EPOCHS, images_per_second
from dadarts.runs.events import Event

_BATCH, _ROUNDS = 64, 3
_SIZES = (Size(4, 1), Size(8, 1), Size(16, 1), Size(16, 2), Size(32, 1))
_FAMILIES = ("resnet", "dense")
_PICTURES = Path("runs/fit-data")


def begun(
    genotype: str, size: Size, dataset: Path, flip: str, precision: Literal["float32", "bf16"], folder: Path
) -> Iterator[Event]:
    """A training of a genotype at a size."""
    config = TrainConfig.auto(
        name="lowered",
        runs_dir=folder,
        dataset=str(dataset),
        flip=flip,
        genotype=genotype,
        init_channels=size.channels,
        layers=size.layers,
        batch_size=_BATCH,
        epochs=EPOCHS,
        precision=precision,
        device="cpu",
        threads=1,
        workers=0,
    )
    return iter(train(config))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    print("| pictures | cell | channels x layers | float32 | bf16 | bf16 / float32 |\n|---|---|---|---|---|---|")
    families = {family.name: family for family in FAMILIES}
    for task in ("cifar-200", "digits"):
        file = written(task, given.folder, _PICTURES)
        for name in _FAMILIES:
            for size in _SIZES:
                own = families[name]
                of = {
                    each: partial(begun, own.genotype, size, file, TASKS[task].flip, each)
                    for each in ("float32", "bf16")
                }
                rounds = [
                    [images_per_second(each, _BATCH, time.process_time) for each in of.values()] for _ in range(_ROUNDS)
                ]
                floats, halves = (median(column) for column in zip(*rounds, strict=True))
                gain = median(half / whole for whole, half in rounds)
                print(
                    f"| {TASKS[task].title} | {own.title} | {size.channels} x {size.layers} | {floats:,.0f} | "
                    f"{halves:,.0f} | {gain:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
