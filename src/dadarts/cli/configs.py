"""From the words of a command line to a configuration: what both command lines share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dadarts.cli import technique_notes
from dadarts.cli.flags import TRUTH, Command, Flag, flags_of
from dadarts.cli.techniques import FLAGS_OF_METHOD, SelectionFlags, Techniques
from dadarts.config import SearchConfig, TrainConfig
from dadarts.config.data import READING
from dadarts.config.run import AUTO, RunConfig, plugins_named
from dadarts.errors import InputError, shortened, unknown
from dadarts.rundir.kinds import SEARCH, TRAINING, Kind
from dadarts.rundir.lookup import reading_of
from dadarts.runs.folder import RunFolder, refuse_both

PLUGIN = next(flag for flag in flags_of(RunConfig) if flag.names[0] == "plugin")
"""For commands that have no run of their own."""
RUN_FLAGS = (
    Flag(("resume",), "run", "continue the run of this name where it stopped", boolean=True, usual=True),
    Flag(
        ("overwrite",),
        "run",
        "replace a run of this name, which is kept beside until the new one ends",
        boolean=True,
        usual=True,
    ),
    Flag(("json",), "run", "print every event as a line of JSON, in place of the result alone", boolean=True),
)
_STEERING = frozenset(flag.names[0] for flag in RUN_FLAGS)
BY_STEPS = MappingProxyType(dict.fromkeys(SearchConfig.BY_STEPS, AUTO))
"""What ``dadarts search`` leaves to the number of steps; ``search.py`` has the original's rates."""
BY_LENGTH = MappingProxyType(dict.fromkeys(TrainConfig.BY_LENGTH, AUTO))
"""What ``dadarts train`` leaves to its length and to the size of pictures; ``augment.py`` has the original's recipe."""
CONFIGS: Mapping[Kind, type[RunConfig]] = MappingProxyType({SEARCH: SearchConfig, TRAINING: TrainConfig})
"""The settings of each kind of run."""
UNSUPPORTED = frozenset(
    {
        "topk_to_remove",
        "variable_temperature",
        "zero_variable_temperature",
        "epsilon",
        "alphas_path",
        "mask_alphas",
        "prune_strategy",
        "project",
        "debugging",
    }
)


def search_command(
    prog: str, *more: Flag, method: str = "darts", own: Mapping[str, str] = MappingProxyType({})
) -> Command:
    """The flags of a search, with the technique flags' defaults under a method and a command's `own`."""
    defaults = {**{name: str(value) for name, value in FLAGS_OF_METHOD[method].items()}, **own}
    flags = (*more, *flags_of(SearchConfig), *RUN_FLAGS, *flags_of(SelectionFlags), *flags_of(Techniques))
    about = "Search a network architecture by gradient descent; the genotype is the last line on stdout."
    notes = (
        "A pass multiplies the operations on an edge by mixing weights M. W = softmax(alpha), and M = W unless a flag "
        "says otherwise; D(W) is W rounded as the genotype is, A and B are top-k over an edge and over a node. w' is w "
        "after the virtual step, e of E the epoch."
    )
    flags = _with_defaults(flags, defaults)
    return Command(prog, about, flags, unsupported=UNSUPPORTED, notes=f"{notes} {Command.notes}")


def train_command(prog: str, own: Mapping[str, str] = MappingProxyType({})) -> Command:
    """The flags of a training, with a command's `own` defaults."""
    about = "Train the network of a genotype from scratch; its test accuracy is the last line on stdout."
    return Command(prog, about, _with_defaults((*flags_of(TrainConfig), *RUN_FLAGS), own), unsupported=UNSUPPORTED)


def _with_defaults(flags: tuple[Flag, ...], own: Mapping[str, str]) -> tuple[Flag, ...]:
    return tuple(replace(flag, default=own.get(flag.names[0], flag.default)) for flag in flags)


def search_config(values: dict[str, str], default_method: str) -> tuple[SearchConfig, list[str]]:
    """The configuration that the words of a search spell, and what the log should say about them.

    Args:
        values: settings as text, a `method` perhaps among them.
        default_method: the method where none is named; technique flags change it, or DADARTS where it has none of them.

    Raises:
        InputError: a value cannot be used.
    """
    from dadarts.methods.catalogue import METHODS

    technique_names = set(Techniques.model_fields)
    chosen = {name: value for name, value in values.items() if name in technique_names}
    changed = default_method if default_method in FLAGS_OF_METHOD else "dadarts"
    method = values.get("method", changed if chosen else default_method)
    selection = SelectionFlags(**{name: values[name] for name in SelectionFlags.model_fields if name in values})
    elsewhere = {*technique_names, *SelectionFlags.model_fields, "method"}
    rest: dict[str, Any] = {name: value for name, value in values.items() if name not in elsewhere}
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if method not in FLAGS_OF_METHOD:
        if chosen:
            raise InputError(f"-{next(iter(chosen))} does not go with -method {method}")
        config = SearchConfig(**rest, method=selection.applied(METHODS[method]()))
        return config, _without_alphas(config, values) + _without_forks(config)
    techniques = Techniques(**{**FLAGS_OF_METHOD[method], **chosen})
    config = SearchConfig(**rest, method=selection.applied(techniques.method()))
    if techniques.dal_target == "none" and not config.space.none_everywhere:
        raise InputError(
            f"-dal_target none needs a banned `none` on every edge; search space {config.search_space} has none"
        )
    return config, technique_notes.notes(techniques, chosen) + _without_forks(config)


