"""An epoch of first-order DARTS here and in nni 3.0: ``make bench-peers``.

``python -m benchmarks.peers --python .venv-peers/bin/python``, with the Python of an environment that holds nni 3.0.
Both searches wait in processes of their own and take turns step by step, so that what slows the machine slows both.
Figures go to benchmarks/results/peers.json, a table to peers.md beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from benchmarks.engine.__main__ import RESULTS, machine_name
from benchmarks.peers.table import Round, summary, table
from benchmarks.peers.task import Step, Task

ROOT = Path(__file__).parents[2]
MODULES = {"dadarts": "benchmarks.peers.dadarts_search", "nni": "benchmarks.peers.nni_darts"}


class Contestant:
    """A search in a process of its own, which takes a step whenever it is told to.

    Args:
        said: what it writes to stderr.

    Raises:
        SystemExit: it ended before its last step; the message ends in what it last said.
    """

    def __init__(self, name: str, process: subprocess.Popen[str], said: IO[str]) -> None:
        self.name = name
        self.process = process
        self.said = said
        self.facts = self._reply()

    def step(self) -> Step:
        """Take a step. Returns what it took, loading included."""
        # Where its process has ended, its reply is missing too, and that is what is reported.
        with suppress(BrokenPipeError):
            print(file=self.process.stdin, flush=True)
        return Step(**self._reply())

    def _reply(self) -> dict[str, Any]:
        assert self.process.stdout is not None  # noqa: S101 -- it is a pipe
        line = self.process.stdout.readline()
        if not line:
            self.said.seek(0)
            raise SystemExit(f"{self.name} ended too early:\n{self.said.read()[-2000:]}")
        reply: dict[str, Any] = json.loads(line)
        return reply


@contextmanager
def started(name: str, python: Path, task: Task) -> Iterator[Contestant]:
    """A contestant that is ready for its first step; it ends with the context, where it then stands."""
    words = [str(python), "-m", MODULES[name], *task.words()]
    environment = os.environ | {"OMP_NUM_THREADS": str(task.threads)}
    with TemporaryFile("w+") as said:
        process = subprocess.Popen(  # noqa: S603
            words, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
        )
        try:
            yield Contestant(name, process, said)
        finally:
            process.communicate()


def one_round(pythons: Mapping[str, Path], task: Task, warm_up: int) -> Round:
    """Every step of an epoch, by turns, after steps that are not counted."""
    with (
        started("nni", pythons["nni"], task) as theirs,
        started("dadarts", pythons["dadarts"], task) as ours,
    ):
        if theirs.facts["weights"] != ours.facts["weights"] or theirs.facts["alphas"] != ours.facts["alphas"]:
            raise SystemExit(f"not the same supernet: {theirs.facts} and {ours.facts}")
        pairs = [(theirs.step(), ours.step()) for _ in range(task.steps)][warm_up:]
        return Round([pair[0] for pair in pairs], [pair[1] for pair in pairs], theirs.facts, ours.facts)


def main() -> None:
    """Measure both searches and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, required=True, help="Python of an environment with nni 3.0")
    parser.add_argument("--batch", type=int, default=16, help="pictures in a batch")
    parser.add_argument("--steps", type=int, default=8, help="steps of an epoch that are counted")
    parser.add_argument("--warm-up", type=int, default=2, help="steps before them")
    parser.add_argument("--rounds", type=int, default=3, help="epochs, each in new processes")
    parser.add_argument("--threads", type=int, default=1, help="of torch, in both")
    args = parser.parse_args()
    if not args.python.exists():
        parser.error(f"--python {args.python}: there is no such file; make bench-peers builds an environment")
    task = Task(args.batch, args.warm_up + args.steps, args.threads)
    # Not resolved: the link in a virtual environment is what finds its packages.
    pythons = {"nni": args.python.absolute(), "dadarts": Path(sys.executable)}
    rounds = []
    for number in range(1, args.rounds + 1):
        rounds.append(one_round(pythons, task, args.warm_up))
        print(f"round {number} of {args.rounds}: nni takes {rounds[-1].ratio():.2f} times as long", flush=True)
    found = {
        "machine": machine_name(task.threads),
        "platform": platform.platform(),
        "task": asdict(task) | {"warm_up": args.warm_up, "order": "first"},
        **summary(rounds, task),
        "rounds": [asdict(each) for each in rounds],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "peers.json").write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "peers.md").write_text(table(rounds, task))
    print(table(rounds, task))


if __name__ == "__main__":
    main()
