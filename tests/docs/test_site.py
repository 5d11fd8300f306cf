"""The site has every page and every name; `make docs` builds it, and this needs no MkDocs."""

from __future__ import annotations

import re
from pathlib import Path

import dadarts
from tests.commands import ROOT

SITE = (ROOT / "mkdocs.yml").read_text()
DOCS = ROOT / "docs"


def test_the_navigation_lists_every_page_once() -> None:
    listed = re.findall(r"^ +- [^:\n]+: (\S+\.md)$", SITE.partition("\nnav:\n")[2], re.MULTILINE)
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_reference_has_every_public_name_and_nothing_else() -> None:
    page = (DOCS / "reference.md").read_text()
    assert sorted(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == sorted(dadarts.__all__)
    directives = re.findall(r"^### (\w+)\n\n.*\n\n::: (\S+)$", page, re.MULTILINE)
    assert len(directives) == len(dadarts.__all__)
    for name, directive in directives:
        home = f"dadarts.{dadarts._HOME_OF[name]}.{name}" if name in dadarts._HOME_OF else f"dadarts.{name}"
        assert directive == home


def test_what_the_site_is_built_with_is_there() -> None:
    hooks = re.search(r"^hooks: \[(.+)\]$", SITE, re.MULTILINE)
    assert hooks is not None
    assert all((ROOT / hook).is_file() for hook in hooks[1].split(", "))


def test_every_picture_of_the_pages_is_shown() -> None:
    text = "".join(page.read_text() for page in (*DOCS.rglob("*.md"), ROOT / "README.md"))
    assert {path.name for path in Path(DOCS / "pictures").iterdir()} <= {
        Path(target).name for target in re.findall(r"\]\(([^)]+)\)", text)
    }
