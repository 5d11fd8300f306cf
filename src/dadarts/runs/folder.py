"""The folder of a run: who may write it, and what is in it."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from dadarts import files
from dadarts.errors import InputError, RunError
from dadarts.lock import LOCK, is_held, locked
from dadarts.rundir import contents, replaced
from dadarts.rundir.contents import Entry
from dadarts.rundir.history import Row
from dadarts.rundir.saved import SavedConfig, SavedRun

_STAMP, _STAMP_LENGTH = "%Y-%m-%d %H:%M:%S", 19
"""What a line of the log begins with."""


@dataclass(frozen=True)
class RunFolder(SavedRun):
    """``runs/<kind>/<name>`` and the names of the files in it.

    Args:
        path: where it is.
        writable: whether this process writes there; where it does not, everything that writes does nothing.
    """

    writable: bool = True

    @property
    def checkpoint(self) -> Path:
        return contents.CHECKPOINT.at(self.path)

    @property
    def is_held(self) -> bool:
        """Whether a process is writing the run."""
        return is_held(self.path)

    def check(self, resume: bool, overwrite: bool) -> None:
        """Refuse, before anything is read or created, a name that cannot be used this way.

        Raises:
            InputError: the name is taken, or there is nothing to resume, or the place is no folder.
        """
        try:
            self._check(resume, overwrite)
        except OSError as error:
            raise InputError(f"{str(self.path)[:200]} cannot be used: {error.strerror}") from None

    def _check(self, resume: bool, overwrite: bool) -> None:
        refuse_both(resume, overwrite)
        for place in (self.path, *self.path.parents):
            if place.exists() and not place.is_dir():
                raise InputError(f"{place} is a file; runs need a folder there: move it, or give another -runs_dir")
        if resume and not self.exists:
            raise InputError(f"there is no run {self.path} to resume; {self._how_to_begin()}")
        if self.exists and not resume and not overwrite:
            raise InputError(
                f"{self.path} exists; continue it with -resume, replace it with -overwrite, or give another -name"
            )
        if not resume and not overwrite and self.path.is_dir():
            stray = [entry.name for entry in self.path.iterdir() if not _left_by_a_beginning(entry.name)]
            if stray:
                raise InputError(
                    f"{self.path} holds {stray[0]!r}, which no run wrote, or a damaged run; move it, or pass -overwrite"
                )
        nearest = next(place for place in (self.path, *self.path.absolute().parents) if place.exists())
        if not os.access(nearest, os.W_OK):
            raise InputError(f"{nearest} cannot be written; give another -runs_dir")

    def _how_to_begin(self) -> str:
        kept = replaced.kept(self.path)
        if kept:
            return f"the one that was to be replaced is {kept[-1]}: rename it to {self.path.name} to go on with it"
        return "leave -resume out to begin it"

    @contextmanager
    def claimed(self, resume: bool, overwrite: bool) -> Iterator[None]:
        """Hold the folder for one process; where not resuming, it is empty then, and a run that was there stands aside.

        The lock is the kernel's and ends with the process, however that ends. Where what is done inside fails before
        the run has begun, the run that was there is put back.

        Raises:
            InputError: another process holds it, or has begun a run there since `check`.
        """
        if not self.writable:
            yield
            return
        with self._locked(), ExitStack() as held:
            self.check(resume, overwrite)
            if resume:
                self._remove_unfinished_files()
            else:
                held.enter_context(self._emptied(overwrite))
            yield

    @contextmanager
    def _emptied(self, overwrite: bool) -> Iterator[None]:
        if not overwrite or all(_left_by_a_beginning(entry.name) for entry in self.path.iterdir()):
            self._empty(overwrite)
            yield
            return
        aside = replaced.move_aside(self.path)
        # The lock has moved with the old folder, where nobody looks for it any more.
        with self._locked():
            try:
                self._empty(overwrite)
                yield
            except BaseException:
                if not self.exists:
                    replaced.put_back(aside, self.path)
                raise

    def _empty(self, overwrite: bool) -> None:
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != LOCK:
                entry.unlink()
        if overwrite and replaced.kept(self.path):
            replaced.mark(self.path)

    @property
    def replaced(self) -> list[Path]:
        """The runs that this one replaces, and removes when it has ended."""
        return replaced.kept(self.path) if replaced.is_marked(self.path) else []

    @property
    def what_is_kept(self) -> str:
        """Where the runs are that this one replaces, in words."""
        return f"what this run replaces is kept until it has ended: {', '.join(map(str, self.replaced))}"

    @contextmanager
    def saying_what_is_kept(self) -> Iterator[None]:
        """Where what is done inside cannot go on, say so besides where something is kept.

        Raises:
            RunError: it cannot.
        """
        try:
            yield
        except RunError as error:
            if self.replaced:
                raise RunError(f"{error.marked}; {self.what_is_kept}") from error
            raise

    def end(self, result: str) -> list[str]:
        """Mark the run as finished, and remove what it has replaced. Returns what is to be said of that."""
        self.write_result(result)
        return [f"removed {path}, which this run has replaced" for path in self.remove_replaced()]

    def remove_replaced(self) -> list[Path]:
        """Remove the runs that this one has replaced, now that it has ended. Returns what has gone."""
        return replaced.remove(self.replaced) if self.writable else []

    def remove(self) -> None:
        """Remove the run; a process that dies in the midst of that leaves nothing under its name."""
        aside = self.path.with_name(f".{self.path.name}")
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(FileNotFoundError):
            self.path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def _remove_unfinished_files(self) -> None:
        # A process that was killed while it wrote leaves the temporary files behind.
        for path in [*self.path.glob(".*"), *self.checkpoint.parent.glob(".*")]:
            if re.fullmatch(r"\..+\.\d+\.\w+", path.name):
                path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[IO[str]]:
        def refusal(file: IO[str]) -> str:
            holder = file.read(20).strip() or "unknown"
            return f"{self.path} is being written by process {holder}; wait for it or give another -name"

        with locked(self.path, refusal) as file:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield file

    def write(self, entry: Entry, write: Callable[[Path], object]) -> None:
        """Let `write` make a file, which appears whole or not at all."""
        if self.writable:
            files.write(entry.at(self.path), write)

    def write_text(self, entry: Entry, text: str) -> None:
        """Write a text file, whole or not at all."""
        if self.writable:
            files.write_text(entry.at(self.path), text)

    def write_history(self, rows: Sequence[Row]) -> None:
        """Write history.csv anew from all rows so far; an empty cell is a value that there is none of."""
        text = io.StringIO()
        if rows:
            # A run that began before there was a column has rows without it.
            columns = dict.fromkeys(name for row in rows for name in row)
            writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
        self.write_text(contents.HISTORY, text.getvalue())

    def write_config(self, settings: dict[str, Any], versions: Mapping[str, object]) -> None:
        """Write config.json: all that decides the run, and what its numbers may depend on besides."""
        self.write_text(contents.CONFIG, SavedConfig(settings, dict(versions)).text)

    def write_result(self, text: str) -> None:
        """Mark the run as finished."""
        self.write_text(contents.RESULT, text + "\n")

    def log(self, line: str) -> None:
        """Append a line with the time to log.txt."""
        path, stamp = contents.LOG.at(self.path), time.strftime(_STAMP)
        try:
            with files.open_to_append(path) as file:
                file.write(f"{stamp} {line}\n".encode(errors="surrogateescape"))
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}") from error

    def began(self) -> datetime | None:
        """The time of the log's first line; of a run without a log, that at which its configuration was written."""
        with suppress(OSError, ValueError), files.open_bytes(contents.LOG.at(self.path)) as file:
            return datetime.strptime(file.read(_STAMP_LENGTH).decode("ascii"), _STAMP)
        with suppress(OSError, ValueError):
            return datetime.fromtimestamp(self.config.stat().st_mtime)
        return None


def refuse_both(resume: bool, overwrite: bool) -> None:
    """Refuse to continue a run and to replace it.

    Raises:
        InputError: both are asked for.
    """
    if resume and overwrite:
        raise InputError("-resume continues a run and -overwrite replaces it; give one of them")


def _left_by_a_beginning(name: str) -> bool:
    """Whether a process that died before its run had begun may have left an entry of that name."""
    return name.startswith(".") or name in {entry.top for entry in contents.ENTRIES if entry.early}
