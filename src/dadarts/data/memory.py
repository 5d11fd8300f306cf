"""How much memory decoded pictures may take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from dadarts import machine

SHARE = 0.5
"""The share of the available memory that decoded pictures may take; beyond it they are streamed."""


class Gate:
    """Lets threads of a process take memory at once as far as it goes round, and the others wait for their turn."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._taken = 0

    @contextmanager
    def taking(self, size: int) -> Iterator[None]:
        """While this lasts, `size` bytes are taken; one thread at a time may always go on, however many they are."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken == 0 or self._taken + size <= budget())
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()


def budget() -> int:
    """Bytes that decoded pictures may take now."""
    return int(SHARE * machine.free_memory())
