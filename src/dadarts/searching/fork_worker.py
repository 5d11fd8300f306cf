"""A process that trains copies of a search's weights: ``python -m dadarts.searching.fork_worker``.

It builds the same search once, and is then told on stdin what to do and with which weights (see `side_by_side`). It
ends with the process that has begun it, and writes nothing but answers.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from functools import partial
from queue import SimpleQueue
from typing import Any, BinaryIO, Protocol

from dadarts import plugins
from dadarts.config import SearchConfig
from dadarts.errors import DadartsError, shortened
from dadarts.runs.returning import Returning
from dadarts.searching import messages
from dadarts.searching.copies import Copy, DivergedError, flat, measured, take, trained, unflat, weights_of
from dadarts.searching.messages import Message
from dadarts.searching.state import SearchState, build

_GLANCE = 0.1
"""Seconds between two reports."""


class Answer(Protocol):
    """Says something to who has begun this."""

    def __call__(self, **message: Any) -> None: ...


class Worker:
    """Does what it is told.

    Args:
        state: the search, whose weights nobody else needs.
    """

    def __init__(self, state: SearchState, answer: Answer) -> None:
        state.bilevel.work.begin_selection()
        self._state = state
        self._answer = answer
        self._steps = 0
        self._told = time.monotonic()

    def do(self, task: Message) -> None:
        """Train a copy, or measure a fork."""
        take(self._state, unflat(self._state, task["weights"]))
        with self._state.bilevel.work.apart() as own:
            try:
                found = self._train(Copy(**task["copy"])) if "copy" in task else self._measure(task)
            except DivergedError as error:
                found = {"loss": error.loss, "step": error.step}
        self._answer(steps=self._steps, thirds=own.thirds, **found)
        self._steps = 0

    def _train(self, copy: Copy) -> dict[str, Any]:
        for _ in trained(self._state, copy):
            self._passed()
        return {"weights": flat(weights_of(self._state))}

    def _measure(self, task: Message) -> dict[str, Any]:
        measuring = Returning(measured(self._state, task["mixing"], task["pictures"]))
        for _ in measuring:
            self._passed()
        return {"harm": measuring.value}

    def _passed(self) -> None:
        self._steps += 1
        if time.monotonic() - self._told > _GLANCE:
            self._answer(steps=self._steps)
            self._steps, self._told = 0, time.monotonic()


def _listen(file: BinaryIO, told: SimpleQueue[Message]) -> None:
    while (message := messages.read(file)) is not None:
        told.put(message)
    # Whoever wanted something is gone; the other thread may be in the midst of a long training.
    os._exit(1)


def _begun(settings: Message) -> SearchState:
    plugins.load(settings["plugin"] or ())
    return build(SearchConfig(**settings))


def main() -> None:
    """Answer what comes on stdin until it ends."""
    inbox, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What else is printed is no answer.
    os.dup2(2, 1)
    told: SimpleQueue[Message] = SimpleQueue()
    threading.Thread(target=_listen, args=(inbox, told), daemon=True).start()
    answer = partial(messages.write, out)
    try:
        state = _begun(told.get())
        answer(data=state.foundation.data.fingerprint, computed=state.computed)
        worker = Worker(state, answer)
        while True:
            worker.do(told.get())
    except DadartsError as error:
        answer(failed=error.marked)
    except Exception as error:
        answer(failed=shortened(f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(1)
