"""``dadarts pareto`` of a fit: which of the candidates of its race nothing beats at their cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dadarts import files, report
from dadarts.architecture.genotype import Genotype
from dadarts.cli import columns
from dadarts.cli.raced import Raced, raced
from dadarts.cli.show import NetworkCost
from dadarts.errors import InputError, shortened
from dadarts.fitting import plan, record
from dadarts.pacing import counted, duration
from dadarts.report.undominated import undominated


@dataclass(frozen=True)
class _Axis:
    """What candidates are to have little of."""

    title: str
    of: Callable[[NetworkCost], float | None]


_AXES = MappingProxyType(
    {
        "parameters": _Axis("parameters", lambda cost: cost.parameters),
        "multiply_adds": _Axis("multiply-adds", lambda cost: cost.multiply_adds),
        "latency_ms": _Axis("ms", lambda cost: None if cost.prediction_us is None else cost.prediction_us / 1000),
    }
)


@dataclass(frozen=True)
class _Row:
    """A candidate: its name in the picture and in the file, and what it is worth and costs."""

    name: str
    title: str
    genotype: Genotype
    score: float
    cost: NetworkCost
    weighed: float

    def as_json(self, axis: str) -> Mapping[str, Any]:
        more = {axis: self.weighed} if axis == "ms" else {}
        return {
            "name": self.name,
            "title": self.title,
            "score": self.score,
            **more,
            "parameters": self.cost.parameters,
            "multiply_adds": self.cost.multiply_adds,
            "genotype": str(self.genotype),
            "init_channels": self.cost.init_channels,
            "layers": self.cost.layers,
        }


def pareto_of_fit(folder: Path, cost: str, runs_dir: Path) -> tuple[str, str]:
    """The front of the fit in a folder as text and as JSON; its picture and its genotypes are written.

    Args:
        cost: what candidates are to have little of.
        runs_dir: below which these go.

    Raises:
        InputError: the fit is damaged, or has had no race.
    """
    kept, axis = record.read(folder), _AXES[cost]
    rows = _weighed([*raced(folder, kept)], axis, folder)
    places = [*undominated([row.weighed for row in rows], [row.score for row in rows])]
    front = [rows[place] for place in places]
    beaten = [row for place, row in enumerate(rows) if place not in places]
    worth = f"{record.in_words(kept.metric)} on the validation part"
    text, picture = _written(rows, front, axis, worth, folder, runs_dir)
    lines = [*_table(front, axis, worth), ""]
    lines += [f"beaten: {row.title}, {row.score:.1%} at {_shown(row.weighed)} {axis.title}" for row in beaten]
    lines += [f"{text}#{front[0].name} ... names them", str(picture)]
    found = {
        "metric": kept.metric,
        "picture": str(picture),
        "front": [row.as_json(axis.title) for row in front],
        "beaten": [row.as_json(axis.title) for row in beaten],
    }
    return "\n".join(lines), json.dumps(found, indent=1)


def _weighed(candidates: Sequence[Raced], axis: _Axis, folder: Path) -> list[_Row]:
    """Those that raced, the cheapest first."""
    found = [
        (each.entrant, each.score, each.cost, axis.of(each.cost))
        for each in candidates
        if each.score is not None and each.cost is not None
    ]
    if len(found) < 2:
        enough = duration(plan.enough(2, searching=False))
        raise InputError(
            f"{shortened(folder)} has had no race, and one network has no front; candidates race in {enough} and more "
            "(-minutes), where there are pictures to judge them by"
        )
    if any(weighed is None for *_, weighed in found):
        raise InputError("latencies have not been measured on this machine, which `dadarts profile` does")
    ordered = sorted(found, key=lambda each: (each[3] or 0.0, -each[1]))
    return [
        _Row(f"p{number}", entrant.title, Genotype.parse(entrant.genotype), score, cost, float(weighed or 0.0))
        for number, (entrant, score, cost, weighed) in enumerate(ordered, start=1)
    ]


def _written(
    rows: Sequence[_Row], front: Sequence[_Row], axis: _Axis, worth: str, folder: Path, runs_dir: Path
) -> tuple[Path, Path]:
    """The file of genotypes and the picture; a search of the name may have its own beside them."""
    from dadarts.report.front import Weighed

    place = runs_dir / "pareto"
    place.mkdir(parents=True, exist_ok=True)
    name = folder.absolute().name
    text, picture = place / f"{name}-fit.txt", place / f"{name}-fit.svg"
    files.write_text(text, "".join(f"{row.name} = {row.genotype}\n" for row in rows))
    on, off = (
        [Weighed(f"{row.name} {row.title}", row.weighed, row.score) for row in rows if (row in front) is is_on]
        for is_on in (True, False)
    )
    report.draw_front(on, axis.title, worth, picture, f"The candidates of {name}", off)
    return text, picture


def _table(front: Sequence[_Row], axis: _Axis, worth: str) -> list[str]:
    in_ms = axis.title == "ms"
    header = ("", "network", "size", worth, axis.title if in_ms else "", "parameters", "multiply-adds")
    cells = [
        (
            row.name,
            row.title,
            f"{counted(row.cost.init_channels, 'channel')}, {counted(row.cost.layers, 'layer')}",
            f"{row.score:.1%}",
            _shown(row.weighed) if in_ms else "",
            f"{row.cost.parameters:,}",
            f"{row.cost.multiply_adds:,}",
        )
        for row in front
    ]
    return columns.rows([header, *cells], (8, 40, 30, 40, 20, 20), (False, False, False, True, True, True))


def _shown(weighed: float) -> str:
    return f"{weighed:,.4g}" if weighed < 1000 else f"{weighed:,.0f}"
