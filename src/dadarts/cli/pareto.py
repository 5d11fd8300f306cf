"""``dadarts pareto``: what a search would have found under every limit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dadarts import files, report
from dadarts.architecture.costs import Costs, count_costs
from dadarts.architecture.discretization import Limit
from dadarts.architecture.front import Point, front
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SearchSpace
from dadarts.cli import columns, configs
from dadarts.cli.flags import Command, Flag, flags_of
from dadarts.cli.pareto_of_fit import pareto_of_fit
from dadarts.cli.shown_run import what_it_says
from dadarts.config import SearchConfig
from dadarts.config.settings import Settings, setting
from dadarts.engines.profile.limits import at_most_latency, at_most_multiply_adds, at_most_parameters
from dadarts.errors import InputError, shortened
from dadarts.rundir import contents, history
from dadarts.rundir.called import fit_at
from dadarts.rundir.lookup import ended_search
from dadarts.rundir.saved import SavedRun
from dadarts.searching.ended import last_weights
from dadarts.searching.limits import latencies


class ParetoSettings(Settings):
    """What is weighed against the scores of a search's alphas, and of networks of which size."""

    cost: Literal["parameters", "multiply_adds", "latency_ms"] = setting(
        "parameters", "network", "what networks are to have little of", usual=True
    )
    costs: Path | None = setting(
        None, "network", "latencies of another device: a table as `dadarts profile -csv` writes it"
    )
    init_channels: int | None = setting(
        None, "network", "C (default: the search's -target_channels, else its space's for trainings)", ge=1, le=4096,
        usual=True,
    )  # fmt: skip
    layers: int | None = setting(
        None, "network", "L (default: the search's -target_layers, else its space's for trainings)", "n_layers",
        ge=1, le=1000, usual=True,
    )  # fmt: skip
    points: int = setting(12, "output", "limits that are tried, in equal steps", ge=1, le=1000, usual=True)
    runs_dir: Path = setting(Path("runs"), "output", "where the name is looked up, and what is found goes", usual=True)


COMMAND = Command(
    "dadarts pareto",
    "The genotypes that a search would have found under limits, from its alphas, or of a fit the candidates that no "
    "other beats at their cost: their score against their cost, as a table and a picture, and in a file that `dadarts "
    "train` takes them from.",
    (*flags_of(ParetoSettings), configs.PLUGIN, Flag(("json",), "output", "print JSON", boolean=True)),
    positionals=(("run", "a search that has ended, or a fit, by its name (NAME or @NAME), or its folder"),),
)


_OF_SEARCH = ("costs", "init_channels", "layers", "points")
"""Settings that the front of a fit has no use for."""
_SCORE = (
    "score: the mixing weights of the chosen operations, summed, in parts of those of what the search found; it is no "
    "accuracy"
)


@dataclass(frozen=True)
class Row:
    """A genotype of the front, and what its network costs."""

    name: str
    point: Point
    costs: Costs


def pareto(argv: Sequence[str]) -> int:
    """Carry ``dadarts pareto`` out."""
    values: dict[str, Any] = dict(COMMAND.parse(argv))
    configs.load_plugins(values)
    in_json = configs.truth("json", values)
    word = values["run"]
    settings = ParetoSettings(**{key: value for key, value in values.items() if key in ParetoSettings.model_fields})
    fit = fit_at(word, settings.runs_dir)
    if fit is not None:
        _refuse_sizes(values)
        print(pareto_of_fit(fit, settings.cost, settings.runs_dir)[in_json])
        return 0
    run = ended_search(word, settings.runs_dir)
    config = _config_of(run)
    macro = _size(run, config, settings)
    limit = _counting(config.space, macro, settings)
    scores = last_weights(config, contents.ALPHAS.at(run.path), _eigenvalues(run))
    found = list(front(config.space, scores, limit, settings.points))
    rows = [Row(f"p{n}", point, count_costs(point.genotype, macro)) for n, point in enumerate(found, start=1)]
    written, picture = _written(rows, limit, settings, config.name)
    if in_json:
        print(_as_json(rows, limit, macro, picture))
    else:
        print("\n".join([*_table(rows, limit), "", _SCORE, f"{written}#p1 ... names them", str(picture)]))
    return 0


