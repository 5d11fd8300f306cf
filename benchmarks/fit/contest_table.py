"""The contest's rows as Markdown: means over seeds, and by how much `fit` is above the better peer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, mean

from benchmarks.fit.plain import NETWORKS
from benchmarks.fit.rows import Row
from benchmarks.fit.tasks import CIFAR, TASKS
from dadarts.pacing import counted

OURS = "fit"
LEVEL = 0.95
LOST = 1.0
"""Points below the better peer from which on a task counts as lost, and above it as won."""


@dataclass(frozen=True)
class Difference:
    """`fit` less the better peer, in points, and half of its interval over test pictures.

    Args:
        alone: the peer's name where no other has run.
    """

    points: float
    half: float
    alone: str = ""

    def __str__(self) -> str:
        return f"{self.points:+.1f} ± {self.half:.1f}" + (f" ({self.alone} alone)" if self.alone else "")


def page(rows: Sequence[Row]) -> str:
    """All tables, with what they say."""
    lines = [
        "`make bench-fit FOLDER=...` (`python -m benchmarks.fit.contest FOLDER`, FOLDER being where cifar10 lies): "
        "accuracy on the test part in percent (balanced accuracy where classes are unequal), means over seeds, one "
        "thread, minutes of the processor's time for everything. Beside it the network's parameters and epochs.",
        "",
        f"An interval ({LEVEL:.0%}) covers another draw of test pictures, both scores taken for shares of independent "
        "ones, which is wider than that of pairs; it does not cover other seeds or training pictures. The better peer "
        "is chosen by these very scores, in its favour.",
    ]
    for minutes, limit in sorted({(row.minutes, row.limit) for row in rows}, key=lambda pair: (pair[1] or 0, pair[0])):
        own = [row for row in rows if (row.minutes, row.limit) == (minutes, limit)]
        within = "" if limit is None else f", at most {limit:,} parameters"
        lines += [f"\n## {minutes:g} minutes{within}\n", *_table(own), "", *_summary(own)]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Row]) -> list[str]:
    contestants = sorted({row.contestant for row in rows}, key=_place)
    lines = [
        f"| task | {' | '.join(contestants)} | fit less the better peer |",
        f"|---|{'---|' * len(contestants)}---|",
    ]
    for name, task in TASKS.items():
        own = [row for row in rows if row.task == name]
        if own:
            cells = [_cell([row for row in own if row.contestant == each]) for each in contestants]
            lines.append(f"| {task.title} | {' | '.join(cells)} | {difference(own) or ''} |")
    return lines


def _place(contestant: str) -> tuple[int, str]:
    known = [*NETWORKS, OURS]
    return known.index(contestant) if contestant in known else len(known), contestant


def _cell(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    seeds = f", {len(rows)} seeds" if len(rows) > 1 else ""
    parameters = mean(row.parameters for row in rows) / 1e3
    return f"{_percent(rows):.1f} ({parameters:.0f}k, {mean(row.epochs for row in rows):.0f}{seeds})"


def _percent(rows: Sequence[Row]) -> float:
    return 100 * mean(row.score for row in rows)


def difference(rows: Sequence[Row]) -> Difference | None:
    """Of a task's rows, over the seeds that `fit` and a peer have both; None where none has `fit`, or no peer."""
    ours = {row.seed: row for row in rows if row.contestant == OURS}
    compared = []
    for peer in NETWORKS:
        theirs = {row.seed: row for row in rows if row.contestant == peer}
        both = sorted(ours.keys() & theirs.keys())
        if both:
            compared.append(([ours[seed] for seed in both], [theirs[seed] for seed in both]))
    if not compared:
        return None
    own, better = max(compared, key=lambda pair: _percent(pair[1]))
    # The same test pictures judge every seed: more seeds do not narrow the interval.
    variance = sum(_percent(each) * (100 - _percent(each)) / each[0].pictures for each in (own, better))
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * sqrt(variance)
    alone = better[0].contestant if len(compared) < len(NETWORKS) else ""
    return Difference(_percent(own) - _percent(better), half, alone)


def _summary(rows: Sequence[Row]) -> list[str]:
    found = {name: difference([row for row in rows if row.task == name]) for name in TASKS}
    known = {name: each for name, each in found.items() if each is not None}
    if not known:
        return []
    won = sum(each.points > LOST for each in known.values())
    lost = sum(each.points < -LOST for each in known.values())
    lines = [
        f"Over {counted(len(known), 'task')} `fit` is {_mean(list(known.values()))} points above the better peer: "
        f"{won} won and {lost} lost by over {LOST:g} point, {len(known) - won - lost} between."
    ]
    alone = sum(bool(each.alone) for each in known.values())
    if alone:
        lines.append(f"In {alone} of them one peer alone has run so far: the better one may be better still.")
    photographs = [known[name] for name in CIFAR if name in known]
    if photographs:
        lines.append(f"Over the {len(photographs)} of CIFAR-10: {_mean(photographs)}.")
    spent = [100 * (row.seconds / (60 * row.minutes) - 1) for row in rows if row.contestant == OURS]
    lines.append(f"`fit` took from {min(spent):+.1f} to {max(spent):+.1f} % of its time.")
    return ["\n".join(lines)]


def _mean(differences: Sequence[Difference]) -> Difference:
    half = sqrt(sum(each.half**2 for each in differences)) / len(differences)
    return Difference(mean(each.points for each in differences), half)
