"""What `dadarts fit` is worth: ``python -m benchmarks.fit.contest FOLDER``, FOLDER being where cifar10 lies.

`dadarts fit` against its peers on seven tasks of real pictures: the same bytes, one thread, and the same seconds of the
processor's time, reading, choosing, training and testing included. A row a contestant goes to a CSV file, and what is
there is not run again; the table beside it has them all.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.fit import rows as rows_of
from benchmarks.fit.contest_table import page
from benchmarks.fit.contestants import CONTESTANTS
from benchmarks.fit.entry import Given
from benchmarks.fit.plain import NETWORKS
from benchmarks.fit.rows import Key, Row
from benchmarks.fit.tasks import TASKS, written
from dadarts.machine import keep_freed_memory
from dadarts.runs.threads import computing_with

RESULTS = Path(__file__).parents[1] / "results"
PICTURES = Path("runs/fit-data")


def ran(key: Key, folder: Path, pictures: Path) -> Row:
    """Let a contestant do a task, once."""
    task, minutes, limit, seed, contestant = key
    own, file = TASKS[task], written(task, folder, pictures)
    with np.load(file) as arrays:
        count = len(arrays["y_test"])
    began = time.process_time()
    with computing_with(1):
        found = CONTESTANTS[contestant](Given(file, own.metric, own.flip, minutes, seed, limit))
    seconds = time.process_time() - began
    return Row(
        *key,
        score=round(found.score, 4),
        pictures=count,
        seconds=round(seconds, 1),
        parameters=found.parameters,
        epochs=round(found.epochs, 1),
        network=found.network,
    )


def _planned(given: argparse.Namespace) -> Iterator[Key]:
    for minutes in given.minutes:
        for seed in range(given.seeds):
            for task in given.tasks:
                for contestant in given.contestants:
                    yield task, minutes, given.max_parameters, seed, contestant


def main() -> None:
    """Run what is not there yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--minutes", nargs="+", type=float, default=[3.0, 10.0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--max_parameters", type=int)
    parser.add_argument(
        "--contestants", nargs="+", default=[*NETWORKS, "fit", "random", "search-train"], choices=list(CONTESTANTS)
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "fit.csv")
    given = parser.parse_args()
    keep_freed_memory()
    for key in _planned(given):
        rows = rows_of.read(given.out)
        if key in {row.key for row in rows}:
            continue
        row = ran(key, given.folder, PICTURES)
        print(row, file=sys.stderr, flush=True)
        # What others have written meanwhile stays.
        rows_of.write(given.out, [*rows_of.read(given.out), row])
        _write_page(given.out)
    _write_page(given.out)


def _write_page(out: Path) -> None:
    out.with_suffix(".md").write_text(page(rows_of.read(out)), encoding="utf-8")


if __name__ == "__main__":
    main()
