"""What a logger is, and all loggers of a run as one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from dadarts import files
from dadarts.rundir.history import EPOCH, Row


@dataclass(frozen=True)
class Logged:
    """The run that a logger is opened for.

    Args:
        folder: where it is.
        kind: ``search`` or ``train``.
        name: what it is called.
        settings: all of them, as JSON values.
        first_epoch: where this process goes on; what an earlier one has told from there on does not hold.
    """

    folder: Path
    kind: str
    name: str
    settings: Mapping[str, Any]
    first_epoch: int

    def remembered(self, what: str) -> str | None:
        """What a logger has kept for when the run goes on, such as the name that a server gave it."""
        path = self.folder / f".{what}"
        return files.read_text(path).strip() if path.is_file() else None

    def remember(self, what: str, text: str) -> None:
        """Keep a line for `remembered`; it goes with the run, so that one that replaces it knows nothing of it."""
        files.write_text(self.folder / f".{what}", f"{text}\n")


class Logger(Protocol):
    """Takes the history of a run, epoch after epoch."""

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take the measures of an epoch, the first being 0; those that were not measured are left out."""

    def result(self, values: Mapping[str, float]) -> None:
        """Take what the run has ended with, such as a test accuracy."""

    def close(self, ended: bool) -> None:
        """Finish; `ended` is False where the run was stopped, or has failed, before its end."""


Opener: TypeAlias = Callable[[Logged], Logger]
"""Opens a logger for a run, which may be one that goes on."""


class Loggers:
    """All loggers of a run as one."""

    def __init__(self) -> None:
        self._loggers: list[Logger] = []
        self._ended = False

    def add(self, logger: Logger) -> None:
        """Tell another one, too."""
        self._loggers.append(logger)

    def epoch(self, row: Row) -> None:
        """Tell a row of history."""
        number = int(EPOCH.of(row) or 0)
        for logger in self._loggers:
            logger.epoch(number, _numbers({name: value for name, value in row.items() if name != EPOCH.name}))

    def result(self, values: Mapping[str, Any]) -> None:
        """Tell the numbers of what the run has ended with."""
        self._ended = True
        for logger in self._loggers:
            logger.result(_numbers(values))

    def close(self, failed: bool) -> None:
        """Close all, whichever of them cannot be."""
        with ExitStack() as closing:
            for logger in reversed(self._loggers):
                closing.callback(logger.close, self._ended and not failed)


@contextmanager
def opened(openers: Sequence[Opener], logged: Logged) -> Iterator[Loggers]:
    """The loggers of a run, which are closed at the end.

    Raises:
        RunError: one cannot be opened, or told; it says why.
    """
    loggers = Loggers()
    try:
        for opener in openers:
            loggers.add(opener(logged))
        yield loggers
    except BaseException:
        # What ended the run is said, and not that a server which may be why cannot be told so.
        with suppress(Exception):
            loggers.close(failed=True)
        raise
    loggers.close(failed=False)


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    plain = {name: value for name, value in values.items() if isinstance(value, int | float)}
    return {name: float(value) for name, value in plain.items() if math.isfinite(value)}
