"""Time, memory, gap and genotype of the original's search lines: ``python benchmarks/seed_lines.py PARQUET_FOLDER``.

Every line runs for 2 epochs on 600 real images in CIFAR-10's official layout, and the DADARTS line also on a twentieth
of the whole set, read from its parquet files. PARQUET_FOLDER holds train-*.parquet and test-*.parquet. The tables go to
benchmarks/results/seed_lines_small.md and seed_lines_whole.md.
"""

from __future__ import annotations

import argparse
import csv
import os
import pickle
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from dadarts.data import DataRequest, load

ROOT = Path(__file__).parent.parent
TOP_K = "-topk_on_alphas -linear_temperature_increase -linear_temperature_max 200"
LINES = {
    "discretization at validation time": "-hd_on_weights",
    "top-k on alphas": TOP_K,
    "top-k on alphas and weights": f"{TOP_K} -topk_on_weights",
    "discretization additional loss": "-dal_on_alphas",
    "DADARTS": f"-dal_on_alphas {TOP_K} -hd_on_weights",
}
SMALL = "-epochs 2 -init_channels 4 -n_layers 3 -batch_size 32"
WHOLE = "-epochs 2 -init_channels 4 -n_layers 3 -dataset_portion 0.05"


@dataclass(frozen=True)
class Measured:
    """What one command took and gave."""

    label: str
    seconds: float
    peak_mebibytes: float
    gap: float
    genotype: str


def official_folder(parquet: Path, root: Path) -> None:
    """500 training and 100 test images of the parquet files, in the layout of cifar-10-batches-py."""
    data = load(DataRequest("cifar10", data_path=parquet.parent))
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    parts = [(f"data_batch_{n + 1}", data.train, range(100 * n, 100 * n + 100)) for n in range(5)]
    for name, pictures, numbers in [*parts, ("test_batch", data.test, range(100))]:
        index = np.array(numbers)
        rows = pictures.take(torch.from_numpy(index)).numpy().reshape(len(index), -1)
        labels = pictures.labels.numpy()[index].tolist()
        (folder / name).write_bytes(pickle.dumps({b"data": rows, b"labels": labels}, protocol=2))
    (folder / "batches.meta").write_bytes(
        pickle.dumps({b"label_names": [c.encode() for c in data.classes]}, protocol=2)
    )


def measure(label: str, flags: str, name: str, work: Path, data_path: Path) -> Measured:
    """Run search.py in a process of its own."""
    words = f"-name {name} -dataset cifar10 {flags} -workers 4".split()
    command = [sys.executable, str(ROOT / "search.py"), *words, "-data_path", str(data_path)]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=work, stdout=subprocess.PIPE, text=True)  # noqa: S603
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if status:
        raise SystemExit(f"{command} ended with {status}")
    with (work / "runs" / "search" / name / "history.csv").open(encoding="utf-8") as file:
        gap = float(list(csv.DictReader(file))[-1]["discretization_gap"])
    return Measured(label, seconds, usage.ru_maxrss / 1024, gap, output.strip().splitlines()[-1])


def table(rows: list[Measured]) -> str:
    """Markdown: figures, then genotypes."""
    lines = ["| line | seconds | peak memory (MiB) | gap (points) |", "|---|---|---|---|"]
    lines += [f"| {r.label} | {r.seconds:.0f} | {r.peak_mebibytes:.0f} | {100 * r.gap:+.1f} |" for r in rows]
    return "\n".join([*lines, "", *(f"- {r.label}: `{r.genotype}`" for r in rows)]) + "\n"


def main() -> None:
    """Measure everything and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parquet", type=Path, help="folder named cifar10 with train-*.parquet and test-*.parquet")
    parser.add_argument("--only", choices=("small", "whole"), help="one of the two tables")
    args = parser.parse_args()
    parquet = args.parquet.resolve()
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        work = Path(folder)
        if args.only != "small":
            row = measure("DADARTS", f"{LINES['DADARTS']} {WHOLE}", "whole", work, parquet.parent)
            (results / "seed_lines_whole.md").write_text(table([row]))
            print(table([row]), flush=True)
        if args.only != "whole":
            official_folder(parquet, work / "datasets")
            rows = [
                measure(label, f"{flags} {SMALL}", f"line{n}", work, work / "datasets")
                for n, (label, flags) in enumerate(LINES.items())
            ]
            (results / "seed_lines_small.md").write_text(table(rows))
            print(table(rows), flush=True)


if __name__ == "__main__":
    main()
