"""``dadarts runs``: the runs that there are, for a person or a program."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from dadarts.cli import columns, configs, execute
from dadarts.cli.flags import Command, Flag, as_typed, next_command
from dadarts.cli.listing import FLUSH_RIGHT, HEADER, MOST, RunSummary, is_folder, list_runs
from dadarts.errors import InputError
from dadarts.rundir.kinds import comparisons

COMMAND = Command(
    "dadarts runs",
    "List all runs.",
    (
        Flag(("runs_dir",), "output", "where runs are kept", default="runs"),
        Flag(("json",), "output", "print JSON", boolean=True),
    ),
)


def runs(words: Sequence[str]) -> int:
    """Print the list. Returns the exit code."""
    values = COMMAND.parse(words)
    runs_dir = Path(values.get("runs_dir", "runs"))
    if "runs_dir" in values and not is_folder(runs_dir):
        raise InputError(f"there is no folder {str(runs_dir)[:200]}; give the -runs_dir that the runs were begun with")
    listed = list_runs(runs_dir)
    if configs.truth("json", values):
        print(json.dumps([run.as_dict() for run in listed], indent=1))
        return 0
    compared = comparisons(runs_dir)
    for folder in compared:
        print(
            f"{folder} is a comparison; list its runs: {shlex.join(next_command(words, ['runs'], folder))}",
            file=sys.stderr,
        )
    if not listed:
        if not compared:
            begin = shlex.join(next_command(words, ["search"], runs_dir, name="first", dataset="digits"))
            print(f"there are no runs in {runs_dir} yet; begin one: {begin}", file=sys.stderr)
        return 0
    table = [
        [columns.printable(cell) for cell in (*run.cells(), _going_on(run, runs_dir, words) or run.in_short())]
        for run in listed
    ]
    print(*columns.rows([HEADER, *table], MOST, FLUSH_RIGHT), sep="\n")
    return 0


def _going_on(run: RunSummary, runs_dir: Path, typed: Sequence[str]) -> str:
    """How to go on with a run that was stopped; empty for others."""
    if run.state != "stopped":
        return ""
    if (runs_dir / "jobs").is_dir():
        return "goes on with the same `dadarts compare`"
    plugin = {"plugin": run.plugin} if run.plugin else {}
    command = [*next_command(typed, [run.verb], runs_dir, name=run.name, **plugin), as_typed("-resume", typed)]
    return f"go on with: {shlex.join(execute.launched(command, run.processes))}"
