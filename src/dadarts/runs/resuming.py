"""What a run that goes on has in common with the run as it was begun, and the refusal of one that has not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from dadarts.config.run import AUTO, BEFORE, COMPUTED_BEFORE, ENVIRONMENT, Computed, RunConfig
from dadarts.distributed import LAUNCHER, Processes
from dadarts.errors import InputError
from dadarts.plugins import fingerprints
from dadarts.rundir.saved import SavedRun

AnyRun = TypeVar("AnyRun", bound=RunConfig)


def refuse_other_settings(run: SavedRun, config: RunConfig) -> None:
    """Refuse to resume with settings that decide numbers and are not the run's.

    Raises:
        InputError: it names every setting that differs.
    """
    refuse_differences(run, config.differences(run.saved_config().settings))


def refuse_other_compute(run: SavedRun, computed: Computed) -> None:
    """Refuse to resume on another kind of device, engine or number of threads: sums would differ.

    Raises:
        InputError: it says what differs.
    """
    versions = {**COMPUTED_BEFORE, **run.saved_config().versions}
    # One CUDA device computes as another: their numbers are left out.
    refuse_differences(
        run,
        [
            f"-{name} is {versions.get(name)!r} in the run and {here!r} here"
            for name, here in computed.items()
            if str(versions.get(name)).split(":")[0] != str(here).split(":")[0]
        ],
    )


def refuse_other_data(run: SavedRun, then: object, now: str) -> None:
    """Refuse to resume on another training part.

    Args:
        then, now: the fingerprints of what the run has begun with and of what there is.

    Raises:
        InputError: it is another.
    """
    if then != now:
        raise InputError(
            f"{run.path} has begun with other training pictures or labels than its data set holds now; "
            "put those back, or begin anew with -overwrite"
        )


def refuse_other_processes(run: SavedRun, processes: Processes) -> None:
    """Refuse to resume with another number of processes: sums would differ.

    Raises:
        InputError: it says how to start as many.
    """
    there = run.saved_config().processes
    if there != processes.count:
        command = f"start it with `{' '.join(LAUNCHER)} {there}`" if there != 1 else "start it as one process"
        raise InputError(
            f"{run.path} cannot go on in another number of processes: {there} in the run and {processes.count} "
            f"here; {command}"
        )


def changed_plugins(run: SavedRun, names: Sequence[str]) -> Iterator[str]:
    """What is to be said of plugins that the run did not begin with as they are now.

    Nothing of a run that did not keep what they were.
    """
    then = run.saved_config().versions.get("plugins")
    for name, is_now in fingerprints(names).items():
        if then is not None and is_now not in then:
            yield f"-plugin {name} differs from what the run began with; the rest is computed with it as it is now"


def as_computed(run: SavedRun, config: AnyRun) -> AnyRun:
    """The configuration with the threads and engine that the run has computed with, unless it names others."""
    saved = {**COMPUTED_BEFORE, **run.saved_config().versions}
    open_settings = [name for name in ("threads", "engine") if getattr(config, name, "") in (None, "auto")]
    return config.model_copy(update={name: saved[name] for name in open_settings if name in saved})


def as_begun(run: SavedRun, config: AnyRun) -> AnyRun:
    """The configuration with what it leaves open as it was settled when the run began.

    Raises:
        InputError: a value in the run's is none that the setting can have.
    """
    # A run that began before there was a setting has computed what is now its default, or what `BEFORE` says.
    defaults = {name: field.default for name, field in type(config).model_fields.items()}
    saved = {**defaults, **BEFORE, **run.saved_config().settings}
    begun = {name: saved[name] for name, value in config if value == AUTO and name not in ENVIRONMENT}
    checked = type(config)(**(dict(config) | begun))
    # A copy keeps a data set that was given as an object.
    return config.model_copy(update={name: getattr(checked, name) for name in begun})


def refuse_differences(run: SavedRun, differences: list[str]) -> None:
    """Raise an InputError that lists what differs, where anything does."""
    if differences:
        raise InputError(
            f"{run.path} cannot go on with other settings: {'; '.join(differences)}; `-name {run.path.name} -resume` "
            "alone goes on as it began"
        )


def settled(config: AnyRun, values: Mapping[str, float | str]) -> AnyRun:
    """The configuration with values for what it has left open."""
    return config.model_copy(update=dict(values))
