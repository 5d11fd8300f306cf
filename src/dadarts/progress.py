"""Progress for a person: a live line on a terminal, plain lines anywhere else; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from dadarts.events import EpochDone, Event, Note, Row, RunStarted, SelectionStep, StepDone, ValidationStep


class Progress:
    """A sink that shows events on `stream` and logs what should last to log.txt.

    Args:
        print_freq: steps between two plain lines.
        log: writes a line to the run's log.txt; called only after `RunStarted`.
        stream: where to show progress; None is stderr.
        silent: show and log nothing, as all but the first of several processes do.
    """

    def __init__(
        self,
        print_freq: int,
        log: Callable[[Path, str], None],
        stream: TextIO | None = None,
        *,
        silent: bool = False,
    ) -> None:
        self.print_freq = print_freq
        self.stream = sys.stderr if stream is None else stream
        self.live = self.stream.isatty()
        self.silent = silent
        self._log = log
        self._folder: Path | None = None
        self._began = time.monotonic()
        self._steps_here = 0

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if self.silent:
            return
        match event:
            case RunStarted():
                self._folder = event.folder
                self.say(event.data)
                self.say(event.summary)
            case Note():
                self.say(f"note: {event.text}")
            case StepDone():
                self._steps_here += 1
                if self.live or event.step % self.print_freq == 0 or event.step == event.steps:
                    self._transient(self._step_line(event))
            case ValidationStep() if self.live:
                self._transient(f"epoch {event.epoch + 1}/{event.epochs}  validating {event.step}/{event.steps}")
            case SelectionStep() if self.live:
                self._transient(f"selecting {event.step}/{event.steps}")
            case EpochDone():
                self.say(_epoch_line(event))
            case _:
                pass

    def say(self, line: str) -> None:
        """A line that stays, on the stream and in the log."""
        if self.silent:
            return
        print(f"\r\x1b[K{line}" if self.live else line, file=self.stream, flush=True)
        if self._folder is not None:
            self._log(self._folder, line)

    def _transient(self, line: str) -> None:
        if self.live:
            self.stream.write(f"\r\x1b[K{line}")
            self.stream.flush()
        else:
            print(line, file=self.stream, flush=True)

    def _step_line(self, event: StepDone) -> str:
        left = (event.epochs - event.epoch) * event.steps - event.step
        seconds = (time.monotonic() - self._began) / self._steps_here * left
        return (
            f"epoch {event.epoch + 1}/{event.epochs}  step {event.step}/{event.steps}  loss {event.loss:.4f}  "
            f"accuracy {event.accuracy:.1%}  {event.images_per_second:,.0f} images/s  ETA {_duration(seconds)}"
        )


def _epoch_line(event: EpochDone) -> str:
    row = event.row
    parts = [f"epoch {event.epoch + 1}/{event.epochs}", f"loss {_number(row, 'train_loss'):.4f}"]
    labels = {
        "train_top1": "train {:.1%}",
        "valid_top1": "valid {:.1%}",
        "discretization_gap": "gap {:+.1%}",
        "temperature": "T {:.4g}",
        "alpha_entropy": "entropy {:.3f}",
        "changed_choices": "{} choices changed",
        "images_per_second": "{:,.0f} images/s",
        "share_loading": "loading {:.1%}",
    }
    parts += [label.format(row[name]) for name, label in labels.items() if row.get(name) is not None]
    return "  ".join(parts)


def _number(row: Row, name: str) -> float:
    return float(row[name] or 0)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
