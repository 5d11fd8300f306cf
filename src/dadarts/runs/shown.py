"""What a run that has ended says of itself below a notebook's cell."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dadarts import files
from dadarts.architecture.genotype import Genotype
from dadarts.errors import InputError
from dadarts.report.page.charts import percent, short
from dadarts.report.page.figures import seconds
from dadarts.report.page.inline import Summary, html
from dadarts.rundir import contents
from dadarts.rundir.history import SEARCH_PANELS, TRAINING_PANELS, Row
from dadarts.rundir.saved import SavedRun


def of_search(folder: Path, genotype: Genotype) -> str:
    """A search: what it has found, and its curves."""
    verdict = genotype.verdict
    doubts = tuple(f"the search ended {found}" for found in verdict.findings) if verdict else ()
    summary = Summary(f"search {folder.name}", "", (), genotype, _history(folder), SEARCH_PANELS, doubts=doubts)
    return html(summary)


def of_training(folder: Path, title: str, metrics: Mapping[str, Any], sentence: str = "") -> str:
    """A training: its scores, its cells, and its curves.

    Args:
        metrics: what is in its metrics.json.
        sentence: what else is to be said.
    """
    genotype = None
    with suppress(OSError, ValueError):
        genotype = Genotype.parse(files.read_text(contents.GENOTYPE.at(folder)))
    return html(Summary(title, sentence, _facts(metrics), genotype, _history(folder), TRAINING_PANELS))


def _history(folder: Path) -> list[Row]:
    # A folder that is gone takes the curves with it, and no more.
    with suppress(InputError):
        return SavedRun(folder).measured()
    return []


def _facts(metrics: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    interval = metrics.get("test_top1_interval")
    facts = (
        ("test accuracy", percent(metrics["test_top1"])),
        ("95 % interval", " to ".join(map(percent, interval)) if interval else ""),
        ("balanced accuracy", percent(metrics["balanced_accuracy"]) if "balanced_accuracy" in metrics else ""),
        ("test pictures", f"{metrics['test_pictures']:,}" if "test_pictures" in metrics else ""),
        ("parameters", f"{metrics['parameters']:,}"),
        ("multiply-adds", short(metrics["multiply_adds"])),
        ("training", seconds(metrics["seconds"])),
    )
    return tuple((what, value) for what, value in facts if value)
