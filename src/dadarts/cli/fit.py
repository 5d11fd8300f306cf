"""``dadarts fit DATA --minutes M``: a network for somebody's pictures, chosen, trained and tested in that time."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from dadarts import files
from dadarts.cli import configs, execute
from dadarts.cli.early import prints
from dadarts.cli.event_lines import telling
from dadarts.cli.flags import Command, flags_of, next_command
from dadarts.config import FitConfig
from dadarts.errors import InputError, shortened
from dadarts.rundir.contents import TENSORBOARD
from dadarts.rundir.kinds import BUNDLE, FIT, PAGE
from dadarts.rundir.lookup import word_of
from dadarts.runs.events import Event
from dadarts.runs.folder import RunFolder

_DATA = "dataset"
COMMAND = Command(
    "dadarts fit",
    "Choose a network for labelled pictures, train it and test it within so many minutes; its test accuracy is the "
    "last line on stdout.",
    (*(flag for flag in flags_of(FitConfig) if flag.names[0] != _DATA), *configs.RUN_FLAGS),
    positionals=((_DATA, next(flag.text for flag in flags_of(FitConfig) if flag.names[0] == _DATA)),),
    resumes=True,
)


def fit(words: Sequence[str], begin: Callable[..., Iterator[Event]]) -> int:
    """Fit as the words say. Returns the exit code.

    Args:
        begin: begins a fit of a configuration.
    """
    # To import torch is a part of the minutes.
    since = time.monotonic()
    values = COMMAND.parse(words)
    settings, resume, overwrite = configs.split_run_flags(values)
    execute.say_at_once()
    configs.load_plugins(settings)
    config = FitConfig(**(_saved(settings) if resume else {}) | settings)
    argv = ["dadarts", "fit", *words]
    code = execute.run(
        partial(begin, config, resume=resume, overwrite=overwrite, since=since),
        config.print_freq,
        argv,
        resumes=resume,
        tell=telling(values),
    )
    if code == 0 and prints():
        _advise(config, argv)
    return code


def _saved(given: Mapping[str, str]) -> dict[str, Any]:
    """The settings of the fit to go on with, as far as it was begun with others than the usual ones.

    Raises:
        InputError: nothing says which fit, there is no such one, or it is damaged or needs a plugin.
    """
    if "name" not in given and _DATA not in given:
        raise InputError("give the data of the fit to go on with, or its -name")
    # With a name any data will do.
    named = FitConfig(
        **{_DATA: "digits", **{name: given[name] for name in ("name", "runs_dir", _DATA) if name in given}}
    )
    folder = RunFolder(FIT.folder(named.runs_dir, named.name))
    folder.check(resume=True, overwrite=False)
    try:
        saved: dict[str, Any] = json.loads(files.read_text(folder.config))["settings"]
        usual = FitConfig(dataset=saved[_DATA]).to_json()
        own = {name: value for name, value in saved.items() if name == _DATA or value != usual.get(name)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{folder.config} is damaged; replace the fit with -overwrite") from None
    if own.get("plugin") and "plugin" not in given:
        # What a folder says is data: nothing is run because it says so.
        needed = shortened(",".join(map(str, own["plugin"])), 120)
        raise InputError(f"{folder.path} was begun with a plugin; give it again: -plugin {needed}")
    return {**own, "name": named.name, "runs_dir": str(named.runs_dir)}


def _advise(config: FitConfig, argv: Sequence[str]) -> None:
    """How to use what there is, and to look at it."""
    folder = FIT.folder(config.runs_dir, config.name)
    plugin = configs.plugin_flag(config.plugin)
    word = word_of(FIT, config.name, config.runs_dir)
    # TensorBoard finds the events of every run below a folder: those of the race stand beside the last training's.
    if any(folder.glob(f"*/*/{TENSORBOARD.top}")):
        print(f"watch it: {shlex.join([TENSORBOARD.top, '--logdir', str(folder)])}", file=sys.stderr)
    use = next_command(argv, ["predict", word, "PICTURES"], config.runs_dir, **plugin)
    print(f"use it: {shlex.join(use)}", file=sys.stderr)
    for what, path in (("or without dadarts", folder / BUNDLE), ("look at it", folder / PAGE)):
        if path.exists():
            print(f"{what}: {path}", file=sys.stderr)
    if not (folder / PAGE).exists():
        page = next_command(argv, ["report", word], config.runs_dir, **plugin)
        print(f"look at it: {shlex.join(page)}", file=sys.stderr)
