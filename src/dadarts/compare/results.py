"""One row a job: what it found, how it went, and where the space has ground truth, how good that is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from dadarts import files
from dadarts.architecture.genotype import Genotype, found_in
from dadarts.architecture.spaces import space
from dadarts.compare.jobs import Job
from dadarts.compare.schedule import Status
from dadarts.compare.store import ANEW, Finite, Store, Whole, read
from dadarts.errors import InputError
from dadarts.oracle import ORACLES, Table
from dadarts.rundir import contents, history
from dadarts.rundir.history import row_of
from dadarts.rundir.saved import SavedRun
from dadarts.searching.diagnostics import shares
from dadarts.searching.trajectory import trajectory

Row: TypeAlias = dict[str, Any]
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "'")
_LARGEST = 1e30
"""No measurement is larger; sums of squares stay finite."""
_BY_READERS = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, EOFError, RuntimeError, MemoryError),
    csv.Error,
)
"""What csv and torch raise where a file is damaged."""

_TEXT = (
    "job",
    "method",
    "space",
    "dataset",
    "state",
    "why",
    "genotype",
    "verdict",
    "device",
    "engine",
    "source",
    "data",
)
_WHOLE = (
    *("seed", "tries", "epochs", history.CHANGED_CHOICES.name, "changes"),
    *("peak_memory_bytes", "threads", "parameters"),
)
_LAST_EPOCH = (
    *(history.VALID_TOP1, history.RELAXED_TOP1, history.DISCRETE_TOP1, history.DISCRETIZATION_GAP),
    *(history.ALPHA_ENTROPY, history.CHANGED_CHOICES),
)
"""What is told of a search's last epoch, under the names of its history."""
_TIMES = (history.SECONDS, history.SECONDS_SELECTION)
"""A search without its validations."""
_COSTS = (history.OPERATION_PICTURES, history.OPERATION_PICTURES_SELECTION)
COLUMNS = (
    *("job", "method", "seed", "space", "dataset", "state", "tries", "why", "genotype", "epochs"),
    *(column.name for column in _LAST_EPOCH),
    *("changes", "kept_from_draw", "kept_from_first_epoch"),
    *(history.SKIP_SHARE.name, history.PARAMETER_FREE_SHARE.name, "verdict"),
    *("seconds", history.OPERATION_PICTURES.name, "peak_memory_bytes", "test_top1", "parameters", "train_seconds"),
    *("device", "threads", "engine", "source", "data"),
)
"""Columns of every comparison; ``truth_DATA_accuracy`` and ``truth_DATA_regret`` follow where there is ground truth."""


@dataclass(frozen=True)
class Metrics:
    """What is shown of a training's metrics.json."""

    test_top1: Annotated[float, Field(ge=0, le=1)]
    parameters: Whole
    seconds: Finite


@dataclass(frozen=True)
class Result:
    """A job's row, and the genotypes that its search would have returned after each epoch."""

    job: Job
    row: Row
    genotypes: tuple[Genotype, ...] = ()


def is_unjudged(job: Job) -> bool:
    """Whether nothing will say how good the network is that the job finds."""
    return job.training is None and truth_of(job) is None


def truth_of(job: Job) -> Table | None:
    """The benchmark that knows every network of the job's space."""
    config = job.search
    if config.search_space not in ORACLES or config.nodes != space(config.search_space).nodes:
        return None
    return ORACLES[config.search_space]()


def collect(statuses: Sequence[Status], store: Store) -> list[Result]:
    """The results of all jobs; those that are not done have a row too, which says so."""
    return [_result(status, store) for status in statuses]


def _result(status: Status, store: Store) -> Result:
    job = status.job
    config = job.search
    row: Row = dict.fromkeys(COLUMNS) | {
        "job": job.key,
        "method": job.method,
        "seed": config.seed,
        "space": config.search_space,
        "dataset": config.dataset,
        # What was stopped is not done: a running job is one that was killed with its comparison.
        "state": "waiting" if status.state == "running" else status.state,
        "tries": status.tries,
        "why": status.why,
    }
    if status.state == "damaged":
        return Result(job, row)
    try:
        return _measured(job, store, row | {"tries": len(store.folder(job).tries())})
    except InputError as error:
        return Result(job, row | {"state": "damaged", "why": str(error)})


