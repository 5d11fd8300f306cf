"""``dadarts fit DATA --minutes M``: a network for somebody's pictures, chosen, trained and tested in that time."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from functools import partial

from dadarts.cli import configs, execute
from dadarts.cli.early import prints
from dadarts.cli.event_lines import telling
from dadarts.cli.flags import Command, flags_of, next_command
from dadarts.config import FitConfig
from dadarts.rundir.kinds import FINAL, FIT, TRAINING

_DATA = "dataset"
COMMAND = Command(
    "dadarts fit",
    "Choose a network for labelled pictures, train it and test it within so many minutes; its test accuracy is the "
    "last line on stdout.",
    (*(flag for flag in flags_of(FitConfig) if flag.names[0] != _DATA), *configs.RUN_FLAGS),
    positionals=((_DATA, next(flag.text for flag in flags_of(FitConfig) if flag.names[0] == _DATA)),),
)


def fit(words: Sequence[str]) -> int:
    """Fit as the words say. Returns the exit code."""
    values = COMMAND.parse(words)
    settings, resume, overwrite = configs.split_run_flags(values)
    execute.say_at_once()
    configs.load_plugins(settings)
    config = FitConfig(**settings)
    argv = ["dadarts", "fit", *words]
    from dadarts.fitting.loop import fit as begin

    code = execute.run(
        partial(begin, config, resume=resume, overwrite=overwrite),
        config.print_freq,
        argv,
        resumes=resume,
        tell=telling(values),
    )
    if code == 0 and prints():
        final = str(TRAINING.folder(FIT.folder(config.runs_dir, config.name), FINAL))
        plugin = configs.plugin_flag(config.plugin)
        use = next_command(argv, ["predict", final, "PICTURES"], config.runs_dir, **plugin)
        print(f"use it: {shlex.join(use)}", file=sys.stderr)
        page = next_command(argv, ["report", str(FIT.folder(config.runs_dir, config.name))], config.runs_dir, **plugin)
        print(f"look at it: {shlex.join(page)}", file=sys.stderr)
    return code
