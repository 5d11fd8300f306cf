"""Where the processes of jobs run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dadarts import files
from dadarts.machine import cores


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

    def start(self, folder: Path, log: Path) -> Running:
        """Begin the job that a folder describes, its output appended to `log`."""
        ...


class Place(Protocol):
    """Where an executor is found."""

    @property
    def threads(self) -> int | None:
        """CPU threads of a job; None leaves them to the search's own rule."""
        ...

    @property
    def elsewhere(self) -> bool:
        """Whether jobs compute on other machines than this one, whose devices then say nothing."""
        ...

    def opened(self, folder: Path) -> AbstractContextManager[Executor]:
        """Reach it, for as long as jobs of the comparison in `folder` run there.

        Raises:
            InputError: it cannot be reached, or is too small for a job; nothing was created.
        """
        ...


PLUGIN_VARIABLE = "DADARTS_JOB_PLUGIN"
"""The environment variable in which a comparison tells its jobs what its command line says of plugins."""


_DEVICES = "CUDA_VISIBLE_DEVICES"


def command(folder: Path) -> list[str]:
    """How the process of a job is started."""
    return [sys.executable, "-m", "dadarts.compare.worker", str(folder)]


def spawn(folder: Path, log: Path, environment: Mapping[str, str], cwd: Path | None = None) -> subprocess.Popen[bytes]:
    """Start the process of a job: it ends when this one does, and its output is appended to `log`."""
    with files.open_to_append(log) as file:
        return subprocess.Popen(  # noqa: S603
            command(folder),
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            env={**os.environ, **environment},
            cwd=cwd,
            # A terminal's ^C is for the command, which then stops its jobs one by one.
            start_new_session=True,
        )


@dataclass(frozen=True)
class Local:
    """This machine: one process a core unless it is told otherwise, the cores divided among the processes.

    Args:
        slots: how many processes there are at a time.
        plugin: what the command line says of plugins.
        devices: CUDA devices, as CUDA_VISIBLE_DEVICES has them, of which each process sees one.
    """

    slots: int
    plugin: str = ""
    devices: tuple[str, ...] = ()
    elsewhere = False
    _started: list[tuple[str, _Process]] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def threads(self) -> int | None:
        return None if self.slots == 1 else max(1, cores() // self.slots)

    @contextmanager
    def opened(self, folder: Path) -> Iterator[Local]:
        yield self

    def start(self, folder: Path, log: Path) -> Running:
        environment = {PLUGIN_VARIABLE: self.plugin}
        if self.threads is not None:
            environment["OMP_NUM_THREADS"] = str(self.threads)
        if not self.devices:
            return _Process(spawn(folder.resolve(), log, environment))
        busy = [device for device, process in self._started if process.poll() is None]
        device = min(self.devices, key=busy.count)
        self._started.append((device, _Process(spawn(folder.resolve(), log, environment | {_DEVICES: device}))))
        return self._started[-1][1]


@dataclass(frozen=True)
class _Process:
    process: subprocess.Popen[bytes]

    def poll(self) -> int | None:
        return self.process.poll()

    def stop(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()
