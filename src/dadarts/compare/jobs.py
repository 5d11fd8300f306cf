"""What a comparison consists of: (method, seed, space, data) jobs, each named by the hash of its configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dadarts import files
from dadarts.cli import configs
from dadarts.config import SearchConfig, TrainConfig
from dadarts.config.run import ENVIRONMENT, RunConfig
from dadarts.errors import InputError, shortened

MOST_JOBS = 100_000
_OWN = frozenset({"name", "seed", "dataset", "search_space", "nodes", "method", *ENVIRONMENT})
"""Settings that a method's word may not change: the protocol has them, or they decide no numbers."""


_FROM_THE_BEGINNING = frozenset(
    {
        "alpha_lr",
        "alpha_weight_decay",
        "aux_weight",
        "batch_size",
        "cutout_length",
        "dataset",
        "dataset_portion",
        "drop_path_prob",
        "epochs",
        "genotype",
        "grad_clip",
        "hessian_eigenvalue",
        "image_size",
        "init_channels",
        "layers",
        "lr",
        "method",
        "momentum",
        "nesterov",
        "nodes",
        "precision",
        "search_space",
        "seed",
        "sparse_tolerance",
        "stem_multiplier",
        "valid_fraction",
        "validation_every",
        "w_grad_clip",
        "w_lr",
        "w_lr_min",
        "w_momentum",
        "w_weight_decay",
        "weight_decay",
    }
)
"""Settings that every key holds; one that came later is in it where it is not what it was before there was one."""
_LATER: Mapping[type[RunConfig], frozenset[str]] = MappingProxyType({TrainConfig: frozenset({"nesterov"})})
"""Those of them that one kind of run has got later than the other."""


def key_of(config: RunConfig, plugins: Sequence[str] = ()) -> str:
    """The name of a run in a store: 16 hexadecimal digits of the SHA-256 of all settings that decide its numbers.

    Args:
        plugins: what the run's plugins are; anything in it may come from them.

    Raises:
        InputError: the table of costs cannot be read.
    """
    fields = type(config).model_fields
    always = _FROM_THE_BEGINNING - _LATER.get(type(config), frozenset())
    settings = {
        name: value
        for name, value in config.to_json().items()
        if name not in {*ENVIRONMENT, "name"} and (name in always or value != fields[name].default)
    }
    if plugins:
        settings["plugins"] = list(plugins)
    if settings.get("costs"):
        settings["costs_are"] = _content(Path(settings["costs"]))
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def _content(costs: Path) -> str:
    try:
        return sha256(files.read_bytes(costs)).hexdigest()
    except OSError as error:
        raise InputError(f"-costs {shortened(costs, 120)}: {error.strerror}") from None


def named(config: Any, plugins: Sequence[str] = ()) -> Any:
    """The configuration under the name that its own settings, and what its plugins are, give it."""
    return config.model_copy(update={"name": key_of(config, plugins)})


@dataclass(frozen=True)
class Job:
    """One search, and perhaps the training of what it finds.

    Args:
        method: how the command line writes the method.
        search: its configuration; its name is the job's.
        training: settings of the training beside genotype and name; None where nothing is trained.
        plugins: what the plugins are that it is computed with (`dadarts.plugins.fingerprints`), sorted.
    """

    method: str
    search: SearchConfig
    training: Mapping[str, Any] | None = None
    plugins: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.search.name

    @property
    def group(self) -> tuple[str, str]:
        """Space and data: what jobs must share to be compared."""
        return self.search.search_space, self.search.dataset

    def training_of(self, genotype: str) -> TrainConfig:
        """The configuration of the training of what the search has found."""
        return training_of(self.training or {}, genotype, self.plugins)

    def to_json(self) -> dict[str, Any]:
        """What the process that does the job reads."""
        return {
            "method": self.method,
            "search": self.search.to_json(),
            "training": self.training,
            "plugins": self.plugins,
        }


def training_of(settings: Mapping[str, Any], genotype: str, plugins: Sequence[str] = ()) -> TrainConfig:
    """A training's configuration, named by its settings and so shared by jobs that agree in all of them."""
    config: TrainConfig = named(TrainConfig(name="-", genotype=genotype, **settings), plugins)
    return config


@dataclass(frozen=True)
class Protocol:
    """What all jobs share.

    Args:
        search: settings of the search as text, without method, seed, space, data and name.
        training: settings of the training as text; None where nothing is trained.
        runs_dir: where the runs of all jobs are kept.
        plugins: what the plugins are that all are computed with, sorted.
    """

    search: Mapping[str, str]
    training: Mapping[str, str] | None
    runs_dir: Path
    plugins: tuple[str, ...] = ()


