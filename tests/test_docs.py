"""What the pages link to and the files that they name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands import ROOT

PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_what_is_there(page: Path) -> None:
    text = page.read_text()
    links = [page.parent / link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    named = [ROOT / name for name in re.findall(r"`((?:tests|benchmarks|src|docs)/[\w./-]+\.(?:py|md|csv|svg))`", text)]
    assert [str(path) for path in (*links, *named) if not path.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_to_a_heading_finds_it(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s:]*)#([^)\s]+)\)", page.read_text())
    lost = [
        f"{file}#{anchor}" for file, anchor in links if anchor not in anchors((page.parent / file) if file else page)
    ]
    assert lost == []


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
