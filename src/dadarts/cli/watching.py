"""The events of a run, followed to the last one: silently, or with its progress shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dadarts.cli import console
from dadarts.runs.events import Event


def last_of(events: Iterable[Event]) -> Event:
    """Follow a run to its end; the last event.

    Where this is interrupted, the run stops and is kept, to be gone on with.
    """
    with _closed(events):
        last = None
        for event in events:
            last = event
    assert last is not None  # noqa: S101 -- a run has events
    return last


def progress(events: Iterable[Event]) -> Event:
    """Follow a run to its end and show how it goes; the last event."""
    shown = console.Progress(50, lambda folder, line: None)

    def watched() -> Iterator[Event]:
        with _closed(events):
            for event in events:
                shown(event)
                yield event

    with shown.ticking():
        return last_of(watched())


@contextmanager
def _closed(events: Any) -> Iterator[None]:
    """Close a generator at the end, even where its iteration was left by an error."""
    try:
        yield
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
