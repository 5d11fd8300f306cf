"""The commands as a user gives them, in this process or in one of its own, and what is left of a run."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from csv import DictReader
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.torch import load_file

from dadarts import main, report
from dadarts.cli import original

ROOT = Path(__file__).parents[1]

EntryPoint = Callable[[Sequence[str]], int]
search: EntryPoint = original.search_main
augment: EntryPoint = original.augment_main
modern: EntryPoint = main.main
ENTRY_POINTS: dict[str, EntryPoint] = {"search": search, "augment": augment, "dadarts": modern}

COMMON = [
    *("-dataset", "digits", "-epochs", "2", "-init_channels", "2", "-layers", "1", "-batch_size", "16"),
    *("-workers", "0", "-device", "cpu", "-threads", "1", "-dataset_portion", "0.1"),
]
TINY = [*COMMON, "-nodes", "1"]
"""A search of two epochs of four steps in the darts space."""
TINIEST = [*COMMON, "-nodes", "2", "-search_space", "connect-nas-bench"]
"""The same with the fewest operations: the fastest."""
QUICKEST = ["64" if word == "16" else word for word in [*TINIEST, "-first_order"]]
"""Two epochs of one step of first order: where nothing asks what a step does."""

DARTS_GENOTYPE = (
    "Genotype(normal=[[('sep_conv_3x3', 0), ('skip_connect', 1)]], normal_concat=[2], "
    "reduce=[[('max_pool_3x3', 0), ('dil_conv_3x3', 1)]], reduce_concat=[2])"
)
BENCH_GENOTYPE = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
TINY_TRAINING = [*COMMON, "-cutout_length", "2", "-genotype", DARTS_GENOTYPE]
"""A training of two epochs of eight steps."""

_START = 'python search.py -name "some_name" -dataset cifar10'
SEED_LINES = {
    "Discretization at Validation Time": f"{_START} -hd_on_weights -workers 4",
    "Differentiable TopK on alphas": (
        f"{_START} -topk_on_alphas -linear_temperature_increase -linear_temperature_max 200 -workers 4"
    ),
    "Differentiable TopK on alphas and weights": (
        f"{_START} -topk_on_alphas -topk_on_weights -linear_temperature_increase -linear_temperature_max 200 -workers 4"
    ),
    "Discretization Additional Loss": f"{_START} -dal_on_alphas -workers 4",
    "DADARTS": (
        f"{_START} -dal_on_alphas -topk_on_alphas -linear_temperature_increase -linear_temperature_max 200 "
        "-hd_on_weights -workers 4"
    ),
}
"""The searches on the original's page, letter by letter."""
SEED_TRAINING = (
    'python augment.py -name "some_name" -dataset cifar10 -workers 4 -genotype "Genotype('
    "normal=[[('max_pool_3x3', 0), ('max_pool_3x3', 1)], [('max_pool_3x3', 2), ('max_pool_3x3', 0)], "
    "[('max_pool_3x3', 3), ('max_pool_3x3', 0)], [('max_pool_3x3', 4), ('max_pool_3x3', 0)]], "
    "normal_concat=[2, 3, 4, 5], "
    "reduce=[[('dil_conv_3x3', 0), ('dil_conv_3x3', 1)], [('max_pool_3x3', 2), ('sep_conv_3x3', 0)], "
    "[('max_pool_3x3', 2), ('max_pool_3x3', 3)], [('max_pool_3x3', 2), ('max_pool_3x3', 3)]], "
    'reduce_concat=[2, 3, 4, 5])"'
)
"""The training on the original's page."""

IMPORTED_BEFORE_FORKING = [
    *("torch.distributed.nn.functional", "torch.utils.tensorboard", "dadarts.searching.loop", "dadarts.training.loop"),
    *("dadarts.compare.worker", "tests.commands"),
]

_WAITED = re.compile(r"getting ready  \(for \d+:\d\d\)")

TIMES = ("seconds", "share_", "images_per_second")
"""What the columns of history that no seed decides begin with."""


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.splitlines()[-1]


def call(entry: EntryPoint, *words: str) -> Outcome:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = entry(words)
    return Outcome(code, out.getvalue(), err.getvalue())


def succeed(entry: EntryPoint, *words: str) -> Outcome:
    """Run a command that must end with 0."""
    outcome = call(entry, *words)
    if outcome.code:
        pytest.fail(f"exit code {outcome.code}: {outcome.err}")
    return outcome


def refusal(entry: EntryPoint, *words: str, code: int = 2) -> str:
    """The one line with which a command refuses what it was given, having created nothing."""
    before = tree(Path())
    outcome = call(entry, *words)
    check_refusal(outcome, code)
    if tree(Path()) != before:
        pytest.fail(f"a refused command left {tree(Path()) - before}")
    return outcome.err.splitlines()[-1].strip()


