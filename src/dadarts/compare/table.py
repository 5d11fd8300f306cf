"""How far all jobs are: a live table on a terminal, plain lines anywhere else; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dadarts.compare.schedule import TRIES, Status
from dadarts.pacing import counted, duration

_MARKS = {
    "waiting": ("·", "dim"),
    "running": ("▶", "cyan"),
    "done": ("■", "green"),
    "failed": ("✗", "bold red"),
    "damaged": ("!", "red"),
}
_REFRESH = 0.5
_LINE_SECONDS = 60.0


class JobTable:
    """Shows the statuses of a comparison's jobs.

    Args:
        stream: where to; None is stderr.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.statuses: Sequence[Status] = ()
        self._live: Live | None = None
        self._began = self._shown = time.monotonic()
        self._before = 0.0

    @contextmanager
    def showing(self, statuses: Sequence[Status]) -> Iterator[None]:
        """Show these until the end of the block."""
        self.statuses = statuses
        self._began = self._shown = time.monotonic()
        self._before = self._work()
        self._say(f"{counted(len(statuses), 'job')}, {self._count('done')} of them done before")
        if not self.stream.isatty():
            yield
            return
        with Live(console=Console(file=self.stream), auto_refresh=False, transient=False) as live:
            self._live = live
            yield
            live.update(self._picture(), refresh=True)
        self._live = None

    def __call__(self, changed: Status | None) -> None:
        """A job has changed, or time has passed."""
        now = time.monotonic()
        if changed is not None and (self._live is None or changed.why):
            self._say(self._line(changed))
        if self._live is not None and now - self._shown > _REFRESH:
            self._live.update(self._picture(), refresh=True)
            self._shown = now
        elif self._live is None and now - self._shown > _LINE_SECONDS:
            self._say(self._totals())
            self._shown = now

    def _say(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(Text(line))
        else:
            print(line, file=self.stream, flush=True)

    def _line(self, status: Status) -> str:
        job = status.job
        what = f"{job.key}  {job.method}  seed {job.search.seed}  {job.search.search_space} on {job.search.dataset}"
        if status.state == "running":
            return f"{what}: begun, try {status.tries} of {TRIES}"
        if status.state == "waiting":
            again = f"try {status.tries} of {TRIES} failed ({status.why}), to be run again"
            stopped = f"stopped after {status.done} of {counted(status.total, 'epoch')}" if status.total else "stopped"
            return f"{what}: {again if status.why else stopped}"
        if status.state == "failed":
            return f"{what}: failed {status.tries} times ({status.why})"
        return f"{what}: done  [{self._totals()}]"

    def _totals(self) -> str:
        work = self._work() - self._before
        seconds = time.monotonic() - self._began
        left = sum(1 - status.fraction for status in self.statuses if status.state in ("waiting", "running"))
        parts = [f"{self._count('done')}/{len(self.statuses)} done", f"{self._count('running')} running"]
        parts += [f"{self._count('failed')} failed"] * (self._count("failed") > 0)
        if work > 0:
            parts += [f"{3600 * work / seconds:.1f} jobs/h", f"ETA {duration(seconds * left / work)}"]
        return "  ".join(parts)

    def _work(self) -> float:
        """Jobs done, those that run counted by their epochs."""
        return sum(status.fraction for status in self.statuses)

    def _count(self, state: str) -> int:
        return sum(status.state == state for status in self.statuses)

    def _picture(self) -> Group:
        table = Table(box=None, padding=(0, 1), header_style="bold")
        for heading in ("space", "data", "method", "seeds", "done", "now"):
            table.add_column(heading)
        rows: dict[tuple[str, str, str], list[Status]] = {}
        for status in self.statuses:
            rows.setdefault((*status.job.group, status.job.method), []).append(status)
        for names, group in rows.items():
            marks = Text()
            for status in group:
                marks.append(*_MARKS[status.state])
            done = sum(status.state == "done" for status in group)
            running = [status for status in group if status.state == "running"]
            now = [f"{s.job.search.seed}{f': {s.done}/{s.total}' if s.total else ''}" for s in running]
            table.add_row(*names, marks, f"{done}/{len(group)}", "  ".join(now))
        return Group(table, Text(self._totals()))
