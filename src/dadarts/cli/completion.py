"""``dadarts completion SHELL``: a script with which a shell completes commands, flags, their values and names of runs.

The script holds all of it but the names of runs, which the shell itself looks up: Python would be started at every tab.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dadarts.cli.flags import Command, Flag
from dadarts.errors import in_flags, unknown
from dadarts.rundir.kinds import FIT, SEARCH, TRAINING

COMMAND = Command(
    "dadarts completion",
    "Print a script with which a shell completes what is typed after dadarts.",
    (),
    positionals=(("shell", "bash, zsh or fish"),),
    notes="bash: dadarts completion bash > ~/.local/share/bash-completion/completions/dadarts; zsh: dadarts completion "
    "zsh > a folder of $fpath/_dadarts; fish: dadarts completion fish > ~/.config/fish/completions/dadarts.fish. "
    "The next shell has it.",
)
ALL_RUNS = (SEARCH.name, TRAINING.name, FIT.name)
FILES = frozenset(
    {
        *("runs_dir", "data_path", "test_path", "cache_dir", "costs", "plugin", "output", "out", "dataset", "genotype"),
        *("run", "path"),
    }
)
"""Flags and arguments whose values are files, perhaps among others."""
_OF_NAME = {"search": (SEARCH.name,), "train": (TRAINING.name,), "fit": (FIT.name,)}
_RUNS = frozenset({"genotype", "run"})


@dataclass(frozen=True)
class Values:
    """What may follow a flag, or stand as an argument.

    Args:
        words: all that are known.
        runs: the folders below a runs folder whose runs' names may.
        files: whether a file's path may.
    """

    words: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    files: bool = False


@dataclass(frozen=True)
class Completed:
    """A command as a shell completes it.

    Args:
        about: what it does, in a few words.
        flags: its flags with two dashes, each with what it says, and its values; None where it needs none.
        arguments: what stands without a flag.
    """

    about: str
    flags: Mapping[str, tuple[str, Values | None]]
    arguments: Values


def completion(
    words: Sequence[str], commands: Mapping[str, tuple[Command, str]], known: Mapping[str, tuple[str, ...]]
) -> int:
    """Print the script for a shell.

    Args:
        commands: by their names, and what each does in a few words.
        known: values of flags or arguments, besides those that tables have.

    Raises:
        InputError: the shell is none of those.
    """
    from dadarts.cli.completion_scripts import SHELLS

    shell = COMMAND.parse(words)["shell"]
    if shell not in SHELLS:
        raise unknown("shell", shell, SHELLS)
    print(SHELLS[shell](completed(commands, known)), end="")
    return 0


def completed(
    commands: Mapping[str, tuple[Command, str]], known: Mapping[str, tuple[str, ...]]
) -> dict[str, Completed]:
    """What is completed of every command."""
    tables = {**_tables(), **known}
    return {name: _completed(name, command, about, tables) for name, (command, about) in commands.items()}


def _completed(name: str, command: Command, about: str, tables: Mapping[str, tuple[str, ...]]) -> Completed:
    flags: dict[str, tuple[str, Values | None]] = {"help": ("list the usual flags", None)}
    flags["help-all"] = ("list all flags", None)
    for flag in command.flags:
        values = None if flag.boolean else _values(flag, name, tables)
        flags |= {each: (in_flags(flag.text), values) for each in flag.names}
    arguments = [positional for positional, _ in (*command.positionals, *([command.many] if command.many else ()))]
    parts = [_values(Flag((each,), "", ""), name, tables) for each in arguments]
    return Completed(
        about,
        flags,
        Values(
            tuple(word for part in parts for word in part.words),
            tuple(dict.fromkeys(kind for part in parts for kind in part.runs)),
            any(part.files for part in parts),
        ),
    )


def _values(flag: Flag, command: str, tables: Mapping[str, tuple[str, ...]]) -> Values:
    name = flag.names[0].removeprefix("train_")
    runs = ALL_RUNS if name in _RUNS else _OF_NAME.get(command, ()) if name == "name" else ()
    return Values(tables.get(name, tuple(sorted(flag.words))), runs, name in FILES)


def _tables() -> dict[str, tuple[str, ...]]:
    """Names that tables have."""
    from dadarts.architecture.spaces import SPACES
    from dadarts.cli.completion_scripts import SHELLS
    from dadarts.data import KNOWN
    from dadarts.methods.catalogue import METHODS
    from dadarts.methods.selection import SELECTIONS

    tables: dict[str, Iterable[str]] = {
        "method": METHODS,
        "methods": METHODS,
        "search_space": SPACES,
        "space": SPACES,
        "dataset": KNOWN,
    }
    tables |= {"selection": SELECTIONS, "shell": SHELLS}
    return {name: tuple(table) for name, table in tables.items()}
