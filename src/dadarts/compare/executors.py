"""Where the processes of jobs run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dadarts.processes import cores


class Running(Protocol):
    """The process of a job."""

    def poll(self) -> int | None:
        """Its exit code (minus the signal that killed it); None while it runs."""
        ...

    def stop(self) -> None:
        """Ask it to save and end."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class Executor(Protocol):
    """A place that runs jobs, so many at a time."""

    @property
    def slots(self) -> int: ...

    @property
    def threads(self) -> int | None:
        """CPU threads of a job; None leaves them to the search's own rule."""
        ...

    def start(self, folder: Path, log: Path) -> Running:
        """Begin the job that a folder describes, its output appended to `log`."""
        ...


def command(folder: Path) -> list[str]:
    """How the process of a job is started."""
    return [sys.executable, "-m", "dadarts.compare.worker", str(folder)]


@dataclass(frozen=True)
class Local:
    """This machine: one process a core unless it is told otherwise, the cores divided among the processes."""

    slots: int

    @property
    def threads(self) -> int | None:
        return None if self.slots == 1 else max(1, cores() // self.slots)

    def start(self, folder: Path, log: Path) -> Running:
        threads = {} if self.threads is None else {"OMP_NUM_THREADS": str(self.threads)}
        with log.open("ab") as file:
            process = subprocess.Popen(  # noqa: S603
                command(folder.resolve()),
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                env={**os.environ, **threads},
                # A terminal's ^C is for the command, which then stops its jobs one by one.
                start_new_session=True,
            )
        return _Process(process)


@dataclass(frozen=True)
class _Process:
    process: subprocess.Popen[bytes]

    def poll(self) -> int | None:
        return self.process.poll()

    def stop(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()
