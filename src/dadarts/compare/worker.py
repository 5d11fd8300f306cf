"""One job in a process of its own: ``python -m dadarts.compare.worker FOLDER``.

An ordinary search, and an ordinary training of what it finds: they begin, resume and stop as by hand. Nothing here may
read the ground truth.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from dadarts import files
from dadarts.cli import configs, execute
from dadarts.compare.executors import PLUGIN_VARIABLE
from dadarts.compare.jobs import key_of, training_of
from dadarts.compare.store import JobFolder
from dadarts.config import SearchConfig
from dadarts.config.run import RunConfig
from dadarts.errors import CheckpointError, InputError, RunError
from dadarts.lock import locked
from dadarts.machine import most_taken
from dadarts.rundir.kinds import SEARCH, TRAINING, Kind
from dadarts.runs.folder import RunFolder

_PATIENCE = 120.0
"""Seconds that the process of an earlier try may take to save and end."""
_MOMENT = 5.0
"""Seconds between making a run's folder and holding it, at the very most."""
_GLANCE = 0.2


def work(folder: JobFolder) -> int:
    """Do what is left of a job. Returns the exit code."""
    description = json.loads(files.read_text(folder.job))
    config = SearchConfig(**description["search"])
    _refuse_other_costs(config, description["plugins"])
    from dadarts.searching.loop import search

    code = _run(search, config, SEARCH)
    genotype = RunFolder(SEARCH.folder(config.runs_dir, config.name)).result()
    if code or genotype is None:
        return code
    if not folder.measured.is_file():
        measured = {"peak_memory_bytes": _peak_memory(), "source": source_hash()}
        files.write_text(folder.measured, json.dumps(measured, indent=1) + "\n")
    if description["training"] is None:
        return 0
    from dadarts.training.loop import train

    training = training_of(description["training"], genotype, description["plugins"])
    run = RunFolder(TRAINING.folder(training.runs_dir, training.name))
    # A job of equal settings that has found the same genotype may be training it: one training serves both.
    while True:
        while run.is_held:
            time.sleep(_GLANCE)
        if run.result() is not None:
            return 0
        try:
            return _run(train, training, TRAINING)
        except InputError:
            if not _is_anothers(run):
                raise


def _is_anothers(run: RunFolder) -> bool:
    """Whether a run that could not be begun is one that another process was a moment faster to begin."""
    deadline = time.monotonic() + _MOMENT
    while time.monotonic() < deadline:
        if run.is_held or run.result() is not None:
            return True
        time.sleep(_GLANCE)
    return False


@contextmanager
def alone(folder: JobFolder) -> Iterator[None]:
    """Hold a job: a process that has lost its parent on another machine may be about to save it yet.

    Raises:
        RunError: another process does not let go of it.
    """
    deadline = time.monotonic() + _PATIENCE
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(locked(folder.path, lambda _: ""))
                break
            except InputError:
                if time.monotonic() > deadline:
                    raise RunError(f"{folder.path} is held by another process of this job") from None
                time.sleep(_GLANCE)
        yield


def _run(loop: Any, config: RunConfig, kind: Kind) -> int:
    run = RunFolder(kind.folder(config.runs_dir, config.name))
    if not run.exists:
        return _carried_out(loop, config)
    # A run that goes on keeps the threads and the engine that it began with.
    kept = {"threads": None, "engine": "auto"}
    try:
        return _carried_out(loop, config.model_copy(update=kept), resume=True)
    except CheckpointError as error:
        print(f"{error.marked}: it begins anew", file=sys.stderr)
        return _carried_out(loop, config, overwrite=True)


def _carried_out(loop: Any, config: RunConfig, *, resume: bool = False, overwrite: bool = False) -> int:
    events = partial(loop, config, resume=resume, overwrite=overwrite)
    return execute.run(events, config.print_freq, ["dadarts", "compare"], ["as a job"], resumes=resume, go_on=())


def _peak_memory() -> int:
    """Most bytes that this process has had resident; on a CUDA device those that torch has allocated there besides."""
    import torch

    return most_taken() + (torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)


def source_hash() -> str:
    """SHA-256 of this package's source files: which program computed a result."""
    package = Path(__file__).parents[1]
    digest = sha256()
    for path in sorted(package.rglob("*")):
        if path.suffix in (".py", ".cpp", ".hpp"):
            digest.update(f"{path.relative_to(package)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _end_with_parent() -> None:
    """Stop and save when whoever started this process is gone: standard input ends with it."""
    # Not through sys.stdin, whose lock the interpreter cannot end without.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _refuse_other_plugins(folder: JobFolder, found: Mapping[str, str]) -> None:
    """Refuse a plugin that has changed since the comparison was begun, or is another on this machine.

    Raises:
        InputError: it says which.
    """
    expected = json.loads(files.read_text(folder.job))["plugins"]
    for name, is_now in found.items():
        if is_now not in expected:
            raise InputError(
                f"-plugin {name} is not what it was when the comparison was begun, whose results would be mixed; "
                "give the command again"
            )


def _refuse_other_costs(config: SearchConfig, plugins: Sequence[str]) -> None:
    """Refuse a table of costs that has changed since the comparison was begun.

    Raises:
        InputError: it has.
    """
    if config.costs is not None and key_of(config, plugins) != config.name:
        raise InputError(
            f"-costs {config.costs} is not what it was when the comparison was begun, whose results would be mixed; "
            "give the command again"
        )


def main(folder: JobFolder) -> int:
    plugins = os.environ.get(PLUGIN_VARIABLE, "")
    _refuse_other_plugins(folder, configs.plugin_fingerprints(plugins))
    configs.load_plugins({"plugin": plugins})
    with alone(folder):
        return work(folder)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(execute.guarded("dadarts compare", lambda: main(JobFolder(Path(sys.argv[1])))))
