"""DADARTS, plain DARTS and random genotypes on digits, trained the same way: ``python benchmarks/digits.py``.

Searches and trainings use the settings of `dadarts.demo`. A stopped comparison goes on where it was. The table goes to
benchmarks/results/digits.md, every run's figures to digits.json beside it.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev

import torch

from dadarts.demo import search_settings, train_settings
from dadarts.events import Event, SearchDone, TrainDone
from dadarts.genotype import Genotype, random_genotype
from dadarts.methods import METHODS
from dadarts.runfolder import RunFolder
from dadarts.search_loop import search
from dadarts.train_loop import train

RESULTS = Path(__file__).parent / "results"
RIVALS = ("dadarts", "darts", "random")


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
    settings = search_settings(f"{method}-{seed}", seed, runs_dir)
    genotype, gap, seconds = random_genotype(settings.space, seed), None, None
    if method != "random":
        folder = RunFolder(runs_dir / "search" / settings.name)
        settings = settings.model_copy(update={"method": METHODS[method]()})
        done = last(search(type(settings)(**settings.to_json()), resume=folder.exists))
        genotype = done.genotype if isinstance(done, SearchDone) else genotype
        with folder.history.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        gap, seconds = float(rows[-1]["discretization_gap"]), sum(float(row["seconds"]) for row in rows)
    metrics = trained(genotype, f"{method}-{seed}", seed, runs_dir)
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


def trained(genotype: Genotype, name: str, seed: int, runs_dir: Path) -> dict[str, float]:
    """The metrics of a genotype's training."""
    settings = train_settings(name, genotype, seed, runs_dir)
    done = last(train(settings, resume=RunFolder(runs_dir / "augment" / name).exists))
    return dict(done.metrics) if isinstance(done, TrainDone) else {}


def last(events: Iterable[Event]) -> Event:
    """Run to the end."""
    return deque(events, maxlen=1)[0]


def table(outcomes: list[Outcome]) -> str:
    """A Markdown table of means and standard deviations over seeds."""
    lines = [
        "| genotypes of | test accuracy (%) | worst | gap (points) | search (s) | parameter-free edges | parameters |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in RIVALS:
        rows = [row for row in outcomes if row.method == method]
        scores = [100 * row.test_top1 for row in rows]
        gaps = [100 * row.discretization_gap for row in rows if row.discretization_gap is not None]
        times = [row.search_seconds for row in rows if row.search_seconds is not None]
        lines.append(
            f"| {method} | {mean(scores):.2f} +- {stdev(scores):.2f} | {min(scores):.2f} "
            f"| {f'{mean(gaps):+.1f} +- {stdev(gaps):.1f}' if gaps else '-'} "
            f"| {f'{mean(times):.0f}' if times else '-'} "
            f"| {mean(row.parameter_free_share for row in rows):.0%} | {mean(row.parameters for row in rows):,.0f} |"
        )
    return "\n".join(lines) + "\n"


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
