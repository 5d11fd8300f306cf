"""What each part of a recipe for minutes is worth: ``python -m benchmarks.fit.recipe FOLDER --minutes 2``.

Trainings on one thread through `dadarts.train`, as many epochs each as fit the minutes of the processor's time, which
the first steps of every network tell once. Variants take turns seed by seed. A row a training goes to a CSV file, and
what is there is not trained again; the table beside it has them all. FOLDER is where cifar10 lies.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import dadarts
from benchmarks.fit.data import subset
from benchmarks.fit.networks import BATCH, NETWORKS
from benchmarks.fit.variants import VARIANTS
from dadarts.config import TrainConfig
from dadarts.fitting.speed import EPOCHS, images_per_second
from dadarts.machine import keep_freed_memory
from dadarts.runs.events import EpochDone, Event, RunStarted, TrainDone

RESULTS = Path(__file__).parents[1] / "results"
SCRATCH = Path("runs/fit-recipe")


@dataclass(frozen=True)
class Task:
    """What a variant is tried on: pictures of a class, minutes of the processor's time, a network."""

    of_class: int
    minutes: float
    network: str


@dataclass(frozen=True)
class Row:
    """A training and what came of it; seconds are the processor's, of its epochs."""

    of_class: int
    minutes: float
    network: str
    variant: str
    seed: int
    epochs: int
    seconds: float
    train_loss: float
    test_top1: float
    settings: str

    @property
    def task(self) -> Task:
        """What it was trained on."""
        return Task(self.of_class, self.minutes, self.network)

    @property
    def key(self) -> tuple[Task, str, int]:
        """What must not be trained twice."""
        return self.task, self.settings, self.seed


def rows_of(path: Path) -> list[Row]:
    """The rows of a file; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(
                int(row["of_class"]),
                float(row["minutes"]),
                row["network"],
                row["variant"],
                int(row["seed"]),
                int(row["epochs"]),
                float(row["seconds"]),
                float(row["train_loss"]),
                float(row["test_top1"]),
                row["settings"],
            )
            for row in csv.DictReader(file)
        ]


def epochs_of(task: Task, settings: Mapping[str, Any], rows: Sequence[Row], pictures: Path) -> int:
    """How many epochs fit: as many as before, where a training of this cost is among the rows."""
    for row in rows:
        if row.task == task and _costs(json.loads(row.settings)) == _costs(settings):
            return row.epochs

    def begin(folder: Path) -> Iterator[Event]:
        return dadarts.train(_config(task, settings, pictures, folder, EPOCHS, 0))

    speed = images_per_second(begin, settings.get("batch_size", BATCH), time.process_time)
    return max(1, round(60 * task.minutes * speed / (10 * task.of_class)))


def _costs(settings: Mapping[str, Any]) -> tuple[int, bool, bool]:
    """What of a recipe decides how long a step takes: its batch, an auxiliary head, dropped paths."""
    return settings.get("batch_size", BATCH), settings["aux_weight"] > 0, settings["drop_path_prob"] > 0


def _config(
    task: Task, settings: Mapping[str, Any], pictures: Path, folder: Path, epochs: int, seed: int
) -> TrainConfig:
    network = NETWORKS[task.network]
    return TrainConfig(
        **{"batch_size": BATCH, **settings},
        name="it",
        runs_dir=folder,
        dataset=str(pictures),
        genotype=network.genotype,
        init_channels=network.macro.channels,
        layers=network.macro.layers,
        epochs=epochs,
        seed=seed,
        threads=1,
        workers=0,
        device="cpu",
    )


def trained(task: Task, variant: str, seed: int, rows: Sequence[Row], pictures: Path) -> Row:
    """Train once."""
    settings = dict(VARIANTS[variant])
    epochs = epochs_of(task, settings, rows, pictures)
    shutil.rmtree(SCRATCH, ignore_errors=True)
    config = _config(task, settings, pictures, SCRATCH, epochs, seed)
    began, seconds, loss, top1 = 0.0, 0.0, 0.0, 0.0
    for event in dadarts.train(config):
        if isinstance(event, RunStarted):
            began = time.process_time()
        elif isinstance(event, EpochDone):
            seconds, loss = time.process_time() - began, float(event.row["train_loss"] or 0)
        elif isinstance(event, TrainDone):
            top1 = event.metrics["test_top1"]
    return Row(
        task.of_class,
        task.minutes,
        task.network,
        variant,
        seed,
        epochs=epochs,
        seconds=round(seconds, 3),
        train_loss=round(loss, 4),
        test_top1=round(top1, 4),
        settings=_text(settings),
    )


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(dict(sorted(settings.items())))


def table(rows: Sequence[Row]) -> str:
    """The mean accuracies as Markdown, a table for each number of pictures and of minutes."""
    lines: list[str] = []
    for of_class, minutes in sorted({(row.of_class, row.minutes) for row in rows}):
        own = [row for row in rows if (row.of_class, row.minutes) == (of_class, minutes)]
        networks = [name for name in NETWORKS if any(row.network == name for row in own)]
        lines += [f"\n10 x {of_class} pictures, {minutes:g} minutes\n", f"| | {' | '.join(networks)} |"]
        lines += [f"|---|{'---|' * len(networks)}"]
        lines += [
            f"| {variant} | {' | '.join(_cell(own, variant, network) for network in networks)} |"
            for variant in VARIANTS
            if any(row.variant == variant for row in own)
        ]
    return "\n".join(lines) + "\n"


def _cell(rows: Sequence[Row], variant: str, network: str) -> str:
    """Accuracy in percent, its difference to the recipe over the seeds of both, epochs and seconds."""
    of_network = [row for row in rows if row.network == network]
    own = {row.seed: row for row in of_network if row.variant == variant}
    if not own:
        return ""
    base = {row.seed: row.test_top1 for row in of_network if row.variant == "the recipe"}
    both = sorted(own.keys() & base.keys())
    difference = f" ({100 * mean(own[seed].test_top1 - base[seed] for seed in both):+.1f})" if both else ""
    top1, seconds = (mean(getattr(row, name) for row in own.values()) for name in ("test_top1", "seconds"))
    shown = "" if variant == "the recipe" else difference
    epochs = next(iter(own.values())).epochs
    return f"{100 * top1:.1f}{shown}, {epochs} epochs, {seconds:.0f} s, {len(own)} seed{'s' * (len(own) > 1)}"


def _planned(given: argparse.Namespace) -> Iterator[tuple[Task, str, int]]:
    for seed in range(given.seeds):
        for variant in given.variants:
            for network in given.networks:
                yield Task(given.of_class, given.minutes, network), variant, seed


def main() -> None:
    """Train what is not there yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--of_class", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=RESULTS / "fit-recipe.csv")
    given = parser.parse_args()
    keep_freed_memory()
    pictures = subset(given.folder, given.of_class, SCRATCH.parent / "fit-data")
    for task, variant, seed in _planned(given):
        rows = rows_of(given.out)
        if (task, _text(VARIANTS[variant]), seed) in {row.key for row in rows}:
            continue
        row = trained(task, variant, seed, rows, pictures)
        print(row, file=sys.stderr, flush=True)
        with given.out.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(asdict(row)))
            if not rows:
                writer.writeheader()
            writer.writerow(asdict(row))
        command = "`python -m benchmarks.fit.recipe FOLDER --of_class N --minutes M`: test accuracy in percent"
        text = f"{command} (its difference to the recipe), means over seeds\n{table(rows_of(given.out))}"
        given.out.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