def _refuse_sizes(values: Mapping[str, Any]) -> None:
    if given := [f"-{name}" for name in _OF_SEARCH if name in values]:
        raise InputError(f"{' and '.join(given)}: of a fit networks are compared as they raced; leave it out")


def _config_of(run: SavedRun) -> SearchConfig:
    try:
        return SearchConfig(**run.saved_config().settings)
    except InputError as error:
        raise InputError(f"{run.config} cannot be read: {error.marked}") from None


def _size(run: SavedRun, config: SearchConfig, settings: ParetoSettings) -> Macro:
    pictures = what_it_says(run).pictures
    if pictures is None:
        raise InputError(f"{shortened(run.path)} does not say what its pictures are like")
    size = config.space.train_size
    return Macro(
        settings.init_channels or config.target_channels or size.channels,
        settings.layers or config.target_layers or size.layers,
        pictures.shape,
        pictures.classes,
        config.stem_multiplier,
    )


def _counting(space: SearchSpace, macro: Macro, settings: ParetoSettings) -> Limit:
    if settings.costs is not None and settings.cost != "latency_ms":
        raise InputError("-costs says what operations take: it needs -cost latency_ms")
    match settings.cost:
        case "parameters":
            return at_most_parameters(space, macro, 0)
        case "multiply_adds":
            return at_most_multiply_adds(space, macro, 0)
        case "latency_ms":
            return at_most_latency(space, macro, 0, latencies(space, macro, settings.costs))


def _eigenvalues(run: SavedRun) -> list[float]:
    return [float(row.get(history.HESSIAN_EIGENVALUE.name) or 0) for row in run.rows()]


def _written(rows: Sequence[Row], limit: Limit, settings: ParetoSettings, name: str) -> tuple[Path, Path]:
    """The file of genotypes and the picture."""
    from dadarts.report.front import Weighed

    folder = settings.runs_dir / "pareto"
    folder.mkdir(parents=True, exist_ok=True)
    text, picture = folder / f"{name}.txt", folder / f"{name}.svg"
    files.write_text(text, "".join(f"{row.name} = {row.point.genotype}\n" for row in rows))
    points = [Weighed(row.name, row.point.cost / limit.per, row.point.score) for row in rows]
    report.draw_front(points, limit.of, "score of the alphas", picture, f"What {name} finds under limits")
    return text, picture


def _table(rows: Sequence[Row], limit: Limit) -> list[str]:
    header = ("", "score", limit.of if limit.per > 1 else "", "parameters", "multiply-adds")
    cells = [
        (
            row.name,
            f"{row.point.score:.1%}",
            limit.said(row.point.cost).split()[0] if limit.per > 1 else "",
            f"{row.costs.parameters:,}",
            f"{row.costs.multiply_adds:,}",
        )
        for row in rows
    ]
    return columns.rows([header, *cells], (8, 8, 20, 20), (False, True, True, True))


def _as_json(rows: Sequence[Row], limit: Limit, macro: Macro, picture: Path) -> str:
    found: Mapping[str, Any] = {
        "init_channels": macro.channels,
        "layers": macro.layers,
        "picture": str(picture),
        "front": [
            {
                "name": row.name,
                "score": row.point.score,
                **({limit.of: row.point.cost / limit.per} if limit.per > 1 else {}),
                "parameters": row.costs.parameters,
                "multiply_adds": row.costs.multiply_adds,
                "genotype": str(row.point.genotype),
            }
            for row in rows
        ],
    }
    return json.dumps(found, indent=1)
