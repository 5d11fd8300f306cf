"""Copies of a search's weights trained in several processes at a time, with the numbers of one after another."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from subprocess import DEVNULL, PIPE, Popen
from typing import Any, Protocol, TypeAlias

from torch import Tensor

from dadarts.architecture.supernet import Mixing
from dadarts.methods.missed import Harm
from dadarts.runs.evaluation import Counted, Name
from dadarts.searching import messages
from dadarts.searching.copies import (
    DivergedError,
    Fork,
    LostError,
    Trained,
    Underway,
    flat,
    judging,
    unflat,
    weights_of,
)
from dadarts.searching.messages import Message
from dadarts.searching.state import SearchState

_PATIENCE = 0.5
"""Seconds without an answer after which whoever waits may look up."""
_MEASURE = -1
"""In the place of a copy: the fork is measured."""


class Worker(Protocol):
    """Trains copies of a search's weights, and puts answers into a queue."""

    def send(self, **message: Any) -> None:
        """Say something; where nobody hears it, the answer tells."""
        ...

    def end(self) -> None:
        """End it at once."""
        ...

    @property
    def ended(self) -> str:
        """How it has ended by itself."""
        ...


Answers: TypeAlias = SimpleQueue[tuple[Worker, Message | None]]
"""What workers say, and None where one has ended"""


class ForkProcess:
    """A worker that is a process, and ends when this one does."""

    def __init__(self, answers: Answers) -> None:
        # What this process imports that one can, too, wherever it is found.
        found = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
        self._process = Popen(
            [sys.executable, "-P", "-m", "dadarts.searching.fork_worker"],
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={**os.environ, "PYTHONPATH": found},
            # A terminal's ^C is for the search.
            start_new_session=True,
        )
        self._answers = answers
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        file = self._process.stdout
        while file is not None and (message := messages.read(file)) is not None:
            self._answers.put((self, message))
        self._answers.put((self, None))

    def send(self, **message: Any) -> None:
        """See `Worker.send`."""
        if self._process.stdin is not None:
            with suppress(OSError):
                messages.write(self._process.stdin, **message)

    def end(self) -> None:
        """See `Worker.end`."""
        self._process.kill()
        self._process.wait()

    @property
    def ended(self) -> str:
        """See `Worker.ended`."""
        code = self._process.wait()
        # The system ends what takes too much memory by a signal.
        return "was killed, perhaps for want of memory" if code < 0 else f"has ended with code {code}"


