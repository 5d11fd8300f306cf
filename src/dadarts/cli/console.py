"""Progress for a person: a live line on a terminal, plain lines anywhere else; always on stderr."""

from __future__ import annotations

import math
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from dadarts.cli import columns
from dadarts.cli.eta import Forecast
from dadarts.errors import in_python
from dadarts.pacing import SILENCE, duration
from dadarts.runs.events import (
    AssessmentStep,
    EpochDone,
    Event,
    Note,
    PartBegun,
    RunStarted,
    SelectionStep,
    StepDone,
    ValidationStep,
)

_GLANCE = 1.0
_CELLS = 10


class Progress:
    """A sink that shows events on `stream` and logs what should last to log.txt.

    Args:
        print_freq: steps between two plain lines; after ten seconds without one a line is due whatever it is.
        log: writes a line to the run's log.txt; called only after `RunStarted`.
        stream: where to show progress; None is stderr.
        silent: show and log nothing, as all but the first of several processes do.
        clock: seconds that only grow.
        written: a marked message as the command says it.
    """

    def __init__(
        self,
        print_freq: int,
        log: Callable[[Path, str], None],
        stream: TextIO | None = None,
        *,
        silent: bool = False,
        clock: Callable[[], float] = time.monotonic,
        written: Callable[[str], str] = in_python,
    ) -> None:
        self.print_freq = print_freq
        self.stream = sys.stderr if stream is None else stream
        self.live = self.stream.isatty()
        self.silent = silent
        self._log = log
        self._folder: Path | None = None
        self._clock = clock
        self._written = written
        self._forecast = Forecast(clock)
        self._doing, self._began, self._said = "getting ready", clock(), clock()
        self._done = 0.0
        # Whoever waits for a long step is another thread.
        self._writing = threading.RLock()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if self.silent:
            return
        with self._writing:
            self._forecast(event)
            self._show(event)

    def _show(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._folder = event.folder
                self.say(self._written(event.data))
                self.say(event.summary)
                self._do("the first step is under way")
            case Note():
                self.say(f"note: {self._written(event.marked)}")
            case PartBegun():
                self.say(str(event))
                self._do(event.what)
            case StepDone():
                self._done = (event.epoch + event.step / event.steps) / event.epochs
                # That of the last step needs no line: the epoch's follows.
                self._do(str(event), event.step % self.print_freq == 0)
            case ValidationStep() | AssessmentStep() | SelectionStep():
                self._do(str(event))
            case EpochDone():
                self.say(str(event))
                self._doing, self._began = f"after epoch {event.epoch + 1}/{event.epochs}", self._clock()
            case _:
                pass

    def say(self, line: str) -> None:
        """A line that stays, on the stream and in the log."""
        if self.silent:
            return
        with self._writing:
            self.show(line)
            if self._folder is not None:
                self._log(self._folder, line)

    def show(self, line: str) -> None:
        """A line that stays on the stream alone."""
        with self._writing:
            print(f"\r\x1b[K{line}" if self.live else line, file=self.stream, flush=True)
            self._said = self._clock()

    def tick(self) -> None:
        """Say what is going on where nothing has been said for too long."""
        with self._writing:
            if not (self.silent or self.live) and self._is_due:
                waited = self._clock() - self._began
                self._write(f"{self._doing}{self._forecast}  (for {duration(waited)})")

    @contextmanager
    def ticking(self, glance: float = _GLANCE) -> Iterator[None]:
        """Call `tick` every now and then meanwhile: a first step, which compiles, may take minutes."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(glance):
                self.tick()

        watching = threading.Thread(target=watch, name="progress", daemon=True)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()

    @property
    def _is_due(self) -> bool:
        return self._clock() - self._said >= SILENCE

    def _do(self, doing: str, is_asked_for: bool = False) -> None:
        self._doing, self._began = doing, self._clock()
        if self.live or is_asked_for or self._is_due:
            self._write(f"{doing}{self._forecast}")

    def _write(self, line: str) -> None:
        if self.live:
            # A line that wraps could not be written over.
            cells = shutil.get_terminal_size().columns - 1
            self.stream.write(f"\r\x1b[K{columns.cut(f'{_bar(self._done, self.stream.encoding)} {line}', cells)}")
            self.stream.flush()
        else:
            self.show(line)


def _bar(done: float, encoding: str | None) -> str:
    """How much is done of the run at hand, in ten cells.

    >>> _bar(0.25, "utf-8"), _bar(1.0, "ascii")
    ('███░░░░░░░', '##########')
    """
    full, empty = "█░" if (encoding or "utf-8").lower().startswith("utf") else "#-"
    filled = min(_CELLS, math.ceil(_CELLS * done))
    return full * filled + empty * (_CELLS - filled)
