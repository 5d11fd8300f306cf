"""The colours of a page in the light and in the dark, told apart by colour-blind readers in both.

They are Okabe and Ito's, darkened on white and lightened on black until small text in them can be read. A drawing names
them as ``var(--blue)``, and the page's style sheet says what that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dadarts.report import canvas

LIGHT: Mapping[str, str] = MappingProxyType(
    {
        "blue": canvas.BLUE,
        "orange": canvas.ORANGE,
        "green": canvas.GREEN,
        "purple": canvas.PURPLE,
        "grey": canvas.GREY,
        "ink": canvas.INK,
        "paper": "#FFFFFF",
        "raised": "#F6F7F8",
        "line": "#D9DCE0",
        "input": "#DDE9F3",
        "output": "#F6E7D8",
    }
)
DARK: Mapping[str, str] = MappingProxyType(
    {
        "blue": "#62B6EC",
        "orange": "#F0A24E",
        "green": "#3CC9A0",
        "purple": "#D99AD0",
        "grey": "#9BA1A8",
        "ink": "#E6E8EA",
        "paper": "#14171A",
        "raised": "#1D2126",
        "line": "#363C43",
        "input": "#1D3446",
        "output": "#46331F",
    }
)
SERIES = ("blue", "orange", "green", "purple", "grey", "ink")
"""What curves take in turn."""


def variables(palette: Mapping[str, str]) -> str:
    """The palette as CSS declarations."""
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())
