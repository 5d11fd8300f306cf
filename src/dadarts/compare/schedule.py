"""Which job runs when: tried again where its process fails, and stopped together."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from dadarts.compare.executors import Executor, Running
from dadarts.compare.jobs import Job
from dadarts.compare.store import Store, Try

TRIES = 3
GRACE_SECONDS = 60.0
"""How long a job that is asked to stop may take to finish its batch and save."""
_PAUSE = 0.1

State = Literal["waiting", "running", "done", "failed", "damaged"]


@dataclass
class Status:
    """Where a job stands: epochs of search and training, tries in this command, and why the last one failed.

    It is damaged where files of it cannot be read: nothing is then done with it.

    A job that trains nothing (``random``) has a `total` of 0.
    """

    job: Job
    state: State = "waiting"
    done: int = 0
    total: int = 1
    tries: int = 0
    why: str = ""

    @property
    def fraction(self) -> float:
        return 1.0 if self.state == "done" else min(1.0, self.done / max(1, self.total))


@dataclass
class _Attempt:
    status: Status
    running: Running
    began: float


class Schedule:
    """All jobs of a comparison.

    Args:
        show: called with the job whose state has changed, or with None where only time has passed.
    """

    def __init__(
        self, jobs: Sequence[Job], store: Store, executor: Executor, show: Callable[[Status | None], None]
    ) -> None:
        self.store = store
        self.executor = executor
        self.statuses = [self._status(job) for job in jobs]
        self._show = show
        self._waiting = deque(status for status in self.statuses if status.state == "waiting")
        self._attempts: list[_Attempt] = []

    def _status(self, job: Job) -> Status:
        if damage := self.store.damage(job):
            return Status(job, "damaged", why=damage)
        state: State = "done" if self.store.is_done(job) else "waiting"
        return Status(job, state, *self.store.epochs(job))

    def run(self) -> int:
        """Run whatever is not done. Returns the number of the signal that stopped it, 0 where it came to its end."""
        with _signals() as received:
            while (self._waiting or self._attempts) and not received:
                while self._waiting and len(self._attempts) < self.executor.slots:
                    self._start(self._waiting.popleft())
                self._look()
                self._show(None)
                time.sleep(_PAUSE)
            if received:
                self._stop(received)
        return received[0] if received else 0

    def _start(self, status: Status) -> None:
        folder = self.store.folder(status.job)
        self.store.prepare(status.job)
        running = self.executor.start(folder.path, folder.log)
        status.state, status.tries, status.why = "running", status.tries + 1, ""
        self._attempts.append(_Attempt(status, running, time.monotonic()))
        self._show(status)

    def _look(self) -> None:
        for attempt in list(self._attempts):
            code = attempt.running.poll()
            status = attempt.status
            status.done, status.total = self.store.epochs(status.job)
            if code is not None:
                self._attempts.remove(attempt)
                self._ended(attempt, code)

    def _ended(self, attempt: _Attempt, code: int) -> None:
        status = attempt.status
        folder = self.store.folder(status.job)
        if self.store.is_done(status.job):
            status.state, status.why = "done", ""
        else:
            status.why = f"killed by {_signal_name(-code)}" if code < 0 else folder.last_words() or f"exit code {code}"
            status.state = "waiting" if status.tries < TRIES else "failed"
            if status.state == "waiting":
                # At the end: what fails again must not hold up what works.
                self._waiting.append(status)
        folder.add(Try(code, round(time.monotonic() - attempt.began, 3), status.why))
        self._show(status)

    def _stop(self, received: Sequence[int]) -> None:
        for attempt in self._attempts:
            attempt.running.stop()
        deadline = time.monotonic() + GRACE_SECONDS
        while any(attempt.running.poll() is None for attempt in self._attempts):
            if time.monotonic() > deadline or len(received) > 1:
                for attempt in self._attempts:
                    attempt.running.kill()
            time.sleep(_PAUSE)
        for attempt in self._attempts:
            status = attempt.status
            status.state = "done" if self.store.is_done(status.job) else "waiting"
            self._show(status)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextmanager
def _signals() -> Iterator[Sequence[int]]:
    """Collect SIGINT and SIGTERM instead of dying of them."""
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
