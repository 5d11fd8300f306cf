"""Time and memory of the engines: ``python -m benchmarks.engine`` (or ``make bench``).

Every pass is timed in one interleaved process on the native engine, on the readable supernet in NCHW, as other projects
ship it, and on the readable supernet in channels_last; the readable ones compute every operation, as others do. Figures
go to benchmarks/results/<machine>.json, tables and a picture of scaling beside it.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import time
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.engine import memory, scaling
from benchmarks.engine.contestants import ENGINES, Contestant, Scale
from benchmarks.engine.prediction import prediction
from benchmarks.engine.prediction import table as table_of_predictions
from benchmarks.engine.table import table
from benchmarks.engine.timing import Ratio, ratios
from benchmarks.engine.training import table as table_of_trainings
from benchmarks.engine.training import training
from dadarts.runs.device import versions

RESULTS = Path(__file__).parent.parent / "results"


def machine_name(threads: int) -> str:
    """The processor's model and the number of threads, as a file's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    words = re.sub(r"\((r|tm)\)|cpu|processor|@.*", " ", model.lower())
    return f"{'-'.join(re.findall(r'[a-z0-9]+', words))}-{threads}-threads"


def main() -> None:
    """Measure everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    began = time.monotonic()

    def told(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", flush=True)

    rows: list[Ratio] = []
    for batch in args.batch:
        contestants = {engine: Contestant(engine, Scale(batch)) for engine in ENGINES}
        rows += ratios(contestants, Scale(batch), args.rounds)
        told(f"ratios at batch {batch}")
    del contestants
    sizes = []
    for name in memory.PASSES:
        found = {engine: memory.measured(engine, name, args.batch[0]) for engine in ENGINES}
        native, readable, nchw = found["native"], found["channels_last"], found["nchw"]
        sizes.append(
            {
                "pass": name,
                "batch": args.batch[0],
                "saved_bytes": native.saved,
                "reference_bytes": readable.saved,
                "peak_bytes": native.peak,
                "reference_peak_bytes": readable.peak,
                "nchw_peak_bytes": nchw.peak,
            }
        )
    told("memory")
    trainings = training(args.threads, args.rounds)
    told("training steps")
    predictions = prediction([args.threads], [1, 256], args.rounds)
    told("predictions")
    curves = scaling.scaling(args.threads)
    told("scaling")
    name = machine_name(args.threads)
    found_here = {
        "machine": name,
        "versions": versions(torch.device("cpu")) | {"threads": args.threads},
        "results": [asdict(row) for row in rows],
        "memory": sizes,
        "training": trainings,
        "prediction": predictions,
        "scaling": curves,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(found_here, indent=1) + "\n")
    tables = f"{table(rows, sizes)}\n{table_of_trainings(trainings)}\n{table_of_predictions(predictions)}"
    (RESULTS / f"{name}.md").write_text(tables)
    scaling.draw(curves, RESULTS / f"{name}_scaling.svg")
    print(tables)


if __name__ == "__main__":
    main()
