"""Jobs of a comparison in processes that have imported everything before they begin, and draw no pictures."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dadarts.cli import execute
from dadarts.compare import executors, worker
from dadarts.compare.store import JobFolder
from tests.commands import IMPORTED_BEFORE_FORKING, without_pictures


class Forked:
    """What `subprocess.Popen` is to an executor."""

    def __init__(self, process: Any) -> None:
        self.pid: int = process.pid
        self._process = process

    def poll(self) -> int | None:
        code: int | None = self._process.exitcode
        return code

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def fork_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine's executor fork the processes of jobs, unless a test says how they are started."""
    real, as_ever = executors.spawn, executors.command

    def fork(folder: Path, log: Path, environment: Mapping[str, str], cwd: Path | None = None) -> Any:
        words = executors.command(folder)
        if words != as_ever(folder):
            with monkeypatch.context() as patch:
                patch.setattr(executors, "command", lambda _: words)
                return real(folder, log, environment, cwd)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED_BEFORE_FORKING)
        process = context.Process(target=_work, args=(folder, log, dict(environment), cwd or Path.cwd()))
        process.start()
        return Forked(process)

    monkeypatch.setattr(executors, "spawn", fork)


def _work(folder: Path, log: Path, environment: dict[str, str], cwd: Path) -> None:
    os.environ.update(environment)
    os.chdir(cwd)
    os.setsid()
    for number in (1, 2):
        os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_pictures(monkeypatch)
        code = execute.guarded("dadarts compare", lambda: worker.main(JobFolder(folder)))
    sys.stdout.flush()
    sys.exit(code)
