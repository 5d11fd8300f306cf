"""Which pictures a page has, made of what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType

from markupsafe import Markup

from dadarts.report.curves import points as measured
from dadarts.report.page import charts
from dadarts.report.page.charts import Curve, Point, percent, plain_number
from dadarts.report.page.content import Account, Candidate, Table
from dadarts.report.page.palette import SERIES
from dadarts.rundir.history import DISCRETE_TOP1, EPOCH, VALID_TOP1, Panel, Row, Series

_DASHES = MappingProxyType({"-": "", "--": "5 3", ":": "1.5 2.5", "-.": "6 2 1.5 2"})
_MOST_ROWS = 120
"""Epochs of a table; of more, as many are taken from all over the run."""


@dataclass(frozen=True)
class Figure:
    """A picture under its title."""

    title: str
    picture: Markup


@dataclass(frozen=True)
class _Cost:
    title: str
    axis: str
    of: Callable[[Candidate], float | None]


_COSTS = (
    _Cost("Accuracy against parameters", "parameters", lambda one: one.parameters),
    _Cost("Accuracy against multiply-adds", "multiply-adds", lambda one: one.multiply_adds),
    _Cost("Accuracy against latency", "µs a picture", lambda one: one.latency_us),
    _Cost("Accuracy against computing time", "seconds", lambda one: one.seconds),
)


def accuracy_against_costs(candidates: Sequence[Candidate]) -> Iterator[Figure]:
    """A picture for every cost that two candidates have whose accuracies are of the same pictures."""
    every = dict.fromkeys(one.measured_on for one in candidates)
    for cost in _COSTS:
        for measured_on in every:
            found = [
                Point(one.name, x, one.accuracy, one.interval, one.chosen)
                for one in candidates
                if one.measured_on == measured_on and one.accuracy is not None
                for x in [cost.of(one)]
                if x is not None and isfinite(x)
            ]
            if len(found) > 1:
                title = f"{cost.title} ({measured_on})" if len(every) > 1 else cost.title
                yield Figure(title, charts.points(title, cost.axis, found))


def curves_of(account: Account) -> Iterator[Figure]:
    """The curves of a run, each quantity on axes of its own."""
    for panel in account.panels:
        for is_right, title in ((False, panel.left), (True, panel.right)):
            series = [one for one in panel.series if one.right == is_right]
            lines = [line for one in series for line in _lines(account.history, one, len(series) == 1)]
            if lines:
                name = (title or panel.left).capitalize()
                in_percent = panel.percent == ("right" if is_right else "left")
                yield Figure(name, charts.curves(name, lines, in_percent))


def _lines(history: Sequence[Row], series: Series, is_alone: bool) -> Iterator[Curve]:
    xs, ys = measured(history, series.names)
    if ys:
        yield Curve("" if is_alone else series.label, xs, ys, series.colour, _DASHES[series.dash])


def together(accounts: Sequence[Account]) -> Iterator[Figure]:
    """The accuracies of several runs over their epochs, in one picture each for searches and trainings."""
    shown = (
        ("search", VALID_TOP1, "Searches: accuracy on the validation part"),
        ("search", DISCRETE_TOP1, "Searches: accuracy when rounded"),
        ("training", VALID_TOP1, "Trainings: accuracy on the validation part"),
    )
    for kind, column, title in shown:
        lines = []
        for number, account in enumerate(one for one in accounts if one.kind == kind):
            xs, ys = measured(account.history, (column.name,))
            if ys:
                dash = [*_DASHES.values()][number // len(SERIES) % len(_DASHES)]
                lines.append(Curve(account.name, xs, ys, SERIES[number % len(SERIES)], dash))
        if len(lines) > 1:
            yield Figure(title, charts.curves(title, lines, in_percent=True))


def numbers_of(account: Account) -> Table | None:
    """What the curves of a run are drawn of, a row an epoch."""
    columns = {one.column.name: (one.label, panel) for panel in account.panels for one in panel.series}
    rows = account.history
    known = {name: label for name, (label, _) in columns.items() if any(row.get(name) is not None for row in rows)}
    if not rows or not known:
        return None
    shares = {name for name, (_, panel) in columns.items() if _is_share(panel, name)}
    step = -(-len(rows) // _MOST_ROWS)
    chosen = [row for number, row in enumerate(rows) if number % step == 0 or number == len(rows) - 1]
    cells = tuple((_epoch(row), *(_cell(row.get(name), name in shares) for name in known)) for row in chosen)
    caption = f"What the curves of {account.name} show" + (f", every {step} epochs" if step > 1 else "")
    return Table(caption, ("epoch", *known.values()), cells, frozenset(range(len(known) + 1)))


def _is_share(panel: Panel, name: str) -> bool:
    return any(one.column.name == name and panel.percent == ("right" if one.right else "left") for one in panel.series)


def _epoch(row: Row) -> str:
    epoch = EPOCH.of(row)
    return "–" if epoch is None else f"{epoch + 1:g}"


def _cell(value: float | None, is_share: bool) -> str:
    if value is None or not isfinite(value):
        return "–"
    return percent(value) if is_share else plain_number(value)


def settings_that_differ(accounts: Sequence[Account]) -> Table | None:
    """The settings in which runs of one kind differ; None where nothing does."""
    rows: list[tuple[str, ...]] = []
    names = dict.fromkeys(name for account in accounts for name in account.settings)
    for name in names:
        if name == "name":
            continue
        by_kind: dict[str, set[str]] = {}
        for account in accounts:
            by_kind.setdefault(account.kind, set()).add(account.settings.get(name, "–"))
        if any(len(values) > 1 for values in by_kind.values()):
            rows.append((name, *(account.settings.get(name, "–") for account in accounts)))
    if not rows:
        return None
    head = ("setting", *(f"{account.name} ({account.kind})" for account in accounts))
    return Table("Settings in which the runs differ", head, tuple(rows))


def table_of(candidates: Sequence[Candidate]) -> Table:
    """The candidates, the best first, without the columns that nothing is known for."""
    ranked = sorted(candidates, key=lambda one: (one.accuracy is None, -(one.accuracy or 0.0)))
    columns = (
        ("network", [one.name for one in ranked], False),
        ("score", ["–" if one.accuracy is None else percent(one.accuracy) for one in ranked], True),
        ("95 % interval", [_interval(one) for one in ranked], True),
        ("parameters", ["–" if one.parameters is None else f"{one.parameters:,}" for one in ranked], True),
        (
            "multiply-adds",
            ["–" if one.multiply_adds is None else charts.short(one.multiply_adds) for one in ranked],
            True,
        ),
        ("µs a picture", ["–" if one.latency_us is None else f"{one.latency_us:,.0f}" for one in ranked], True),
        ("computing time", ["–" if one.seconds is None else seconds(one.seconds) for one in ranked], True),
        ("score on", [one.measured_on for one in ranked], False),
        ("what", [one.about for one in ranked], False),
    )
    kept = [column for column in columns if any(cell != "–" for cell in column[1])]
    return Table(
        "Scores and cost",
        tuple(head for head, _, _ in kept),
        tuple(zip(*(cells for _, cells, _ in kept), strict=True)),
        frozenset(number for number, (_, _, is_number) in enumerate(kept) if is_number),
        frozenset(number for number, one in enumerate(ranked) if one.chosen),
    )


def _interval(one: Candidate) -> str:
    return "–" if one.interval is None else f"{percent(one.interval[0])} to {percent(one.interval[1])}"


def seconds(value: float) -> str:
    """Seconds, minutes or hours, with their unit.

    >>> seconds(12.3), seconds(59.98), seconds(90), seconds(7200), seconds(4e6)
    ('12.3\xa0s', '1\xa0min', '1.5\xa0min', '2\xa0h', '1,111\xa0h')
    """
    for size, unit in ((1, "s"), (60, "min")):
        shown = f"{value / size:.3g}"
        # As it is rounded: 59.98 seconds are no 60.
        if float(shown) < 60:
            return f"{shown}{charts.SPACE}{unit}"
    hours = value / 3600
    return f"{f'{hours:.3g}' if hours < 100 else f'{hours:,.0f}'}{charts.SPACE}h"
