"""What a page says of a search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dadarts.architecture.genotype import Genotype, found_in
from dadarts.architecture.spaces import SearchSpace
from dadarts.architecture.supernet import Mixing
from dadarts.architecture.verdict import Verdict
from dadarts.cli.show import NetworkCost
from dadarts.config import SearchConfig
from dadarts.errors import InputError, in_flags
from dadarts.methods.catalogue import METHODS
from dadarts.methods.resolve import resolve
from dadarts.pages import common
from dadarts.pages.finding import Begun
from dadarts.pages.pictures import Reader, data_of
from dadarts.report.page.charts import percent
from dadarts.report.page.content import Account, Candidate, Evolution, Mixture
from dadarts.report.page.figures import seconds
from dadarts.rundir import contents
from dadarts.rundir.history import (
    ALPHA_ENTROPY,
    DISCRETE_TOP1,
    DISCRETIZATION_GAP,
    RELAXED_TOP1,
    SEARCH_PANELS,
    Column,
    Row,
)
from dadarts.runs.fitting import MisfitError
from dadarts.searching.trajectory import Trajectory, trajectory

_MOST_FRAMES = 100
"""Epochs of all sliders of a page together."""
_MEASURED_ON = "validation part (accuracy), the supernet rounded"
_WORDS = {
    "decided": "The search decided",
    "undecided": "The search ended undecided",
    "locked": "The search ended locked to its first choices",
    "collapsed": "The search collapsed into operations without weights",
}


@dataclass(frozen=True)
class Searched:
    """A search on a page."""

    account: Account
    candidate: Candidate


def searched(begun: Begun, config: SearchConfig, reader: Reader, searches: int) -> Searched:
    """Gather a search.

    Args:
        searches: how many are on the page.

    Raises:
        InputError: a file of it is damaged.
    """
    run, history = begun.run, begun.run.measured()
    genotype, cost = _genotype(begun), None
    if genotype is not None:
        cost = common.network_cost(begun, genotype)
    verdict = run.verdict() if run.result() is not None else None
    account = Account(
        name=begun.name,
        kind="search",
        state=common.state_of(run, history, config.epochs),
        sentence=_sentence(run.result() is not None, verdict, history, config.epochs),
        doubts=_doubts(verdict) if verdict else (),
        facts=_facts(begun, config, history, verdict),
        commands=common.commands_of(begun, config),
        genotype=genotype,
        history=history,
        panels=SEARCH_PANELS,
        settings={**common.shown_settings(begun), "method": method_name(config)},
        costs=common.cost_table(begun, cost, history),
        evolution=_evolution(begun, config, max(4, _MOST_FRAMES // searches)),
        data=data_of(begun, config, reader)[0],
    )
    return Searched(account, _candidate(begun, config, history, cost))


def _genotype(begun: Begun) -> Genotype | None:
    """What it has found, or would return if it ended now."""
    try:
        return found_in(contents.GENOTYPE.at(begun.run.path), contents.GENOTYPE_TEXT.at(begun.run.path).read_text())
    except (OSError, UnicodeDecodeError, InputError):
        return None


def _last(history: list[Row], column: Column) -> float | None:
    found = [value for row in history if (value := column.of(row)) is not None]
    return float(found[-1]) if found else None


def _doubts(verdict: Verdict) -> tuple[str, ...]:
    said_already = 0 if verdict.decided is False or "locked" in verdict.doubts else 1
    return tuple(map(in_flags, verdict.lines[said_already:]))


def _sentence(has_ended: bool, verdict: Verdict | None, history: list[Row], epochs: int) -> str:
    if not has_ended:
        begin = f"The search has not ended: {len(history):,} of {epochs:,} epochs are done."
    elif verdict is None:
        begin = "The search has ended."
    elif verdict.decided is None:
        begin = f"The search has ended; its {verdict.summary.removeprefix('the ')}."
    else:
        begin = f"{_WORDS.get(verdict.word, _WORDS['decided'])}"
        if verdict.changed is not None:
            begin += f": {verdict.changed} of {verdict.choices} choices are others than those of its first random draw"
        begin += "."
    relaxed, discrete = _last(history, RELAXED_TOP1), _last(history, DISCRETE_TOP1)
    if relaxed is None or discrete is None:
        return begin
    return (
        f"{begin} Its supernet gets {percent(relaxed)} of the validation pictures right, and {percent(discrete)} once "
        "it is rounded to the cell that was found, with the same weights."
    )


def method_name(config: SearchConfig) -> str:
    """The name of a search's method; of one that has none, that it is somebody's own."""
    for name, make in METHODS.items():
        try:
            if resolve(make(), config.space) == config.method:
                return name
        except InputError:
            continue
    return "own techniques"


def _facts(
    begun: Begun, config: SearchConfig, history: list[Row], verdict: Verdict | None
) -> tuple[tuple[str, str], ...]:
    gap, entropy = _last(history, DISCRETIZATION_GAP), _last(history, ALPHA_ENTROPY)
    total = common.computed(history)
    facts = (
        ("Supernet, relaxed", _as_percent(_last(history, RELAXED_TOP1))),
        ("Supernet, rounded", _as_percent(_last(history, DISCRETE_TOP1))),
        (
            f"{'Lost' if gap is None or gap >= 0 else 'Gained'} by rounding",
            "" if gap is None else f"{abs(100 * gap):.1f} points",
        ),
        ("Entropy of an edge", _entropy(entropy, verdict)),
        ("Method", method_name(config)),
        ("Space", config.search_space),
        ("Supernet", common.size_of(config.init_channels, config.layers)),
        ("Epochs", f"{len(history):,} of {config.epochs:,}"),
        ("Computing time", "" if total is None else seconds(total)),
        ("Seed", str(config.seed)),
        ("Computed on", common.machine(begun.saved.versions)),
    )
    return tuple((what, value) for what, value in facts if value)


def _as_percent(value: float | None) -> str:
    return "" if value is None else percent(value)


def _entropy(entropy: float | None, verdict: Verdict | None) -> str:
    if verdict is not None and verdict.entropy is not None and verdict.undecided is not None:
        return f"{verdict.entropy:.2f} of {verdict.undecided:.2f} nats"
    return "" if entropy is None else f"{entropy:.2f} nats"


def _candidate(begun: Begun, config: SearchConfig, history: list[Row], cost: NetworkCost | None) -> Candidate:
    return Candidate(
        begun.name,
        f"found by {method_name(config)}, not trained" + (f" ({_size(cost)})" if cost else ""),
        _last(history, DISCRETE_TOP1),
        _MEASURED_ON,
        parameters=cost.parameters if cost else None,
        multiply_adds=cost.multiply_adds if cost else None,
        latency_us=cost.prediction_us if cost else None,
        seconds=common.computed(history),
    )


def _size(cost: NetworkCost) -> str:
    return f"costs of {common.size_of(cost.init_channels, cost.layers)}"


def _evolution(begun: Begun, config: SearchConfig, most: int) -> Evolution | None:
    """What alphas.npz says of every epoch, of more than `most` of as many from all over the search.

    Raises:
        InputError: the file is damaged.
    """
    path = contents.ALPHAS.at(begun.run.path)
    try:
        course = trajectory(config, path)
    except (MisfitError, ValueError, RuntimeError, InputError) as error:
        raise InputError(f"{path} is damaged: {error}") from None
    if course is None:
        return None
    count = len(course.genotypes)
    shown = sorted({round(number * (count - 1) / max(1, min(most, count) - 1)) for number in range(min(most, count))})
    return Evolution(
        tuple(number + 1 for number in shown),
        tuple(course.genotypes[number] for number in shown),
        {kind: _mixture(config.space, kind, course, shown) for kind in config.space.kinds},
    )


def _mixture(space: SearchSpace, kind: str, course: Trajectory, shown: list[int]) -> Mixture:
    table = space.table(kind)
    names = tuple(name for name in space.ops if any(name in edge for node in table for edge in node))
    edges = [
        (number, space.reads(kind, number)[position], edge)
        for number, node in enumerate(table)
        for position, edge in enumerate(node)
    ]
    weights = np.full((len(shown), len(edges), len(names)), np.nan)
    for row, epoch in enumerate(shown):
        mixing: Mixing = course.mixing[epoch]
        values = np.concatenate([node.detach().cpu().numpy() for node in mixing[kind]])
        for place, (_, _, edge) in enumerate(edges):
            for column, name in enumerate(edge):
                if name is not None:
                    weights[row, place, names.index(name)] = values[place, column]
    return Mixture(tuple((number, state) for number, state, _ in edges), names, weights)