def jobs_of(
    protocol: Protocol, methods: Sequence[str], seeds: Sequence[int], spaces: Sequence[str], datasets: Sequence[str]
) -> list[Job]:
    """Every combination, seed by seed, so that a comparison that is stopped has compared some seeds in full.

    Raises:
        InputError: a method, space or setting cannot be used, or two methods' words mean the same.
    """
    count = len(methods) * len(seeds) * len(spaces) * len(datasets)
    if count > MOST_JOBS:
        raise InputError(f"{count:,} jobs are more than {MOST_JOBS:,}; give fewer -seeds")
    firsts = {
        (space, dataset, method): _job(protocol, method, seeds[0], space, dataset)
        for space in spaces
        for dataset in datasets
        for method in methods
    }
    _refuse_equals(list(firsts.values()))
    return [_with_seed(job, seed) for seed in seeds for job in firsts.values()]


def _job(protocol: Protocol, method: str, seed: int, space: str, dataset: str) -> Job:
    name, own = _read_method(method)
    common = {"name": "-", "seed": str(seed), "search_space": space, "dataset": dataset}
    config, _ = configs.search_config({**protocol.search, **own, **common, "method": name}, name)
    config = named(config.model_copy(update={"runs_dir": protocol.runs_dir}), protocol.plugins)
    if protocol.training is None:
        return Job(method, config, plugins=protocol.plugins)
    from dadarts.architecture.genotype import random_genotype

    # Any genotype of the space will do to check the settings with.
    settings = {**protocol.training, "name": "-", "seed": seed, "dataset": dataset}
    try:
        checked = TrainConfig(**settings, genotype=str(random_genotype(config.space, 0)))
    except InputError as error:
        # The training's flags have a prefix here.
        raise InputError(re.sub(r"^-(?!train_)", "-train_", error.marked)) from None
    training = {key: value for key, value in checked.to_json().items() if key not in ("genotype", "name")}
    return Job(method, config, {**training, "runs_dir": str(protocol.runs_dir)}, protocol.plugins)


def _with_seed(job: Job, seed: int) -> Job:
    training = None if job.training is None else {**job.training, "seed": seed}
    search = named(job.search.model_copy(update={"seed": seed}), job.plugins)
    return replace(job, search=search, training=training)


def _refuse_equals(jobs: Sequence[Job]) -> None:
    first_with: dict[str, Job] = {}
    for job in jobs:
        other = first_with.setdefault(job.key, job)
        if other is not job:
            raise InputError(
                f"-methods: {other.method} and {job.method} mean the same search in {' on '.join(job.group)}"
            )


def _read_method(word: str) -> tuple[str, dict[str, str]]:
    name, *changes = word.split(":")
    own: dict[str, str] = {}
    flags = {alias: flag.names[0] for flag in configs.search_command("dadarts search").flags for alias in flag.names}
    for change in changes:
        written, given, value = change.partition("=")
        flag = flags.get(written, written)
        if flag in _OWN or flag in ("resume", "overwrite"):
            raise InputError(f"-methods {word[:60]}: {flag} is for the whole comparison; give it as a flag of its own")
        if written not in flags:
            raise InputError(f"-methods {word[:60]}: no setting {written[:40]!r}; write METHOD:setting=value")
        if flag in own:
            raise InputError(f"-methods {word[:60]}: {flag} is given twice")
        if given and not value:
            raise InputError(f"-methods {word[:60]}: {flag} has no value; write METHOD:setting=value")
        own[flag] = value or "True"
    return name, own


def listed(flag: str, text: str) -> list[str]:
    """The words of a list such as ``dadarts,darts``.

    Raises:
        InputError: it is empty, or names something twice.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise InputError(f"-{flag} {text[:40]!r}: give names with commas between them")
    double = next((word for word in words if words.count(word) > 1), None)
    if double is not None:
        raise InputError(f"-{flag} names {double[:40]} twice")
    return words


def seeds_of(text: str) -> list[int]:
    """Seeds as the command line writes them.

    >>> seeds_of("0:3,7")
    [0, 1, 2, 7]

    Raises:
        InputError: neither whole numbers nor ranges, or a seed twice.
    """
    seeds = [seed for part in text.split(",") for seed in _range(part.strip())]
    if len(set(seeds)) != len(seeds):
        raise InputError(f"-seeds {text[:40]}: a seed is named twice")
    return seeds


def _range(part: str) -> Iterator[int]:
    match = re.fullmatch(r"([0-9]{1,9})(?::([0-9]{1,9}))?", part)
    if match is None:
        raise InputError(f"-seeds {part[:40]!r}: give whole numbers or ranges, such as 0:10 (0 to 9) or 3,5")
    first = int(match[1])
    last = first + 1 if match[2] is None else int(match[2])
    if not 0 < last - first <= MOST_JOBS:
        raise InputError(f"-seeds {part}: the range FIRST:END holds FIRST to END - 1, 1 to {MOST_JOBS:,} seeds")
    yield from range(first, last)
