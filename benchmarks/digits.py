"""DADARTS, plain DARTS and random genotypes on digits, trained the same way: ``python benchmarks/digits.py``.

A stopped comparison goes on where it was. The table goes to
benchmarks/results/digits.md, every run's figures to digits.json beside it.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from dadarts.architecture.genotype import Genotype, random_genotype
from dadarts.config import SearchConfig, TrainConfig
from dadarts.config.run import AUTO
from dadarts.methods.catalogue import METHODS
from dadarts.runs.events import SearchDone, TrainDone
from dadarts.runs.folder import RunFolder
from dadarts.searching.loop import search
from dadarts.training.loop import train

RESULTS = Path(__file__).parent / "results"
RIVALS = ("dadarts", "darts", "random")
_DIGITS: dict[str, Any] = {"dataset": "digits", "batch_size": 64, "layers": 3, "workers": 0}
"""What searches and trainings have in common, so that a genotype is trained on what it was searched on."""


def search_settings(name: str, seed: int, runs_dir: Path, method: str = "dadarts") -> SearchConfig:
    """A search on digits that two CPU cores finish in minutes, its learning rates those of its 88 steps."""
    return SearchConfig(
        name=name,
        runs_dir=runs_dir,
        seed=seed,
        epochs=8,
        nodes=2,
        init_channels=4,
        w_lr=AUTO,
        alpha_lr=AUTO,
        method=METHODS[method](),
        **_DIGITS,
    )


def train_settings(name: str, genotype: Genotype, seed: int, runs_dir: Path) -> TrainConfig:
    """Training on digits, the same for every genotype."""
    return TrainConfig(
        name=name,
        runs_dir=runs_dir,
        seed=seed,
        genotype=genotype,
        epochs=15,
        init_channels=8,
        lr=0.05,
        aux_weight=0.0,
        cutout_length=0,
        drop_path_prob=0.0,
        **_DIGITS,
    )


@dataclass(frozen=True)
class Outcome:
    """One genotype and what became of it; gap and seconds are None where nothing was searched."""

    method: str
    seed: int
    genotype: str
    test_top1: float
    parameters: int
    discretization_gap: float | None
    search_seconds: float | None
    parameter_free_share: float


def outcome(method: str, seed: int, runs_dir: Path) -> Outcome:
    """Search (unless random) and train one genotype."""
    torch.set_num_threads(1)
    name = f"{method}-{seed}"
    gap, seconds = None, None
    if method == "random":
        genotype = random_genotype(search_settings(name, seed, runs_dir).space, seed)
    else:
        config = search_settings(name, seed, runs_dir, method)
        folder = RunFolder(runs_dir / "search" / name)
        genotype = next(
            event.genotype for event in search(config, resume=folder.exists) if isinstance(event, SearchDone)
        )
        with folder.history.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        gap, seconds = float(rows[-1]["discretization_gap"]), sum(float(row["seconds"]) for row in rows)
    metrics = trained(genotype, name, seed, runs_dir)
    return Outcome(
        method,
        seed,
        str(genotype),
        float(metrics["test_top1"]),
        int(metrics["parameters"]),
        gap,
        seconds,
        genotype.parameter_free_share(),
    )


def trained(genotype: Genotype, name: str, seed: int, runs_dir: Path) -> Mapping[str, float]:
    """The metrics of a genotype's training."""
    config = train_settings(name, genotype, seed, runs_dir)
    resume = RunFolder(runs_dir / "augment" / name).exists
    return next(event.metrics for event in train(config, resume=resume) if isinstance(event, TrainDone))


def table(outcomes: list[Outcome]) -> str:
    """A Markdown table of means and standard deviations over seeds."""
    lines = [
        "| genotypes of | test accuracy (%) | worst seed | gap (points) | search (s) "
        "| parameter-free edges | parameters |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in RIVALS:
        rows = [row for row in outcomes if row.method == method]
        scores = [100 * row.test_top1 for row in rows]
        gaps = [100 * row.discretization_gap for row in rows if row.discretization_gap is not None]
        times = [row.search_seconds for row in rows if row.search_seconds is not None]
        lines.append(
            f"| {method} | {spread(scores, '.2f')} | {min(scores):.2f} | {spread(gaps, '+.1f')} "
            f"| {f'{mean(times):.0f}' if times else '-'} "
            f"| {mean(row.parameter_free_share for row in rows):.0%} | {mean(row.parameters for row in rows):,.0f} |"
        )
    return "\n".join(lines) + "\n"


def spread(values: list[float], form: str) -> str:
    """``mean +- standard deviation``; the mean alone where there is one value, a dash where there is none."""
    if not values:
        return "-"
    deviation = f" +- {stdev(values):{form.lstrip('+')}}" if len(values) > 1 else ""
    return f"{mean(values):{form}}{deviation}"


def main() -> None:
    """Run all jobs and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to SEEDS - 1")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--runs_dir", type=Path, default=Path("runs") / "digits")
    args = parser.parse_args()
    jobs = [(method, seed) for seed in range(args.seeds) for method in RIVALS]
    with ProcessPoolExecutor(args.jobs) as pool:
        waiting = [pool.submit(outcome, method, seed, args.runs_dir) for method, seed in jobs]
        outcomes = []
        for future in waiting:
            outcomes.append(future.result())
            print(outcomes[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "digits.json").write_text(json.dumps([asdict(row) for row in outcomes], indent=1) + "\n")
    (RESULTS / "digits.md").write_text(table(outcomes))
    print(table(outcomes))


if __name__ == "__main__":
    main()
