"""What a comparison says at its end: the few numbers for which it was made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dadarts.compare.analysis import OPERATION_PICTURES, SECONDS, Block, Measure, blocks_of
from dadarts.compare.results import Result
from dadarts.compare.scored import within
from dadarts.pacing import counted

_WIDEST = 110
"""Where nothing shows how wide a line may be."""


def show(results: Sequence[Result], stream: TextIO, report: Path | None = None) -> None:
    """A small table of every space and data set, the best first, and where the report is."""
    console = Console(file=stream, width=None if stream.isatty() else _WIDEST, highlight=False)
    for block in blocks_of(results):
        console.print(_table(block))
    if report is not None:
        print(f"report: {report}", file=stream)


def show_missing(results: Sequence[Result], stream: TextIO, folder: Path, others: int) -> bool:
    """Say what the results are without; whether that is a job that failed or is damaged.

    Args:
        folder: the comparison's.
        others: how many jobs of earlier commands are in it.
    """
    if others:
        print(
            f"note: these results are without {counted(others, 'job')} of earlier commands in {folder}: name their "
            "methods, seeds and settings, too, to have them there",
            file=stream,
        )
    failed = [result.row for result in results if result.row["state"] in ("failed", "damaged")]
    for row in failed:
        said = "failed" if row["state"] == "failed" else "is damaged"
        print(f"dadarts compare: job {row['job']} {said}: {row['why']}", file=stream)
    return bool(failed)


def _table(block: Block) -> Table:
    measure = block.scores[0]
    table = Table(box=None, padding=(0, 1), header_style="bold", title_justify="left")
    table.title = Text(f"{block.title}: {measure.label}")
    for heading in ("method", "n", "mean", "95 % interval", "median", "operation-pictures", "seconds"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    summaries = {method: block.summary(method, measure) for method in block.methods}
    for method, summary in sorted(summaries.items(), key=lambda item: -item[1].mean if item[1] else float("inf")):
        scores = ("0", "-", "-", "-")
        if summary is not None:
            mean, median = (f"{value:.{measure.digits}f}" for value in (summary.mean, summary.median))
            scores = (str(summary.count), mean, within(summary.interval, measure.digits), median)
        costs = (_cost(block, method, OPERATION_PICTURES, " M"), _cost(block, method, SECONDS, ""))
        # Text, for a name may hold what markup is written with.
        table.add_row(*map(Text, (method, *scores, *costs)))
    return table


def _cost(block: Block, method: str, measure: Measure, unit: str) -> str:
    summary = block.summary(method, measure)
    return "-" if summary is None else f"{summary.mean:,.{measure.digits}f}{unit}"