@dataclass
class SideBySide:
    """Trains forks in processes that each hold the same search.

    Args:
        state: the search, whose own weights nothing changes.
        start: begins a worker.
    """

    state: SearchState
    start: Callable[[Answers], Worker] = ForkProcess
    _answers: Answers = field(default_factory=SimpleQueue, init=False)
    _workers: list[Worker] = field(default_factory=list, init=False)

    def begin(self, settings: Message, count: int) -> Generator[None, None, None]:
        """Begin so many processes with the search's settings, and wait until they are ready.

        Raises:
            LostError: one cannot begin.
        """
        try:
            for _ in range(count):
                self._workers.append(self.start(self._answers))
                self._workers[-1].send(**settings)
        except OSError as error:
            # A fork that finds no memory is of no file.
            of = f"{error.filename}: " if error.filename else ""
            raise LostError(f"{of}{error.strerror}") from None
        expected = {"data": self.state.foundation.data.fingerprint, "computed": self.state.computed}
        ready = 0
        while ready < count:
            for _, answer in self._heard():
                ready += 1
                if answer != expected:
                    raise LostError("it reads other pictures, or computes with another engine")
            yield

    def end(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.end()

    def _heard(self) -> Sequence[tuple[Worker, Message]]:
        """The next answer, if one comes soon.

        Raises:
            LostError: a process has ended, or cannot go on.
        """
        try:
            worker, answer = self._answers.get(timeout=_PATIENCE)
        except Empty:
            return ()
        if answer is None:
            raise LostError(f"a process that trains forks {worker.ended}")
        if "failed" in answer:
            raise LostError(f"a process that trains forks has ended: {answer['failed']}")
        return ((worker, answer),)

    def train(self, forks: Sequence[Fork]) -> Underway:
        """See `Trainer.train`."""
        rung = _Rung(self.state, [_Forked(fork, list(fork.mean)) for fork in forks], deque(self._workers))
        for forked in rung.forks:
            while (trained := forked.trained) is None:
                rung.give()
                for worker, answer in self._heard():
                    rung.take(worker, answer)
                yield rung.passed, None
            yield rung.passed, trained

    def harms(self, mixings: Mapping[Name, Mixing], pictures: int) -> Counted[Mapping[Name, Harm]]:
        """See `Trainer.harms`."""
        weights, batches = weights_of(self.state), judging(self.state, pictures).steps()
        found = []
        for passed, trained in self.train([Fork(mixing, (), 0, 0, weights, pictures) for mixing in mixings.values()]):
            found += [trained.harm] if trained is not None and trained.harm is not None else []
            yield passed // len(mixings), batches
        return dict(zip(mixings, found, strict=True))


@dataclass
class _Forked:
    """A fork that is trained and measured piece by piece.

    Args:
        mean: of its copies, once all are trained.
        copies: what has come of them, by place.
    """

    fork: Fork
    mean: list[Tensor]
    copies: dict[int, list[Tensor] | DivergedError] = field(default_factory=dict)
    thirds: int = 0
    harm: Tensor | None = None

    @property
    def trained(self) -> Trained | None:
        """What has come of it; None where something is still to be done.

        Raises:
            DivergedError: a copy has, of several the first.
        """
        if len(self.copies) < len(self.fork.copies):
            return None
        for place in range(len(self.copies)):
            copy = self.copies[place]
            if isinstance(copy, DivergedError):
                raise copy
        if self.fork.pictures is not None and self.harm is None:
            return None
        return Trained(self.mean, self.harm, self.thirds)

    def add(self, place: int, copy: list[Tensor] | DivergedError) -> bool:
        """Keep what has come of a copy; whether the mean is now there."""
        self.copies[place] = copy
        weights = [each for _, each in sorted(self.copies.items()) if not isinstance(each, DivergedError)]
        if len(weights) < len(self.fork.copies):
            return False
        for number, own in enumerate(weights):
            self.mean = self.fork.joined(number, self.mean, own)
        return True


@dataclass
class _Rung:
    """Who does what for several forks.

    Args:
        idle: workers that have nothing to do.
        passed: batches that were trained on or measured, without what was done again.
    """

    state: SearchState
    forks: list[_Forked]
    idle: deque[Worker]
    passed: int = 0
    _busy: dict[Worker, tuple[_Forked, int]] = field(default_factory=dict, init=False)
    _waiting: deque[tuple[_Forked, int]] = field(default_factory=deque, init=False)

    def __post_init__(self) -> None:
        self._begun = flat(weights_of(self.state))
        for forked in self.forks:
            self._waiting += [(forked, place) for place in range(len(forked.fork.copies))]
            if not forked.fork.copies and forked.fork.pictures is not None:
                self._waiting.append((forked, _MEASURE))

    def give(self) -> None:
        """Tell those who have nothing to do what is next."""
        while self.idle and self._waiting:
            worker, (forked, place) = self.idle.popleft(), self._waiting.popleft()
            self._busy[worker] = forked, place
            fork = forked.fork
            if place == _MEASURE:
                worker.send(weights=flat(forked.mean), mixing=fork.mixing, pictures=fork.pictures)
            else:
                worker.send(weights=self._begun, copy=asdict(fork.copies[place]))

    def take(self, worker: Worker, answer: Message) -> None:
        """Take notice of what a worker has done."""
        forked, place = self._busy[worker]
        counts = place == _MEASURE or place >= forked.fork.again
        self.passed += answer["steps"] if counts else 0
        if "thirds" not in answer:
            return
        del self._busy[worker]
        self.idle.append(worker)
        forked.thirds += answer["thirds"] if counts else 0
        if place == _MEASURE:
            forked.harm = answer["harm"]
            return
        copy = DivergedError(answer["loss"], answer["step"]) if "loss" in answer else self._weights(answer)
        if forked.add(place, copy) and forked.fork.pictures is not None:
            # Before other copies: a fork that is through may be saved.
            self._waiting.appendleft((forked, _MEASURE))

    def _weights(self, answer: Message) -> list[Tensor]:
        return unflat(self.state, answer["weights"])
