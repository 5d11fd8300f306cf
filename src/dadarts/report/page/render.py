"""A page as HTML: templates that escape every text, a style sheet and a script in it, and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dadarts.report.page import figures, frames
from dadarts.report.page.cells import cell_picture
from dadarts.report.page.charts import percent
from dadarts.report.page.content import Account, Confusion, Mistake, Page, Section, Table
from dadarts.report.page.palette import DARK, LIGHT, variables

_LAST = "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_NO_CHARACTER = re.compile(f"[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\ud800-\udfff\ufdd0-\ufdef{_LAST}]")
"""What HTML has no place for: control characters, surrogates, and code points that are no characters."""
_MOST_CLASSES = 30
"""Of a confusion matrix that is shown whole."""
_MOST_CONFUSIONS = 20


_PALETTE = f":root{{{variables(LIGHT)}}}@media(prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"


@dataclass(frozen=True)
class Shown:
    """An account with what is drawn of it, and the beginning of its elements' ids."""

    key: str
    account: Account
    cells: tuple[figures.Figure, ...]
    curves: tuple[figures.Figure, ...]
    numbers: Table | None
    player: frames.Player | None
    confusions: Table | None


def render(page: Page) -> str:
    """The page."""
    runs = tuple(_shown(f"run-{number}", account) for number, account in enumerate(page.accounts, start=1))
    return written(
        "report.html",
        _own_text("page.js"),
        page=page,
        candidates=figures.table_of(page.candidates) if page.candidates else None,
        costs=tuple(figures.accuracy_against_costs(page.candidates)),
        together=tuple(figures.together(page.accounts)),
        settings=figures.settings_that_differ(page.accounts) if len(page.accounts) > 1 else None,
        runs=runs,
        # A training has the cell of its search: it is drawn once.
        found=tuple({str(run.account.genotype): run for run in reversed(runs) if run.cells}.values())[::-1],
    )


def written(template: str, script: str = "", **values: Any) -> str:
    """A template of this package, filled in, in the dress of all pages.

    Args:
        script: what the browser runs.
    """
    style = _own_text("page.css")
    return (
        environment()
        .get_template(template)
        .render(
            style=Markup(style),  # noqa: S704 -- our own files
            script=Markup(script),  # noqa: S704
            palette=Markup(_PALETTE),  # noqa: S704
            # Whatever a name may hold: the browser runs this script alone.
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            **values,
        )
    )


@cache
def environment() -> Environment:
    """The templates of this package, which escape every text."""
    found = Environment(
        loader=PackageLoader("dadarts.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_readable,
    )
    found.filters |= {"percent": percent, "data_uri": _data_uri, "tabled": _tabled}
    return found


def _readable(value: Any) -> Any:
    """A text without what HTML cannot hold: bytes of a file's name that are no text, and control characters."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", value)


@cache
def _own_text(name: str) -> str:
    return resources.files("dadarts.report.page").joinpath(name).read_text("utf-8")


def _data_uri(mistake: Mistake) -> str:
    return f"data:{mistake.media};base64,{base64.b64encode(mistake.image).decode()}"


def _shown(key: str, account: Account) -> Shown:
    genotype = account.genotype
    kinds = () if genotype is None else tuple(genotype.cells)
    return Shown(
        key,
        account,
        tuple(figures.Figure(f"{kind} cell", cell_picture(genotype, kind)) for kind in kinds if genotype is not None),
        tuple(figures.curves_of(account)),
        figures.numbers_of(account),
        None if account.evolution is None else frames.player(account.evolution),
        None if account.confusion is None else _confusions(account.confusion),
    )


def _confusions(confusion: Confusion) -> Table | None:
    """The most frequent mistakes, where there are too many classes to show who is taken for whom in a square."""
    if len(confusion.classes) <= _MOST_CLASSES:
        return None
    pairs = [
        (count, truth, answer)
        for truth, row in enumerate(confusion.counts)
        for answer, count in enumerate(row)
        if count and truth != answer
    ]
    rows = tuple(
        (
            confusion.classes[truth],
            confusion.classes[answer],
            f"{count:,}",
            percent(count / sum(confusion.counts[truth])),
        )
        for count, truth, answer in sorted(pairs, reverse=True)[:_MOST_CONFUSIONS]
    )
    return Table(
        "The most frequent mistakes", ("class", "taken for", "pictures", "of the class"), rows, frozenset({2, 3})
    )


def sections(title: str, parts: Sequence[Section]) -> str:
    """A page of sections."""
    return written("sections.html", title=title, sections=parts)


def _tabled(section: Section) -> Table:
    """The table of a section, the columns of numbers flush right."""
    head, *rows = section.table
    numeric = {number for number, cells in enumerate(zip(*rows, strict=True)) if all(map(_NUMBER.fullmatch, cells))}
    return Table(section.title or "Table", head, tuple(rows), frozenset(numeric))


_NUMBER = re.compile(r"-|[+\-\[(]?\d[\d.,/;:%e+\-\[\] ]*(?:%|nan|inf)?\]?|\[[+\-].*\]")
"""A cell that is a number, an interval, several with slashes, or nothing."""
