"""Where a comparison keeps its jobs: ``runs/compare/NAME``, addressed by what is in it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter

from dadarts import files
from dadarts.compare.jobs import Job
from dadarts.errors import InputError
from dadarts.lock import locked
from dadarts.rundir import contents
from dadarts.rundir.kinds import SEARCH, TRAINING
from dadarts.rundir.saved import DamageError
from dadarts.runs.folder import RunFolder

Whole = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e30)]
Word = Annotated[str, Field(max_length=1000)]
Document = TypeVar("Document")
ANEW = "remove the run's folder to search anew"
"""What to do with a job that has a damaged file."""


@dataclass(frozen=True)
class Try:
    """One attempt at a job: how its process ended, how long it took, and what it last said where it failed."""

    exit: int
    seconds: Finite
    why: Word = ""


@dataclass(frozen=True)
class Measured:
    """What the process of a search measured of itself, and which program it ran."""

    peak_memory_bytes: Whole
    source: Word


@dataclass(frozen=True)
class JobFolder:
    """``jobs/KEY``: what the job is, its attempts and their log, and what only its process could measure."""

    path: Path

    @property
    def job(self) -> Path:
        return self.path / "job.json"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def measured(self) -> Path:
        return self.path / "measured.json"

    @property
    def _tries(self) -> Path:
        return self.path / "tries.json"

    def tries(self) -> list[Try]:
        """All attempts so far, those of earlier commands too."""
        return read(self._tries, list[Try]) if self._tries.exists() else []

    def add(self, attempt: Try) -> None:
        """Remember an attempt that has ended."""
        attempts = [asdict(one) for one in (*self.tries(), attempt)]
        files.write_text(self._tries, json.dumps(attempts, indent=1) + "\n")

    def measurements(self) -> Mapping[str, Any]:
        """What the process of the search measured of itself; empty where it has not ended."""
        return asdict(read(self.measured, Measured)) if self.measured.exists() else {}

    def last_words(self) -> str:
        """The last line of the log that says something."""
        if not self.log.is_file():
            return ""
        with files.open_bytes(self.log) as file:
            file.seek(max(0, self.log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").splitlines()
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


@dataclass(frozen=True)
class Store:
    """The folder of a comparison; searches and trainings in it are ordinary runs, shared by jobs of equal settings."""

    path: Path

    def folder(self, job: Job) -> JobFolder:
        return JobFolder(self.path / "jobs" / job.key)

    def search(self, job: Job) -> RunFolder:
        return RunFolder(SEARCH.folder(self.path, job.key))

    def training(self, job: Job, genotype: str) -> RunFolder:
        return RunFolder(TRAINING.folder(self.path, job.training_of(genotype).name))

    def data_of(self, job: Job) -> str | None:
        """The fingerprint of the data that the job's search has read; None where it has not begun."""
        run = self.search(job)
        return run.saved_config().versions.get("data") if run.exists else None

    def others(self, jobs: Iterable[Job]) -> int:
        """How many jobs were begun here that are none of these."""
        begun = {entry.name for entry in (self.path / "jobs").glob("*")}
        return len(begun - {job.key for job in jobs})

    def is_done(self, job: Job) -> bool:
        """Whether the search has ended, and the training where there is one."""
        genotype = self.search(job).result()
        if genotype is None or job.training is None:
            return genotype is not None
        return self.training(job, genotype).result() is not None

    def epochs(self, job: Job) -> tuple[int, int]:
        """How many epochs of search and training have ended, and how many there are: none where nothing is trained."""
        genotype = self.search(job).result()
        draws = not job.search.method.selection.trains
        total = done = 0 if draws else job.search.epochs
        if genotype is None and not draws:
            done = _rows(self.search(job))
        if job.training is not None:
            total += int(job.training["epochs"])
            if genotype is not None:
                done += _rows(self.training(job, genotype))
        return done, total

    def damage(self, job: Job) -> str:
        """Which file keeps a job from being looked at and gone on with; empty where none does."""
        from dadarts.architecture.genotype import Genotype

        found = contents.RESULT.at(self.search(job).path)
        try:
            genotype = self.search(job).result()
            if genotype is not None:
                Genotype.parse(genotype)
        except DamageError as error:
            return f"{error.what}; {ANEW}"
        except InputError as error:
            return str(error) if str(found) in str(error) else f"{found} is damaged: {error}"
        try:
            self.is_done(job)
            self.data_of(job)
            self.folder(job).tries()
        except DamageError as error:
            return f"{error.what}; {ANEW}"
        except InputError as error:
            return str(error)
        return ""

    def prepare(self, job: Job) -> Path:
        """Write what the job's process reads; its path."""
        folder = self.folder(job)
        files.write_text(folder.job, json.dumps(job.to_json(), indent=1) + "\n")
        return folder.path

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the comparison for this process.

        Raises:
            InputError: another process holds it.
        """
        busy = f"{self.path} is in use by another `dadarts compare`; give another -name"
        with locked(self.path, lambda _: busy):
            yield


def _rows(run: RunFolder) -> int:
    # A run that goes on writes its history anew.
    with suppress(OSError, ValueError, csv.Error):
        return len(run.rows())
    return 0


def read(path: Path, kind: type[Document]) -> Document:
    """A JSON document that is one of a kind.

    Raises:
        InputError: it is none, or cannot be read.
    """
    try:
        return TypeAdapter(kind).validate_json(files.read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); remove it") from None
