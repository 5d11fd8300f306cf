"""Runs a fuzzer's inputs in a process that may crash, hang or run out of memory, and says what became of each."""

from __future__ import annotations

import faulthandler
import importlib
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from dadarts.errors import DadartsError
from tests.commands import IMPORTED_BEFORE_FORKING
from tests.fuzz.fuzzer import LONGEST_LINE, Fuzzer

ACCEPTED, REFUSED = "accepted", "refused"
_PREPARE = -1
"""Sent in place of a seed."""
_PREPARING_S = 300.0
_INPUTS_OF_A_PROCESS = 200
"""Memory that inputs leave behind must not be laid to a later one's charge."""
_SLACK_S = 10.0
"""What a busy machine may add to an input's time."""


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    Args:
        kind: `ACCEPTED`, `REFUSED`, or what is wrong and where, in a few words: equal faults are of equal kinds.
        text: all that is known of it.
    """

    seed: int
    kind: str
    text: str = ""

    @property
    def is_bad(self) -> bool:
        return self.kind not in (ACCEPTED, REFUSED)


def fuzzers() -> dict[str, str]:
    """Every fuzzer's name, and the module that it is in."""
    modules = [f"{__package__}.{path.stem}" for path in sorted(Path(__file__).parent.glob("fuzz_*.py"))]
    return {fuzzer.name: module for module in modules for fuzzer in importlib.import_module(module).FUZZERS}


def _fuzzer(module: str, name: str) -> Fuzzer:
    found: Fuzzer = next(one for one in importlib.import_module(module).FUZZERS if one.name == name)
    return found


class Campaign:
    """Inputs of one fuzzer.

    Args:
        module: where it is.
        folder: an empty folder; the input at hand is left in ``input`` there.
        bases: a folder for what fuzzers prepare, which those of one `prepare` share.
    """

    def __init__(self, module: str, name: str, folder: Path, bases: Path) -> None:
        self.fuzzer = _fuzzer(module, name)
        self.input = folder / "input"
        prepare = self.fuzzer.prepare
        base = bases / ("none" if prepare is None else f"{prepare.__module__}.{prepare.__qualname__}")
        self._arguments = module, name, folder, base
        self._child: _Child | None = None
        if prepare is not None and not base.is_dir():
            outcome = self._with_child(_PREPARE, _PREPARING_S)
            if outcome.is_bad:
                raise RuntimeError(f"{name} cannot be prepared: {outcome.text}")

    def outcomes(self, seeds: Iterable[int]) -> Iterator[Outcome]:
        """What becomes of the inputs of seeds, one after another."""
        for count, seed in enumerate(seeds, start=1):
            if count % _INPUTS_OF_A_PROCESS == 0:
                self.close()
            yield self._with_child(seed, self.fuzzer.seconds + _SLACK_S)

    def _with_child(self, seed: int, seconds: float) -> Outcome:
        if self._child is None:
            self._child = _Child(*self._arguments)
        outcome, is_alive = self._child.outcome(seed, seconds)
        if not is_alive:
            self.close()
        return outcome

    def close(self) -> None:
        """End the process that runs the inputs."""
        if self._child is not None:
            self._child.end()
        self._child = None


class _Child:
    def __init__(self, module: str, name: str, folder: Path, base: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED_BEFORE_FORKING)
        self._pipe, theirs = context.Pipe()
        self._log = folder / "stderr"
        self._log.unlink(missing_ok=True)
        self._process = context.Process(target=_serve, args=(module, name, folder, base, theirs), daemon=True)
        self._process.start()
        theirs.close()
        # Its imports are not an input's to pay for.
        if self._pipe.poll(_PREPARING_S):
            self._pipe.recv()

    def outcome(self, seed: int, seconds: float) -> tuple[Outcome, bool]:
        """What becomes of an input, and whether the process lives on."""
        try:
            self._pipe.send(seed)
            if self._pipe.poll(seconds):
                return Outcome(seed, *self._pipe.recv()), True
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode or 0
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return Outcome(seed, f"crash: {how} {self._place()}", self._said()), False
        return Outcome(seed, f"hang: {self._place()}", self._said()), False

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-20_000:] if self._log.exists() else ""

    def _place(self) -> str:
        """The innermost of our frames in what faulthandler has written, most recent call first."""
        frames = [line.strip() for line in self._said().splitlines() if line.strip().startswith("File ")]
        own = next((line for line in frames if "/dadarts/" in line), frames[0] if frames else "nowhere")
        return own.rpartition("/")[2].replace('"', "")

    def end(self) -> None:
        with suppress(OSError):
            self._pipe.close()
        if self._process.is_alive():
            self._process.kill()
        self._process.join()


def _serve(module: str, name: str, folder: Path, base: Path, pipe: Connection[Any, Any]) -> None:
    log = os.open(folder / "stderr", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(log, number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    faulthandler.enable(file=log)
    fuzzer = _fuzzer(module, name)
    _bound_memory(fuzzer.memory)
    pipe.send(None)
    with suppress(EOFError):
        while True:
            seed = pipe.recv()
            faulthandler.dump_traceback_later(_PREPARING_S if seed == _PREPARE else fuzzer.seconds, file=log)
            pipe.send(_prepared(fuzzer, base) if seed == _PREPARE else _tried(fuzzer, seed, base, folder))
            faulthandler.cancel_dump_traceback_later()
    # Threads that an input has left behind must not keep the process.
    os._exit(0)


def _bound_memory(room: int) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return
    now = int(statm.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + room, resource.RLIM_INFINITY))


def _prepared(fuzzer: Fuzzer, base: Path) -> tuple[str, str]:
    base.mkdir(parents=True)
    os.chdir(base)
    try:
        if fuzzer.prepare is not None:
            fuzzer.prepare(base)
    except BaseException:
        shutil.rmtree(base, ignore_errors=True)
        return "cannot be prepared", traceback.format_exc()
    return ACCEPTED, ""


def _tried(fuzzer: Fuzzer, seed: int, base: Path, folder: Path) -> tuple[str, str]:
    place = folder / "input"
    os.chdir(folder)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    os.chdir(place)
    try:
        fuzzer.make(Random(f"{fuzzer.name} {seed}"), base, place)
        fuzzer.use(place)
    except DadartsError as error:
        return _judged(str(error))
    except BaseException as error:
        return _kind(error), traceback.format_exc()[-20_000:]
    return ACCEPTED, ""


def _judged(refusal: str) -> tuple[str, str]:
    if len(refusal.splitlines()) != 1:
        return "message: not one line", refusal[:5000]
    if len(refusal) > LONGEST_LINE:
        return f"message: over {LONGEST_LINE} characters", refusal[:5000]
    return REFUSED, refusal


def _kind(error: BaseException) -> str:
    """An exception by its type and the innermost place in dadarts that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/dadarts/" in frame.filename] or frames
    what = type(error).__name__
    if isinstance(error, AssertionError):
        what = f"AssertionError ({str(error)[:60]})".replace("\n", " ")
    return f"{what} at {Path(own[-1].filename).name}:{own[-1].lineno}"
