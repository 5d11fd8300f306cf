"""SVG elements that stand in a page: text is escaped by the library that writes them, colours are the page's."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TypeAlias

from markupsafe import Markup

from dadarts.report.canvas import plain

Value: TypeAlias = str | float


def number(value: float) -> str:
    """A coordinate with at most one digit behind the point.

    >>> number(12.04), number(-0.04), number(3.25)
    ('12', '0', '3.2')
    """
    # Adding 0 makes -0 a 0.
    return f"{round(value, 1) + 0:.6g}"


def written(value: Value) -> str:
    return plain(value) if isinstance(value, str) else number(value)


class Drawing:
    """An `<svg>` of a size in its own units, read to those who cannot see it as `description`."""

    def __init__(self, width: float, height: float, description: str, style: str) -> None:
        self.width, self.height = width, height
        self.root = ET.Element(
            "svg",
            {
                "class": style,
                "viewBox": f"0 0 {number(width)} {number(height)}",
                "width": number(width),
                "height": number(height),
                "role": "img",
                "aria-label": plain(description),
            },
        )

    def add(self, tag: str, parent: ET.Element | None = None, text: str = "", **attributes: Value) -> ET.Element:
        """Add an element; ``class_`` is class, and an underscore stands for a dash."""
        names = {name.rstrip("_").replace("_", "-"): written(value) for name, value in attributes.items()}
        element = ET.SubElement(self.root if parent is None else parent, tag, names)
        element.text = plain(text) or None
        return element

    def text(self, x: float, y: float, text: str, parent: ET.Element | None = None, **attributes: Value) -> ET.Element:
        """Add a line of text."""
        return self.add("text", parent, text, x=x, y=y, **attributes)

    def markup(self) -> Markup:
        """The element as a page has it."""
        # ElementTree has escaped every text.
        return Markup(ET.tostring(self.root, encoding="unicode"))  # noqa: S704
