"""A figure of matplotlib as an element of a page: its ids its own there, its colours those of the page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from hashlib import blake2b

from markupsafe import Markup

from dadarts.report.page.palette import LIGHT

_NAMESPACE = re.compile(r"\{[^}]*\}")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}\b")
_VARIABLES = {colour.lower(): f"var(--{name})" for name, colour in LIGHT.items()}


def embedded(figure: bytes, colours: Mapping[str, str] = _VARIABLES) -> Markup:
    """The figure, an SVG file of `canvas.svg`, to stand in a page beside others.

    Args:
        colours: what becomes of a colour, ``#`` and six small digits; those that it has not got stay.
    """
    key = f"f{blake2b(figure, digest_size=4).hexdigest()}"
    root = ET.fromstring(figure)  # noqa: S314 -- our own, written by matplotlib
    for parent in root.iter():
        for child in [*parent]:
            # What a style sheet in here says would hold for all of the page; and metadata are for files.
            if _plain(child.tag) in ("style", "metadata"):
                parent.remove(child)
    words = [text.strip() for name in ("title", "desc") for text in [_text(root, name)] if text]
    for element in root.iter():
        element.tag = _plain(element.tag)
        element.attrib = {
            _plain(name): _own(_plain(name), value, key, colours) for name, value in element.attrib.items()
        }
    root.set("class", "plot")
    root.set("aria-label", ". ".join(word.rstrip(".") for word in words) + ".")
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 -- ElementTree has escaped every text


def _plain(name: str) -> str:
    return _NAMESPACE.sub("", name)


def _text(root: ET.Element, name: str) -> str:
    return next((element.text or "" for element in root if _plain(element.tag) == name), "")


def _own(name: str, value: str, key: str, colours: Mapping[str, str]) -> str:
    if name == "id":
        return f"{key}-{value}"
    if name == "href":
        return value.replace("#", f"#{key}-", 1)
    if name in ("clip-path", "style"):
        value = value.replace("url(#", f"url(#{key}-")
        return _COLOUR.sub(lambda colour: colours.get(colour[0].lower(), colour[0]), value)
    return value
