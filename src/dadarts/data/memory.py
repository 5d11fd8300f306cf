"""How much memory decoded pictures may take."""

from __future__ import annotations

import os
from pathlib import Path

SHARE = 0.5
"""The share of the available memory that decoded pictures may take; beyond it they are streamed."""


def budget() -> int:
    """Bytes that decoded pictures may take now."""
    return int(SHARE * min(_free_on_the_machine(), _free_in_the_container()))


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
