"""What an HTML page is made of, read by the standard library's parser, and what every page of ours must be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "link", "br", "img", "input"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """The elements of a page, in order; a tag that is not closed, or closed twice, is an error."""

    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice"
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(self.elements[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def close(self) -> None:
        super().close()
        assert not self._open, f"{self._open[-1].tag} is not closed"

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def having(self, attribute: str) -> list[Element]:
        return [element for element in self.elements if attribute in element.attributes]

    @property
    def structure(self) -> list[tuple[str, tuple[str, ...]]]:
        """Tags and the names of their attributes: what no text can change."""
        return [(element.tag, tuple(element.attributes)) for element in self.elements]

    @property
    def ids(self) -> list[str]:
        return [element.attributes["id"] for element in self.having("id")]


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    return page


def check(text: str, scripts: int = 1) -> Page:
    """A page that stands alone, that every reader finds the way through, and that runs nothing but its own script.

    Args:
        scripts: how many that are.
    """
    page = parsed(text)
    assert len(text.encode()) < 3_000_000
    assert len(page.ids) == len(set(page.ids))
    for attribute in ("aria-labelledby", "aria-describedby", "for"):
        assert {element.attributes[attribute] for element in page.having(attribute)} <= set(page.ids)
    for element in [*page.having("href"), *page.having("src")]:
        link = element.attributes.get("href", element.attributes.get("src", ""))
        assert link.startswith("data:") or link.removeprefix("#") in page.ids, link
    assert not re.search(r"url\((?!#)|@import|https?://", text)
    assert all(image.attributes["alt"] for image in page.all("img"))
    assert all(drawing.attributes["aria-label"] and drawing.attributes["role"] == "img" for drawing in page.all("svg"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(head.attributes.get("scope") for head in page.all("th"))
    assert not [name for element in page.elements for name in element.attributes if name.startswith("on")]
    kinds = [script.attributes.get("type", "") for script in page.all("script")]
    assert kinds.count("") == scripts
    assert set(kinds) <= {"", "application/json"}
    levels = [int(element.tag[1]) for element in page.elements if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    return page