def check_refusal(outcome: Outcome, code: int = 2) -> None:
    """A refusal is an exit code, nothing on stdout, and one line on stderr that a person can read.

    On a busy machine a person has been told before that the run is getting ready.
    """
    lines = [line for line in outcome.err.splitlines() if not _WAITED.fullmatch(line)]
    if (outcome.code, outcome.out, len(lines)) != (code, "", 1) or "Traceback" in outcome.err or len(lines[0]) > 700:
        pytest.fail(f"exit code {outcome.code}, stdout {outcome.out[:200]!r}, stderr {outcome.err[:2000]!r}")


def tree(folder: Path) -> frozenset[Path]:
    return frozenset(folder.rglob("*"))


def spawn(*command: str, timeout: float = 120) -> Outcome:
    """Run a command line in a process of its own, in the current folder."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def script(name: str) -> list[str]:
    """How a user starts ``search.py`` or ``augment.py``."""
    return [sys.executable, str(ROOT / name)]


def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing out, which takes longer than a tiny run; `test_runs` looks at the pictures."""

    def draw(*arguments: Any) -> None:
        next(argument for argument in arguments if isinstance(argument, Path)).write_text("<svg/>")

    for name in ("draw_cell", "draw_curves", "draw_training"):
        # To ask for the attribute that is replaced would import matplotlib.
        monkeypatch.setitem(vars(report), name, draw)


def with_quick_races(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the default method try roundings out in one step each, which is most of a tiny search's time."""
    from dadarts.methods import catalogue
    from dadarts.methods.selection import Race

    quick = Race(steps=1, looks=0, rounds=1, put_off=0.0, pictures=8, order_pictures=8)
    monkeypatch.setattr(catalogue, "LOOKAHEAD", quick)


@dataclass
class Running:
    """A command in a process of its own, forked from one that has imported everything but has run nothing."""

    entry: str
    words: Sequence[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: Any = field(init=False)

    def __post_init__(self) -> None:
        for name in ("stdout", "stderr"):
            (self.folder / name).unlink(missing_ok=True)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED_BEFORE_FORKING)
        self.process = context.Process(
            target=_child, args=(self.entry, list(self.words), str(self.folder), self.environment)
        )
        self.process.start()

    @property
    def err(self) -> str:
        path = self.folder / "stderr"
        return path.read_text() if path.is_file() else ""

    @property
    def out(self) -> str:
        return (self.folder / "stdout").read_text()

    def wait_for(self, text: str, times: int = 1) -> None:
        """Until the process has printed a text that often, or has ended."""
        deadline = time.monotonic() + 120
        while self.err.count(text) < times and self.process.is_alive():
            if time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                pytest.fail(f"{text!r} never came: {self.err}")
            time.sleep(0.002)

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; the exit code, or minus the signal that killed it."""
        os.kill(self.process.pid, number)
        return self.end()

    def end(self) -> int:
        self.process.join(120)
        code: int = self.process.exitcode
        return code


def _child(entry: str, words: list[str], folder: str, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    os.chdir(folder)
    for name, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    # What the interpreter does at the start of a program: ^C is KeyboardInterrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_pictures(monkeypatch)
        code = ENTRY_POINTS[entry](words)
    sys.stdout.flush()
    sys.exit(code)


def history(folder: Path) -> list[dict[str, str]]:
    """The rows of a run's history."""
    with (folder / "history.csv").open(newline="") as file:
        return list(DictReader(file))


def column(folder: Path, name: str) -> list[float]:
    return [float(row[name]) for row in history(folder)]


def alphas(folder: Path) -> dict[str, NDArray[np.float32]]:
    """The arrays of a search's alphas.npz; none where nothing was searched (--method random)."""
    if not (folder / "alphas.npz").exists():
        return {}
    with np.load(folder / "alphas.npz") as file:
        return {name: file[name] for name in file.files}


def result_of_search(folder: Path) -> tuple[Any, ...]:
    """All that the seed decides of a search."""
    rows = [{name: value for name, value in row.items() if not name.startswith(TIMES)} for row in history(folder)]
    return (
        rows,
        {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in alphas(folder).items()},
        (folder / "genotype.txt").read_bytes(),
        (folder / "genotype.json").read_bytes(),
        (folder / "result.txt").read_bytes(),
    )


def result_of_training(folder: Path) -> tuple[Any, ...]:
    """All that the seed decides of a training."""
    rows = [{name: value for name, value in row.items() if not name.startswith(TIMES)} for row in history(folder)]
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics.pop("seconds")
    tensors = load_file(folder / "model.safetensors")
    return rows, metrics, {name: (tensor.dtype, tensor.numpy().tobytes()) for name, tensor in tensors.items()}


@contextmanager
def stop_after(steps: int, number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Send this process a signal when it shows its `steps`-th step."""
    from dadarts.cli.console import Progress
    from dadarts.runs.events import Event, StepDone

    seen = 0
    show = Progress.__call__

    def shown(self: Progress, event: Event) -> None:
        nonlocal seen
        show(self, event)
        if isinstance(event, StepDone):
            seen += 1
            if seen == steps:
                os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "__call__", shown)
        yield
