"""How much memory decoded pictures may take."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition

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
    return int(SHARE * min(_free_on_the_machine(), _free_in_the_container(), _free_for_the_process()))


def _free_on_the_machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return 1024 * int(kilobytes)


def _free_in_the_container() -> int:
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        return max(0, limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # No such group, or no limit, which is written "max".
        return 1 << 62


def _free_for_the_process() -> int:
    """What `ulimit -v` leaves."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return 1 << 62
    try:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        taken = 0
    return max(0, limit - taken)
