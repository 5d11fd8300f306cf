"""How SIGINT and SIGTERM stop a run: after the step at hand, or at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dadarts.cli.early import answer_with, prints


class StoppedEarlyError(BaseException):
    """A signal that asks for an end at once: before the run has begun, or the second one.

    Args:
        number: the signal's.
        has_checkpoint: whether the run can be gone on with.
    """

    def __init__(self, number: int, has_checkpoint: bool) -> None:
        kept = "; the last checkpoint is kept" if has_checkpoint else ", before a first checkpoint: nothing was saved"
        super().__init__(f"stopped at once{kept}")
        self.number = number


class Signals:
    """The signals that have come. Until `begin` one ends the process at once, and after `end` none does anything.

    Args:
        resumes: whether the run has a checkpoint before it begins here.
    """

    def __init__(self, resumes: bool = False) -> None:
        self._resumes = resumes
        self._received = 0
        self._begun = False
        self._over = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """What is called when a signal comes."""
        if self._over:
            return
        if not self._begun or self._received:
            raise StoppedEarlyError(number, self.has_checkpoint)
        self._received = number
        if prints():
            # A handler runs in the midst of whatever is printed, which print() would refuse.
            os.write(2, b"\nstopping and saving after this step; another signal stops at once\n")

    @property
    def has_checkpoint(self) -> bool:
        """Whether the run can be gone on with."""
        return self._resumes or self._begun

    def begin(self) -> int:
        """From now on a signal waits for the next call, which returns it; 0 is none."""
        self._begun = True
        return self._received

    def end(self) -> None:
        """All is saved and said."""
        self._over = True


@contextmanager
def stop_signals(resumes: bool = False) -> Iterator[Signals]:
    """Collect SIGINT and SIGTERM for a while, for a run that goes on from a checkpoint or is new."""
    signals = Signals(resumes)
    before = answer_with(signals.handle)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
