"""How `dadarts fit` keeps its word: ``python -m benchmarks.fit.delivered FOLDER``, FOLDER being where cifar10 lies.

A fit of one task as a user starts it, by the clock on the wall, with all that it leaves: its minutes, how wrong the
times left were that it showed, and from its card the size of each file, how far all forms agree on 256 pictures, what
8-bit integers cost, and the latencies.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

import dadarts
from benchmarks.fit.contest import PICTURES, RESULTS
from benchmarks.fit.tasks import TASKS, written
from dadarts.cli.eta import Forecast
from dadarts.config.fitting import FitConfig
from dadarts.rundir.kinds import BUNDLE
from dadarts.runs.events import FitDone

SCRATCH = Path("runs/bench-delivered")
FROM = 0.1
"""The part of the time after which what is left ought to be known."""
_NEAR = 0.1
"""The part of the time before the end from which on what is left is too little to be wrong by a part of it."""


@dataclass(frozen=True)
class Shown:
    """A time left that a user saw.

    Args:
        at: seconds since the beginning.
        left: seconds, as it was shown.
    """

    at: float
    left: float


def misses(shown: Sequence[Shown], end: float) -> list[float]:
    """By which part of what was left in truth each time left was wrong, between a tenth and nine tenths of the time."""
    told = [each for each in shown if FROM * end <= each.at <= (1 - _NEAR) * end]
    return [abs(each.left - (end - each.at)) / (end - each.at) for each in told]


def fitted(config: FitConfig) -> tuple[FitDone, list[Shown], float]:
    """The result of a fit, what was shown on its way once a second, and the seconds that all took."""
    began = time.monotonic()
    forecast, shown, done = Forecast(time.monotonic), [Shown(0.0, 60 * config.minutes)], None
    for event in dadarts.fit(config):
        forecast(event)
        now, left = time.monotonic() - began, forecast.left
        if left is not None and now - shown[-1].at >= 1:
            shown.append(Shown(now, left))
        done = event
    if not isinstance(done, FitDone):
        raise AssertionError("a fit ends with its result")
    return done, shown, time.monotonic() - began


def page(title: str, config: FitConfig, done: FitDone, shown: Sequence[Shown], end: float) -> str:
    """The table, as Markdown."""
    off = misses(shown, end)
    card = (done.folder / BUNDLE / "card.md").read_text(encoding="utf-8")
    command = f"python -m benchmarks.fit.delivered FOLDER --minutes {config.minutes:g} --threads {config.threads}"
    files, cost = (card.split(f"## {name}\n")[1].split("\n## ")[0].strip() for name in ("Files", "Cost"))
    return "\n".join(
        [
            f"`{command}`: {title}.",
            "",
            f"- {done.title}: test accuracy {done.metrics['test_top1']:.1%}",
            f"- {end:.1f} s of {60 * config.minutes:g}: {end / (60 * config.minutes) - 1:+.1%}",
            f"- {len(off)} times left, from a tenth of the time to nine tenths: wrong by {median(off):.1%} of what was "
            f"left (median), {np.quantile(off, 0.95):.1%} (95 of 100), {max(off):.1%} (worst)",
            "",
            files.split("\n\n")[0],
            "",
            cost,
            "",
        ]
    )


def main() -> None:
    """Fit, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", default="cifar-200", choices=list(TASKS))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS / "fit-delivered.md")
    given = parser.parse_args()
    shutil.rmtree(SCRATCH, ignore_errors=True)
    task = TASKS[given.task]
    config = FitConfig(
        dataset=str(written(given.task, given.folder, PICTURES)),
        name="it",
        runs_dir=SCRATCH,
        minutes=given.minutes,
        metric=task.metric,
        flip=task.flip,
        seed=given.seed,
        threads=given.threads,
        device="cpu",
    )
    done, shown, end = fitted(config)
    given.out.write_text(page(task.title, config, done, shown, end), encoding="utf-8")


if __name__ == "__main__":
    main()