def _without_alphas(config: SearchConfig, values: Mapping[str, str]) -> list[str]:
    """What to say of settings of alphas where none are trained."""
    given = [name for name in ("alpha_lr", "alpha_weight_decay", "limit_rate") if values.get(name, AUTO) != AUTO]
    if config.method.order != "none" or not given:
        return []
    return [f"{' and '.join(f'-{name}' for name in given)}: without effect, since this method trains no alphas"]


def _without_forks(config: SearchConfig) -> list[str]:
    """What to say of processes for forks where none are trained."""
    if config.method.selection.forks or (config.fork_jobs or 1) == 1:
        return []
    return [f"-fork_jobs {config.fork_jobs}: without effect, since only -selection race trains forks"]


def train_config(values: Mapping[str, Any]) -> TrainConfig:
    """The configuration that the words of a training spell.

    Raises:
        InputError: a value cannot be used.
    """
    given: dict[str, Any] = dict(values)
    return TrainConfig(**given)


def reading_of_search(values: dict[str, str]) -> dict[str, Any]:
    """How the run that a training's genotype is from has read the same data set, where the training does not say it.

    A training that is resumed takes over what it has taken over when it began.

    Raises:
        InputError: the training to resume is damaged.
    """
    runs_dir = Path(values.get("runs_dir", "runs"))
    found = reading_of(values.get("genotype", ""), runs_dir, values.get("dataset", ""), READING)
    defaults = {name: TrainConfig.model_fields[name].default for name in found}
    taken = {name: value for name, value in found.items() if name not in values and value != defaults[name]}
    name = values.get("name", "")
    if taken and truth("resume", values) and name and "/" not in name:
        begun = RunFolder(TRAINING.folder(runs_dir, name))
        own = begun.saved_config().settings if begun.exists else {}
        taken = {name: value for name, value in taken.items() if own.get(name) == value}
    return taken


def load_plugins(values: Mapping[str, str]) -> None:
    """Run the plugins that a command names, before anything is looked up.

    Raises:
        InputError: one cannot be found or imported.
    """
    if "plugin" in values:
        from dadarts import plugins

        plugins.load(plugins_named(values["plugin"]))


def plugin_flag(plugins: Sequence[str] | None) -> dict[str, str]:
    """What a command needs besides that is to be given next about a run."""
    return {"plugin": ",".join(plugins)} if plugins else {}


def plugin_fingerprints(text: str) -> dict[str, str]:
    """What each plugin is that a command names."""
    from dadarts import plugins

    return plugins.fingerprints(plugins_named(text))


def saved_values(values: dict[str, str], kind: Kind) -> dict[str, Any] | None:
    """The settings of the run to resume, with those that are given, where these do not tell what the run is of.

    A command that names no data set means the run's own settings where it gives none.

    Raises:
        InputError: there is no such run, or it is damaged.
    """
    if not truth("resume", values) or not values.get("name") or "/" in values["name"]:
        return None
    folder = RunFolder(kind.folder(Path(values.get("runs_dir", "runs")), values["name"]))
    folder.check(resume=True, overwrite=False)
    if "dataset" in values or not set(values) - _STEERING <= {*CONFIGS[kind].model_fields} - {"method"}:
        return None
    settings: dict[str, Any] = folder.saved_config().settings
    if settings.get("plugin") and "plugin" not in values:
        # What a folder says is data: nothing is run because it says so.
        needed = shortened(",".join(map(str, settings["plugin"])), 120)
        raise InputError(f"{folder.path} was begun with a plugin; give it again: -plugin {needed}")
    # Its folder may have moved since, or the working directory changed: it goes on where it was found.
    here = {"runs_dir": values.get("runs_dir", "runs")}
    return {**settings, **here, **{name: value for name, value in values.items() if name not in _STEERING}}


def split_run_flags(values: dict[str, str]) -> tuple[dict[str, str], bool, bool]:
    """Separate -resume and -overwrite, which steer a run (as -json does), from the settings, which decide it.

    Raises:
        InputError: both are given, whatever the settings are.
    """
    resume, overwrite = truth("resume", values), truth("overwrite", values)
    refuse_both(resume, overwrite)
    return {name: value for name, value in values.items() if name not in _STEERING}, resume, overwrite


def truth(name: str, values: dict[str, str]) -> bool:
    """Whether a boolean flag is given and not False.

    Raises:
        InputError: its value is neither True nor False.
    """
    word = values.get(name, "False")
    if word.lower() not in TRUTH:
        raise InputError(f"-{name} {word[:40]}: give True or False")
    return word.lower() in ("true", "yes", "1")
