"""The events of a run, followed to the last one: silently, or with its progress shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dadarts.cli import console, notebook
from dadarts.runs.events import Event


def last_of(events: Iterable[Event]) -> Event:
    """Follow a run to its end; the last event.

    Where this is interrupted, the run stops and is kept, to be gone on with.
    """
    return _followed(events, lambda event: None)


def progress(events: Iterable[Event]) -> Event:
    """Follow a run to its end and show how it goes: a bar in a notebook, a live line on a terminal; the last event.

    >>> done = dadarts.progress(dadarts.fit(config))  # doctest: +SKIP

    An interrupted run (Ctrl-C, the kernel's stop button) is kept, and ``resume=True`` goes on with it.
    """
    follower = notebook.follower()
    if follower is not None:
        return _followed(events, follower)
    shown = console.Progress(50, lambda folder, line: None)
    with shown.ticking():
        last = _followed(events, shown)
        shown.show(str(last))
    return last


def _followed(events: Iterable[Event], told: Callable[[Event], None]) -> Event:
    last = None
    with _closed(events):
        for event in events:
            told(event)
            last = event
    assert last is not None  # noqa: S101 -- a run has events
    return last


@contextmanager
def _closed(events: Any) -> Iterator[None]:
    """Close a generator at the end, where its iteration was left by an error too."""
    try:
        yield
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
