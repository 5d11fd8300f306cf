"""What to do next, at the end of a run, for who uses the modern command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from dadarts.cli.early import prints
from dadarts.cli.flags import as_typed
from dadarts.config import SearchConfig, TrainConfig
from dadarts.pacing import counted
from dadarts.rundir.contents import TENSORBOARD


def advise(what: str, words: Sequence[str], argv: Sequence[str]) -> None:
    """Say a command to give next.

    Args:
        argv: the whole command that the user gave.
    """
    if argv[0] == "dadarts" and prints():
        print(f"{what}: {shlex.join(words)}", file=sys.stderr)


def tensorboard(folder: Path) -> list[str]:
    """The command that shows the curves of a run."""
    # The program's name is also that of the folder.
    return [TENSORBOARD.top, "--logdir", str(TENSORBOARD.at(folder))]


def about_sizes(config: SearchConfig, given: Sequence[str], argv: Sequence[str]) -> None:
    """Say how large the training is that is advised with the flags `given`, where a search was not limited for one."""
    size, epochs = config.space.train_size, TrainConfig.model_fields["epochs"].default
    papers = (
        f"a training has {counted(epochs, 'epoch')}, {counted(size.channels, 'channel')} and "
        f"{counted(size.layers, 'layer')}, as in the papers"
    )
    if argv[0] != "dadarts" or not prints():
        return
    if "epochs" in given:
        print(f"a training of a size like this search's; without these flags {papers}", file=sys.stderr)
    elif "layers" not in given:
        said = as_typed(f"{papers}, unless -epochs, -init_channels or -layers say less", argv)
        print(said, file=sys.stderr)


def sizes_of_training(config: SearchConfig) -> dict[str, int]:
    """The sizes of a training to advise: those that a search was limited for, and after a small search small ones."""
    targets = {"init_channels": config.target_channels, "layers": config.target_layers}
    sizes = {name: size for name, size in targets.items() if size is not None}
    full, usual = config.space.train_size, config.space.search_size
    if sizes or (config.init_channels >= usual.channels and config.layers >= usual.layers):
        return sizes
    # Where a search fits the machine, so does a network of one path that is a little larger.
    return {
        "epochs": min(TrainConfig.model_fields["epochs"].default, 2 * config.epochs),
        "init_channels": min(full.channels, 2 * config.init_channels),
        "layers": min(full.layers, config.layers + 2),
    }
