"""The demonstration: DADARTS on real digits in minutes, and what it found beside a random genotype."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from dadarts.config import SearchConfig, TrainConfig
from dadarts.errors import RunError
from dadarts.events import Event, SearchDone, TrainDone
from dadarts.genotype import Genotype, random_genotype
from dadarts.progress import Progress
from dadarts.runfolder import RunFolder
from dadarts.search_loop import search
from dadarts.train_loop import train


def search_settings(name: str, seed: int, runs_dir: Path) -> SearchConfig:
    """A DADARTS search on digits that two CPU cores finish in minutes.

    alpha_lr is raised so that learning rate times steps is of the order of a full search's.
    """
    return SearchConfig(
        name=name,
        dataset="digits",
        runs_dir=runs_dir,
        seed=seed,
        epochs=8,
        batch_size=64,
        nodes=2,
        init_channels=4,
        layers=3,
        w_lr=0.1,
        alpha_lr=0.02,
        workers=0,
    )


def train_settings(name: str, genotype: Genotype, seed: int, runs_dir: Path) -> TrainConfig:
    """Training on digits, the same for every genotype."""
    return TrainConfig(
        name=name,
        dataset="digits",
        runs_dir=runs_dir,
        seed=seed,
        genotype=genotype,
        epochs=15,
        batch_size=64,
        init_channels=8,
        layers=3,
        lr=0.05,
        aux_weight=0.0,
        cutout_length=0,
        drop_path_prob=0.0,
        workers=0,
    )


def demo(runs_dir: Path, seed: int) -> int:
    """Search, train, compare, print; a second call finds its runs finished and only prints.

    Returns:
        The exit code.
    """
    config = search_settings(f"demo-{seed}", seed, runs_dir)
    print("DADARTS search on 1,797 scans of handwritten digits (8x8 pixels)", flush=True)
    found = _last(search(config, resume=_begun(config)))
    if not isinstance(found, SearchDone):
        raise RunError("the search ended without a genotype")
    rivals = {"found": found.genotype, "random": random_genotype(config.space, seed)}
    results = {}
    for label, genotype in rivals.items():
        print(f"\ntraining the {label} genotype from scratch\n  {genotype}", flush=True)
        settings = train_settings(f"demo-{seed}-{label}", genotype, seed, runs_dir)
        results[label] = _last(train(settings, resume=_begun(settings)))
    print()
    for label, result in results.items():
        if isinstance(result, TrainDone):
            accuracy, parameters = result.metrics["test_top1"], result.metrics["parameters"]
            print(f"test accuracy of the {label} genotype: {accuracy:.2%}  ({parameters:,} parameters)")
    print("pictures:", *found.pictures, sep="\n  ")
    return 0


def _begun(config: SearchConfig | TrainConfig) -> bool:
    kind = "search" if isinstance(config, SearchConfig) else "augment"
    return RunFolder(config.runs_dir / kind / config.name).exists


def _last(events: Iterator[Event]) -> Event | None:
    show = Progress(5, lambda folder, line: RunFolder(folder).log(line), sys.stderr)
    last = None
    for last in events:
        show(last)
    return last