def _measured(job: Job, store: Store, row: Row) -> Result:
    """The result of a job whose row says so far what it is.

    Raises:
        InputError: a file of it is damaged.
    """
    config, run = job.search, store.search(job)
    found = run.result()
    if found is None:
        return Result(job, row)
    genotype = found_in(contents.GENOTYPE.at(run.path), found)
    verdict = genotype.verdict.word if genotype.verdict else None
    row |= {
        "genotype": found,
        "verdict": verdict or None,
        **row_of(shares(genotype)),
        **_history(run),
        **_truth(job, genotype),
    }
    versions = run.saved_config().versions
    row |= {name: versions.get(name) for name in ("device", "threads", "engine", "data")}
    is_measured = _is_measured(job, epochs=row["epochs"])
    if not is_measured:
        row |= {history.DISCRETE_TOP1.name: None, history.DISCRETIZATION_GAP.name: None}
    row |= store.folder(job).measurements()
    if job.training is not None:
        row |= _training(contents.METRICS.at(store.training(job, found).path))
    with _naming(contents.ALPHAS.at(run.path)) as path:
        course = trajectory(config, path)
    if course is None:
        return Result(job, row, (genotype,))
    if is_measured or config.method.restarts > 1:
        row |= {"kept_from_draw": course.kept_from_draw, "kept_from_first_epoch": course.kept_from_first_epoch}
    # A method may select its genotype otherwise than by reading alphas off: what counts at the end is what it returned.
    return Result(job, row, (*course.genotypes[:-1], genotype))


def _is_measured(job: Job, epochs: int) -> bool:
    """Whether the last epoch's hard pass was one of the genotype that was returned.

    It was not where another selection chose, where several restarts were averaged, or where an early stop went back.
    """
    method = job.search.method
    return method.selection.reads_alphas and method.restarts == 1 and epochs == job.search.epochs


def _history(run: SavedRun) -> Row:
    changed = history.CHANGED_CHOICES.name
    with _naming(run.history):
        rows = run.rows()
        if not rows:
            return {"epochs": 0}
        return {
            "epochs": len(rows),
            **{column.name: _number(rows[-1].get(column.name)) for column in _LAST_EPOCH},
            changed: _whole(rows[-1].get(changed)),
            "changes": sum(_whole(row.get(changed)) or 0 for row in rows),
            "seconds": sum(_number(row.get(column.name)) or 0.0 for row in rows for column in _TIMES),
            _COSTS[0].name: _operation_pictures(rows),
        }


def _operation_pictures(rows: Sequence[Mapping[str, str]]) -> float | None:
    """What steps and selection cost; None where some of it was computed by a program that did not count it."""
    counted = [_number(row.get(_COSTS[0].name)) for row in rows]
    if None in counted:
        return None
    return sum(_number(row.get(column.name)) or 0.0 for row in rows for column in _COSTS)


@contextmanager
def _naming(path: Path) -> Iterator[Path]:
    """Say whatever goes wrong with a file with its name.

    Raises:
        InputError: something has.
    """
    try:
        yield path
    except InputError as error:
        raise InputError(f"{error}; {ANEW}") from None
    except _BY_READERS as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); {ANEW}") from None


def _number(cell: str | None) -> float | None:
    if not cell:
        return None
    value = float(cell)
    if not abs(value) <= _LARGEST:
        raise ValueError(cell[:40])
    return value


def _whole(cell: str | None) -> int | None:
    value = _number(cell)
    return None if value is None else int(value)


def _truth(job: Job, genotype: Genotype) -> Row:
    table = truth_of(job)
    if table is None:
        return {}
    scores = table.query(genotype).scores.values()
    return {f"truth_{score.dataset}_accuracy": score.accuracy for score in scores} | {
        f"truth_{score.dataset}_regret": score.regret for score in scores
    }


def _training(path: Path) -> Row:
    if not path.exists():
        return {}
    metrics = read(path, Metrics)
    return {"test_top1": metrics.test_top1, "parameters": metrics.parameters, "train_seconds": metrics.seconds}


def as_cell(value: Any) -> Any:
    """A value in a table for people too: a spreadsheet takes a text that begins like a formula for one.

    Such a text gets an apostrophe, as one with an apostrophe does: taking one away gives every text back.
    """
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def columns_of(rows: Sequence[Row]) -> list[str]:
    """All columns, in order."""
    return [*COLUMNS, *dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)]


def write(rows: Sequence[Row], folder: Path) -> tuple[Path, Path]:
    """Write results.csv and results.parquet, whole or not at all; their paths."""
    import pyarrow as pa
    from pyarrow import parquet

    names = columns_of(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: as_cell(value) for name, value in row.items()} for row in rows)
    as_csv, as_parquet = folder / "results.csv", folder / "results.parquet"
    files.write_text(as_csv, text.getvalue())
    kinds = [pa.string() if n in _TEXT else pa.int64() if n in _WHOLE else pa.float64() for n in names]
    table = pa.Table.from_pylist(
        [{name: row.get(name) for name in names} for row in rows],
        schema=pa.schema(list(zip(names, kinds, strict=True))),
    )
    files.write(as_parquet, partial(parquet.write_table, table))
    return as_csv, as_parquet
