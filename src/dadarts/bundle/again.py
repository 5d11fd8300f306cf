"""What makes the network of a card again: a fit's command first, the training's alone."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from dadarts.bundle.subject import Subject
from dadarts.config import TrainConfig
from dadarts.config.calls import in_python
from dadarts.config.run import ENVIRONMENT
from dadarts.data.given import MARK
from dadarts.rundir.called import fit_ending_with
from dadarts.rundir.command import Begin
from dadarts.rundir.saved import SavedConfig
from dadarts.runs.begun import last_part, of_fit_anywhere


def commands(saved: SavedConfig, folder: Path, name: str) -> Iterator[str]:
    """The commands of the training in a folder, as lines of a card.

    Args:
        name: what the training is to be called.
    """
    fit = fit_ending_with(folder)
    whole = fit and of_fit_anywhere(fit)
    if whole:
        yield from ("Chosen and trained with", "", *_fenced(whole), "", "and trained alone, as it was, with", "")
    yield from (*_fenced(_training(saved, name)), "")


def _fenced(begin: Begin) -> Iterator[str]:
    yield from (f"```{'python' if begin.is_call else 'shell'}", begin.text, "```")


def _training(saved: SavedConfig, name: str) -> Begin:
    """All that decides a training and is not the default: a command, of pictures given in Python a call."""
    if str(saved.settings["dataset"]).endswith(MARK):
        config = TrainConfig(**saved.settings).model_copy(update={"name": name})
        return Begin(in_python(config, ENVIRONMENT), is_call=True)
    usual = {name: field.default for name, field in TrainConfig.model_fields.items()}
    words = ["dadarts", "train", "--name", name]
    words += ["--dataset", last_part(str(saved.settings["dataset"])), "--genotype", _in_double_quotes(saved)]
    for setting, value in saved.settings.items():
        decides = setting in usual and setting not in ENVIRONMENT and setting not in ("name", "dataset", "genotype")
        # `dadarts train` has a default of its own for it.
        if decides and value is not None and (value != usual[setting] or setting == "cutout_length"):
            given = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words += [f"--{setting}", last_part(given) if setting == "test_path" else given]
    return Begin(shlex.join(words), is_call=False)


def _in_double_quotes(saved: SavedConfig) -> str:
    """The genotype, which a shell takes between single ones."""
    return str(saved.settings["genotype"]).replace("'", '"')


def data_name(subject: Subject) -> str:
    """What the data set of a training is called."""
    return "unknown" if subject.saved is None else last_part(str(subject.saved.settings["dataset"]))
