"""The report of a comparison: the same sections as one self-contained HTML page and as Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from dadarts import files
from dadarts.compare import figures
from dadarts.compare.analysis import BEHAVIOUR, Block, Measure, blocks_of, long_rows, pair_rows
from dadarts.compare.naming import in_words
from dadarts.compare.planned import NOTHING_PLANNED, Plan
from dadarts.compare.provenance import Provenance, settings_of
from dadarts.compare.results import Result, Row, as_cell
from dadarts.compare.scored import CONTROLS, about_pairs, control_table, pair_table, score_table, within
from dadarts.compare.statistics import LEVEL
from dadarts.report.page import render
from dadarts.report.page.content import Section


def write(
    results: Sequence[Result], provenance: Provenance, folder: Path, plan: Plan = NOTHING_PLANNED
) -> tuple[Path, ...]:
    """Write report.html, report.md, statistics.csv and pairs.csv; their paths."""
    blocks = blocks_of(results)
    sections = [*_sections(blocks, results, provenance, plan)]
    texts = {
        "report.html": render.sections("dadarts compare", sections),
        "report.md": "\n".join(_markdown(sections)),
        "statistics.csv": _as_csv(long_rows(blocks)),
        "pairs.csv": _as_csv(pair_rows(blocks, plan)),
    }
    for name, text in texts.items():
        files.write_text(folder / name, text)
    return tuple(folder / name for name in texts)


def _sections(
    blocks: Sequence[Block], results: Sequence[Result], provenance: Provenance, plan: Plan
) -> Iterator[Section]:
    yield _undone(results)
    yield _methods(blocks)
    for block in blocks:
        yield Section(block.title, _introduction(block))
        for measure in block.scores:
            yield Section(_capital(measure.label), table=score_table(block, measure), level=3)
            if controls := control_table(block, measure):
                yield Section("Without a search", CONTROLS, controls, level=4)
            yield _pair_section(block, measure, plan)
        for measure in block.transfers:
            yield Section(_capital(measure.label), _TRANSFER, score_table(block, measure), level=3)
            yield Section("Without a search", "", control_table(block, measure), level=4)
        yield Section("How the searches went", _BEHAVIOUR, _behaviour_table(block), level=3)
        yield Section("", picture=figures.regret_curves(block))
        yield Section("", picture=figures.cost_quality(block, block.scores[0]))
        yield Section("", picture=figures.operation_heat_map(block))
    yield Section("How it was made", table=provenance.table())
    yield Section("Settings", table=settings_of(results), folded=True)
    jobs = tuple(
        (r.row["job"], r.job.method, str(r.row["seed"]), r.row["state"], str(r.row["genotype"] or "")) for r in results
    )
    yield Section("Jobs", table=(("job", "method", "seed", "state", "genotype"), *jobs), folded=True)


_BEHAVIOUR = (
    f"Mean over seeds [{LEVEL:.0%} interval]. Collapsed: genotypes with over half of their edges "
    "parameter-free; on NAS-Bench-201 also, apart, those below 60 % accuracy on CIFAR-10. Undecided or locked: "
    "searches whose alphas hardly tell operations apart, or whose choices are those of a random draw. Discretization "
    "gap: accuracy of the relaxed less that of the discretized supernet."
)


_TRANSFER = "The same genotypes on another data set of the benchmark, on which nothing was searched; no pair is tested."


def _undone(results: Sequence[Result]) -> Section:
    undone = [result for result in results if result.row["state"] != "done"]
    done = len(results) - len(undone)
    again = sum(result.row["tries"] > 1 for result in results)
    text = f"{done} of {len(results)} jobs are done; {again} took more than one try."
    rows = tuple(
        (r.row["job"], r.job.method, str(r.row["seed"]), r.row["state"], str(r.row["tries"]), r.row["why"])
        for r in undone
    )
    return Section(
        "Jobs that are missing" if undone else "All jobs are done",
        text,
        (("job", "method", "seed", "state", "tries", "why"), *rows) if undone else (),
    )


def _methods(blocks: Sequence[Block]) -> Section:
    names = dict.fromkeys(method for block in blocks for method in block.methods)
    return Section("The methods", "", (("method", "in words"), *((name, in_words(name) or "-") for name in names)))


def _introduction(block: Block) -> str:
    if block.table is not None:
        own = "" if block.judged_on == block.dataset else f", though the searches ran on {block.dataset}"
        return f"Judged by {block.table.name}'s own {block.table.measure} on {block.judged_on}{own}."
    if any(result.job.training is not None for result in block.results):
        return "Judged by the test accuracy of found genotypes, all trained from scratch with the same settings."
    return (
        "This space has no ground truth and nothing was trained (--train): what is shown is the accuracy of each "
        "search's own discretized supernet, which does not rank architectures."
    )


def _pair_section(block: Block, measure: Measure, plan: Plan) -> Section:
    pairs = block.pairs(measure, plan)
    text = about_pairs(len(pairs), plan) if pairs else "There are no two methods to compare."
    return Section("Pairs", text, pair_table(pairs, measure.digits), level=4)


def _behaviour_table(block: Block) -> tuple[tuple[str, ...], ...]:
    measures = (*([block.regret] if block.regret else []), *BEHAVIOUR)
    rows = []
    for method in block.methods:
        free, low, count = block.collapsed(method)
        cells = [
            method,
            f"{free}/{count}" + ("" if low is None else f"; {low}/{count} below 60 %"),
            block.doubted(method),
        ]
        for measure in measures:
            summary = block.summary(method, measure)
            cells.append(
                "-"
                if summary is None
                else f"{summary.mean:.{measure.digits}f} {within(summary.interval, measure.digits)}"
            )
        rows.append(tuple(cells))
    return ("method", "collapsed", "undecided or locked", *(measure.label for measure in measures)), *rows


def _as_csv(every: Iterator[Row]) -> str:
    rows = list(every)
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: as_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _capital(text: str) -> str:
    return text if text.startswith("nas-") else text[0].upper() + text[1:]


def _as_markdown(text: str) -> str:
    """A text that Markdown shows as it is: names and paths are data, and HTML, links and lines in them are none."""
    return " ".join(escape(text, quote=False).splitlines()).replace("](", "]\\(")


def _markdown(sections: Sequence[Section]) -> Iterator[str]:
    yield "# dadarts compare"
    for section in sections:
        if not section.title:
            continue
        yield f"\n{'#' * section.level} {_as_markdown(section.title)}\n"
        if section.text:
            yield f"{_as_markdown(section.text)}\n"
        for number, row in enumerate(section.table):
            yield "| " + " | ".join(_as_markdown(cell).replace("|", "\\|") for cell in row) + " |"
            if number == 0:
                yield "|" + "---|" * len(row)
    yield ""
