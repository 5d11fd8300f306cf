"""Genotypes and runs as a notebook shows them below a cell: pictures and small tables that stand alone."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from markupsafe import Markup

from dadarts.architecture.genotype import Genotype
from dadarts.report.canvas import plain, style, svg
from dadarts.report.cell import cell_figure, describe
from dadarts.report.curves import curves_figure
from dadarts.report.page.content import Page, Table
from dadarts.report.page.embedding import embedded
from dadarts.report.page.figures import Figure, table_of
from dadarts.report.page.render import environment
from dadarts.rundir.history import Panel, Row

_GAP = 12.0
"""Points between two cells of a picture."""
_AS_DRAWN = MappingProxyType[str, str]({})


@dataclass(frozen=True, eq=False)
class Summary:
    """What is said of a run in a few lines.

    Args:
        facts: (what, value), the most important first.
        genotype: None where there is none yet.
        history: a row an epoch.
        panels: what of it is drawn.
        table: of candidates, where several are known.
        doubts: what to mistrust.
    """

    title: str
    sentence: str
    facts: tuple[tuple[str, str], ...]
    genotype: Genotype | None
    history: Sequence[Row] = ()
    panels: tuple[Panel, ...] = ()
    table: Table | None = None
    doubts: tuple[str, ...] = ()


def svg_of(genotype: Genotype) -> str:
    """A genotype's cells, one below the other, as an SVG file."""
    cells = [ET.fromstring(cell) for _, cell in _cells(genotype)]  # noqa: S314 -- our own
    sizes = [tuple(map(float, cell.attrib["viewBox"].split()[2:])) for cell in cells]
    wide, tall = max(size[0] for size in sizes), sum(size[1] + _GAP for size in sizes) - _GAP
    words = " ".join(describe(genotype, kind) for kind in genotype.cells)
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {wide:.9g} {tall:.9g}",
            "width": f"{wide:.9g}pt",
            "height": f"{tall:.9g}pt",
            "role": "img",
            "aria-label": plain(words),
        },
    )
    top = 0.0
    for cell, (across, down) in zip(cells, sizes, strict=True):
        cell.attrib |= {"x": "0", "y": f"{top:.9g}", "width": f"{across:.9g}", "height": f"{down:.9g}"}
        root.append(cell)
        top += down + _GAP
    return ET.tostring(root, encoding="unicode")


def html_of(genotype: Genotype) -> str:
    """A genotype's cells and its text."""
    return html(Summary("", "", (), genotype))


def html(summary: Summary) -> str:
    """A run in a few lines, its cells and its curves."""
    drawn = () if summary.genotype is None else _cells(summary.genotype)
    return (
        environment()
        .get_template("inline.html")
        .render(
            summary=summary,
            cells=[Figure(f"{kind} cell", _at_most_as_wide(cell)) for kind, cell in drawn],
            curves=_curves(summary),
        )
    )


def summary_of(page: Page) -> Summary:
    """What a page says first, and the cells and curves of its last run."""
    last = page.accounts[-1]
    table = table_of(page.candidates) if len(page.candidates) > 1 else None
    return Summary(page.title, page.verdict, last.facts, last.genotype, last.history, last.panels, table, page.doubts)


def _cells(genotype: Genotype) -> Iterator[tuple[str, Markup]]:
    for kind in genotype.cells:
        with style():
            drawn = svg(cell_figure(genotype, kind), f"{kind} cell", describe(genotype, kind))
        yield kind, embedded(drawn, _AS_DRAWN)


def _at_most_as_wide(picture: Markup) -> Markup:
    """A picture that grows no wider than the place where it stands."""
    return picture.replace("<svg ", Markup('<svg style="max-width:100%;height:auto" '), 1)


def _curves(summary: Summary) -> Markup | None:
    if not summary.history or not summary.panels:
        return None
    with style():
        # Three side by side or two: a grid has no empty place.
        across = next(number for number in (3, 2, 1) if len(summary.panels) % number == 0)
        figure = curves_figure(summary.history, summary.panels, across, "")
        return _at_most_as_wide(embedded(svg(figure, "Curves", f"Curves of {summary.title}."), _AS_DRAWN))
