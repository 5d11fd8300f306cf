"""What a page says of searches and trainings alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dadarts.architecture.genotype import Genotype
from dadarts.cli.configs import CONFIGS
from dadarts.cli.show import NetworkCost, cost_of
from dadarts.cli.shown_run import what_it_says
from dadarts.config import SearchConfig, TrainConfig
from dadarts.config.calls import in_python
from dadarts.errors import InputError, shortened
from dadarts.pacing import counted, size
from dadarts.pages.finding import Begun
from dadarts.report.page.charts import short
from dadarts.report.page.content import Command, Table
from dadarts.report.page.figures import seconds
from dadarts.rundir import command, contents
from dadarts.rundir.called import fit_of
from dadarts.rundir.history import SECONDS, TIMES, Row
from dadarts.rundir.kinds import SEARCH, TRAINING
from dadarts.rundir.saved import SavedRun
from dadarts.runs.begun import of_fit

Config = SearchConfig | TrainConfig


def config_of(begun: Begun) -> Config:
    """The settings of a run.

    Raises:
        InputError: they are none, or name what a plugin has registered that is not loaded.
    """
    kind = TRAINING if begun.saved.is_training else SEARCH
    try:
        config = CONFIGS[kind](**begun.saved.settings)
    except InputError as error:
        plugins = begun.saved.settings.get("plugin")
        hint = f"; give its plugin again: -plugin {shortened(','.join(map(str, plugins)), 120)}" if plugins else ""
        raise InputError(f"{begun.run.config}: {error.marked}{hint}") from None
    assert isinstance(config, SearchConfig | TrainConfig)  # noqa: S101 -- there are no other kinds
    return config


def computed(history: list[Row]) -> float | None:
    """Seconds of all that the epochs took; None where nothing was measured."""
    times = [float(value) for row in history for column in TIMES if (value := column.of(row)) is not None]
    return sum(times) if any(SECONDS.of(row) for row in history) else None


def state_of(run: SavedRun, history: list[Row], epochs: int) -> str:
    """Whether a run has ended, in words."""
    return "finished" if run.result() is not None else f"not finished: {len(history):,} of {epochs:,} epochs"


def shown_settings(begun: Begun) -> dict[str, str]:
    """The settings as text, for a table of those in which runs differ; methods and genotypes are shown otherwise."""
    left_out = (
        "runs_dir",
        "cache_dir",
        "data_path",
        "print_freq",
        "checkpoint_minutes",
        "workers",
        "method",
        "genotype",
    )
    return {name: _shown(value) for name, value in begun.saved.settings.items() if name not in left_out}


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else shortened(value, 200)


def commands_of(begun: Begun, config: Config) -> tuple[Command, ...]:
    """What makes the same run again: the command in its log, else a call in Python; of a fit's run the fit's first."""
    fit = fit_of(begun.run.path)
    given = command.begun_with(begun.run.path)
    if fit is None:
        return (Command("The command", given.text if given else in_python(config)),)
    # Beside the fit, not in it; the fit's own name means the fit.
    beside = {"name": f"{fit.name}-{config.name}", "runs_dir": config.runs_dir.parents[1]}
    # Of an estimator that keeps no folder that of its runs is gone.
    gone = () if config.runs_dir.is_dir() else ("runs_dir",)
    part = f"The {'training' if begun.saved.is_training else 'search'} alone"
    own = Command(part, given.text if given else in_python(config.model_copy(update=beside), gone))
    whole = of_fit(fit)
    return (Command("The command", whole.text), own) if whole else (own,)


def network_cost(begun: Begun, genotype: Genotype) -> NetworkCost | None:
    """What a run's genotype costs on its pictures; None where it does not say what they are like."""
    says = what_it_says(begun.run)
    if says.pictures is None:
        return None
    return cost_of(genotype, says.pictures, init_channels=says.channels, layers=says.layers)


def cost_table(begun: Begun, cost: NetworkCost | None, history: list[Row]) -> Table:
    """What a run's network and the run itself cost."""
    rows = [*_of_network(cost), *_of_run(begun.run, history)]
    return Table("Costs", ("what", "value", "of"), tuple(rows), frozenset({1}))


def _of_network(cost: NetworkCost | None) -> Iterator[tuple[str, str, str]]:
    if cost is None:
        return
    of = f"the network of {size_of(cost.init_channels, cost.layers)}"
    yield "parameters", f"{cost.parameters:,}", of
    yield "multiply-adds", short(cost.multiply_adds), "one picture's pass"
    if cost.prediction_us is None:
        yield "latency", "–", "not measured on this machine: `dadarts profile` does"
    else:
        yield "latency", f"{cost.prediction_us:,.0f} µs", "one picture, in batches, on this machine"


def _of_run(run: SavedRun, history: list[Row]) -> Iterator[tuple[str, str, str]]:
    total = computed(history)
    if total is not None:
        yield "computing time", seconds(total), "all steps and validations of the run"
        yield "an epoch", seconds(total / len(history)), "mean of all"
    try:
        yield "network file", size(contents.NETWORK.at(run.path).stat().st_size), contents.NETWORK.name
    except OSError:
        return


def size_of(channels: int, layers: int) -> str:
    """How large a network is."""
    return f"{counted(channels, 'channel')}, {counted(layers, 'layer')}"


def machine(versions: Mapping[str, Any]) -> str:
    """Where a run has computed."""
    device, threads = versions.get("device_name") or versions.get("device"), versions.get("threads")
    words = [str(device)] if device else []
    return ", ".join([*words, *([counted(threads, "thread")] if threads else [])]) or "–"
