"""Genotypes of a comparison trained again: ``python -m benchmarks.proxy.retrained RESULTS.csv OUT.csv``.

One training of a small network on few pictures tells little of its genotype: seeds scatter by a point. Digits, by the
recipe for few epochs, at the size of D6 (docs/experiments.md). A row a genotype: the mean over `--seeds` trainings,
and each.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from dadarts import TrainConfig, train
from dadarts.runs.events import TrainDone

COLUMNS = ("method", "seed", "genotype", "test_accuracy", "each")


def accuracy(genotype: str, seed: int, layers: int) -> float:
    """In percent, on the test part."""
    with TemporaryDirectory() as folder:
        config = TrainConfig.auto(
            name="again",
            runs_dir=folder,
            dataset="digits",
            dataset_portion=0.14,
            genotype=genotype,
            seed=seed,
            epochs=40,
            batch_size=16,
            init_channels=8,
            layers=layers,
            workers=0,
            threads=1,
        )
        (done,) = (event for event in train(config) if isinstance(event, TrainDone))
    return 100 * float(done.metrics["test_top1"])


def main() -> None:
    """Train, and write a row a genotype; a method whose genotypes are all the same has one row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5, help="trainings a genotype, with seeds 0, 1, ...")
    given = parser.parse_args()
    with given.results.open(newline="") as file:
        rows = list({(row["method"], row["genotype"]): row for row in reversed(list(csv.DictReader(file)))}.values())
    with given.out.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        for row in reversed(rows):
            each = [accuracy(row["genotype"], seed, given.layers) for seed in range(given.seeds)]
            shown = " ".join(f"{one:.2f}" for one in each)
            out.writerow([row["method"], row["seed"], row["genotype"], f"{mean(each):.2f}", shown])
            file.flush()


if __name__ == "__main__":
    main()
