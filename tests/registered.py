"""What plugins register, gone again after a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dadarts.architecture.operations import OPS
from dadarts.architecture.spaces import SPACES
from dadarts.data.registry import KNOWN
from dadarts.loggers.known import LOGGERS
from dadarts.methods.catalogue import METHODS
from dadarts.methods.penalties import PENALTIES
from dadarts.methods.relaxations import RELAXATIONS
from dadarts.methods.selection import SELECTIONS

TABLES: tuple[Any, ...] = (OPS, SPACES, RELAXATIONS, PENALTIES, SELECTIONS, METHODS, KNOWN, LOGGERS)


@contextmanager
def forgotten() -> Iterator[None]:
    """Put back what was registered before, and forget the modules of plugins."""
    before = [dict(table) for table in TABLES]
    try:
        yield
    finally:
        for table, entries in zip(TABLES, before, strict=True):
            table.clear()
            table.update(entries)
        for name in [name for name in sys.modules if name.startswith("dadarts_plugin_")]:
            del sys.modules[name]
