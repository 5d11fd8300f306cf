"""How good methods are, as tables of text: summaries, pairs, and what needs no search."""

from __future__ import annotations

from dadarts.compare.analysis import Block, Measure
from dadarts.compare.pairs import ALPHA, Pair
from dadarts.compare.planned import Plan
from dadarts.compare.statistics import LEVEL, STUDENTIZED, Interval, Summary
from dadarts.oracle import controls
from dadarts.pacing import counted

TextTable = tuple[tuple[str, ...], ...]


def within(interval: Interval | None, digits: int) -> str:
    """An interval, and by what it is one where that is not the usual one of a mean."""
    if interval is None:
        return "-"
    kind = "" if interval.kind == STUDENTIZED else f" ({interval.kind})"
    return f"[{interval.low:.{digits}f}, {interval.high:.{digits}f}]{kind}"


def score_table(block: Block, measure: Measure) -> TextTable:
    """A row a method, the best mean first; where there is ground truth, beside a random draw."""
    summaries = {method: block.summary(method, measure) for method in block.methods}
    ranked = sorted(summaries.items(), key=lambda item: -item[1].mean if item[1] else float("inf"))
    head = (
        "method",
        "seeds",
        "mean",
        f"{LEVEL:.0%} interval of the mean",
        "median",
        "interval of the median",
        "worst seed",
    )
    beside = block.truths.get(measure.column)
    if beside is None or block.table is None:
        return head, *((method, *_score_cells(summary, measure.digits)) for method, summary in ranked)
    null = controls.random_draw(block.table, beside)
    return (*head, "random better (%)", "p against random"), *(
        (method, *_score_cells(summary, measure.digits), *_beside(null, summary)) for method, summary in ranked
    )


def _score_cells(summary: Summary | None, digits: int) -> tuple[str, ...]:
    if summary is None:
        return ("0", *["-"] * 5)
    median = summary.median_interval
    ordered = "-" if median is None else f"[{median.low:.{digits}f}, {median.high:.{digits}f}]"
    middle = (f"{summary.mean:.{digits}f}", within(summary.interval, digits), f"{summary.median:.{digits}f}", ordered)
    return str(summary.count), *middle, f"{summary.worst:.{digits}f}"


def _beside(null: controls.Law, summary: Summary | None) -> tuple[str, str]:
    if summary is None:
        return "-", "-"
    return f"{100 * null.better_than(summary.mean):.1f}", f"{null.p_of_mean(summary.mean, summary.count):.2g}"


def control_table(block: Block, measure: Measure) -> TextTable:
    """What needs no search; empty where there is no ground truth of the measure."""
    dataset = block.truths.get(measure.column)
    if dataset is None or block.table is None:
        return ()
    return controls.HEADINGS, *controls.rows(block.table, dataset)


CONTROLS = (
    "Exact, from the benchmark's table alone: what one network is expected to reach that is drawn at random, chosen by "
    "its number of parameters, or has one operation everywhere. Random better: the chance that a random draw is better "
    "than the mean. p against random, above: a two-sided Monte-Carlo test of a method's mean against means of as many "
    "random draws."
)


def pair_table(pairs: list[Pair], digits: int) -> TextTable:
    """A row a pair; empty where there is none."""
    head = (
        *("first", "second", "seeds", "mean difference", f"{LEVEL:.0%} interval", "median difference"),
        *("better/equal/worse", "P(improvement)", "p", "p (Holm)", "signed ranks p", "rank sums p", "verdict"),
    )
    return (head, *(_pair_cells(pair, digits) for pair in pairs)) if pairs else ()


def _pair_cells(pair: Pair, digits: int) -> tuple[str, ...]:
    interval = "-" if pair.low is None else f"[{pair.low:+.{digits}f}, {pair.high:+.{digits}f}]"
    ps = (pair.p, pair.p_holm, pair.p_signed_rank, pair.p_rank_sum)
    return (
        *(pair.first, pair.second, str(pair.seeds), f"{pair.difference:+.{digits}f}", interval),
        f"{pair.median_difference:+.{digits}f}",
        f"{pair.wins}/{pair.ties}/{pair.seeds - pair.wins - pair.ties}",
        f"{pair.improvement:.2f}",
        *(f"{p:.2g}" for p in ps),
        pair.verdict,
    )


def about_pairs(count: int, plan: Plan) -> str:
    """What the columns of `pair_table` are."""
    equal = (
        "no margin was planned (-margin), so that no two are called equal"
        if plan.margin is None
        else f"equal within {plan.margin:g}, where two one-sided t-tests put the mean difference within it (Holm "
        "likewise)"
    )
    family = (
        "every two methods, since no pairs were planned (-pairs)" if plan.family is None else "the planned pairs alone"
    )
    return (
        f"By seed: two-sided permutation test of the mean difference, Holm's correction over {counted(count, 'pair')}, "
        f"{family}. Verdict: "
        f"better or worse at {ALPHA:.0%} after correction; {equal}; else undecided, which does not say that they are "
        "alike. P(improvement) is the chance that a run of the first is better than one of the second. Signed ranks "
        "(Wilcoxon) and rank sums (Mann and Whitney, no pairing) are not corrected. "
        "n seeds cannot give a p below 2/2^n."
    )
