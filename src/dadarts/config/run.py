"""What searching and training need to know alike: where and how a run works, and which settings decide its numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import field_validator

from dadarts.config.data import DataSettings
from dadarts.config.settings import Settings, setting
from dadarts.errors import InputError
from dadarts.rundir.replaced import replaces

ENVIRONMENT = frozenset(
    {
        *("workers", "print_freq", "checkpoint_minutes", "cache_dir", "data_path", "runs_dir"),
        *("gpus", "device", "threads", "engine", "checkpoint_activations", "plugin", "logger", "fork_jobs"),
    }
)
"""Settings that say where and how a run works; a resumed run may change them as long as it computes alike."""


BEFORE: Mapping[str, str] = MappingProxyType({"value_range": "nominal"})
"""What a run has computed that began before there was a setting, where this is not the setting's default."""

COMPUTED_BEFORE: Mapping[str, str] = MappingProxyType({"engine": "reference"})
"""How a run computes that began before this was noted down."""

Precision: TypeAlias = Literal["float32", "tf32", "bf16"]
AUTO: Literal["auto"] = "auto"
"""What leaves a setting to the data: it is settled when they have been read."""

Computed: TypeAlias = dict[str, str | int]
"""How a run computes, as far as its sums depend on it: device, threads, engine."""


def plugins_named(text: str) -> tuple[str, ...]:
    """The plugins of a command line, which commas separate."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


class RunSettings(Settings):
    """Where and how a run works."""

    FUNCTION: ClassVar[str]
    """Of `dadarts`, which takes such a configuration."""

    name: str = setting(..., "run", "name of the run", usual=True)
    runs_dir: Path = setting(Path("runs"), "run", "where runs are kept", usual=True)
    plugin: tuple[str, ...] | None = setting(
        None,
        "run",
        "Python files that register operations, methods ..., as my_file.py; or entry points of dadarts.plugins",
    )
    logger: tuple[str, ...] | None = setting(
        None, "run", "where the history goes, too: wandb, mlflow, or one of a plugin (TensorBoard's files always are)"
    )
    seed: int = setting(42, "run", "seed of every random draw", ge=0, lt=2**63, usual=True)
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "auto", "run", "where to compute: auto, cpu, cuda or mps", usual=True
    )
    gpus: str | None = setting(None, "run", "index of the CUDA device, such as 0; or one a process, as 0,1")
    threads: int | None = setting(None, "run", "CPU threads (default: by the size of the network)", ge=1, le=1024)
    precision: Precision = setting(
        "float32",
        "run",
        "on CUDA: float32, tf32, or bf16 (finite differences stay float32); trainings also bf16 on a CPU with AMX or "
        "AVX512-BF16",
    )
    print_freq: int = setting(50, "run", "steps between two lines of progress", ge=1, le=10**9)
    checkpoint_minutes: float = setting(5.0, "run", "minutes between checkpoints within an epoch", ge=0, le=1e6)

    @field_validator("plugin", "logger", mode="before")
    @classmethod
    def _commas_separate_names(cls, names: object) -> object:
        return plugins_named(names) if isinstance(names, str) else names

    @field_validator("name")
    @classmethod
    def _name_stays_in_its_folder(cls, name: str) -> str:
        if not name.strip() or len(name.encode()) > 200:
            raise InputError("a name has 1 to 200 bytes")
        if "/" in name or "\\" in name or name.startswith(".") or not name.isprintable():
            raise InputError("a name is one folder below the runs folder: no slash, no leading dot")
        if replaces(name) is not None:
            raise InputError("a run that was replaced is called like that; give another name, or rename its folder")
        return name

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        values: dict[str, Any] = json.loads(self.model_dump_json())
        return values

    def differences(self, saved: dict[str, Any]) -> list[str]:
        """The settings that decide numbers and differ from saved ones, each as a phrase."""
        own = self.to_json()
        if "method" in own and saved.get("method") != own["method"]:
            from dadarts.methods.text import differing

            return [*differing(str(saved.get("method")), own.pop("method")), *self._plain_differences(own, saved)]
        return self._plain_differences(own, saved)

    def _plain_differences(self, own: dict[str, Any], saved: dict[str, Any]) -> list[str]:
        # A run that began before there was a setting has computed what is now its default, or what `BEFORE` says.
        return [
            f"-{name} is {there} in the run and {here} here"
            for name, value in own.items()
            if name not in ENVIRONMENT
            and saved.get(name, BEFORE.get(name, type(self).model_fields[name].default)) != value
            for there, here in [_where_they_differ(saved.get(name), value)]
        ]


# The last base's settings come first in --help.
class RunConfig(DataSettings, RunSettings):
    """What searching and training have in common."""

    TRAINS: ClassVar[bool] = False
    """Whether it is of a discrete network's training."""

    stem_multiplier: int = setting(3, "network", "channels of the darts stem, in multiples of C", ge=1, le=64)


def _where_they_differ(first: Any, second: Any) -> tuple[str, str]:
    words = repr(first), repr(second)
    equal = next((place for place, pair in enumerate(zip(*words, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, equal - 40)
    shown = [
        word
        if len(word) <= 80
        else ("..." if start else "") + word[start : start + 80] + "..." * (len(word) > start + 80)
        for word in words
    ]
    return shown[0], shown[1]
