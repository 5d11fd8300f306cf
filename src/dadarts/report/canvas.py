"""How a picture becomes a file: one style, the same bytes every time, written beside and then renamed."""

from __future__ import annotations

import contextlib
import io
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib.style
from matplotlib.figure import Figure

from dadarts import files
from dadarts.errors import InputError

BLUE, ORANGE, GREEN, GREY, PURPLE = "#0067A5", "#B84A00", "#00745A", "#6B6B6B", "#8E4585"
"""Okabe and Ito's colours for colour-blind readers, darkened until small text in them is readable on white."""
INK = "#222222"
SUFFIXES = (".svg", ".png")
PNG_DPI = 160
LONGEST_SIDE = 8_000
"""Pixels; Agg cannot draw beyond 2^16 on a side, and browsers give up before that."""


def checked(path: Path) -> Path:
    """`path`, if its suffix names a format that we write.

    Raises:
        InputError: the suffix is neither .svg nor .png.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"pictures are written as {' or '.join(SUFFIXES)}, not {path.name!r}; change the name's ending"
        )
    return path


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw in our own style, whatever the user's matplotlibrc says."""
    ours: dict[str, Any] = {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
        "font.size": 9,
        "svg.fonttype": "none",
        "svg.hashsalt": "dadarts",
        "axes.spines.top": False,
        "axes.edgecolor": GREY,
        "axes.unicode_minus": True,
        "text.color": INK,
        "axes.labelcolor": INK,
    }
    with matplotlib.style.context(["default", ours]), warnings.catch_warnings():
        # A run may be named in a script that the bundled font lacks: an SVG still carries it as text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def plain(text: str) -> str:
    """`text` on one line, without characters that XML forbids."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def wrapped(title: str, width: float, size: float) -> list[str]:
    """The title in at most three lines of `width` inches at `size` points; the rest is cut with an ellipsis."""
    # 0.62 em is a generous mean width of DejaVu Sans.
    characters = max(12, int(width * 72 / (0.62 * size)))
    return textwrap.wrap(plain(title), characters, max_lines=3, placeholder=" …")


def save(figure: Figure, path: Path, title: str, description: str) -> None:
    """Write a figure to `path` (.svg or .png): whole, or not at all.

    Args:
        figure: what to draw; must be saved inside `style()`.
        path: where to; an existing file is replaced.
        title: the picture's name for screen readers and file browsers.
        description: what the picture shows, in words.

    Raises:
        InputError: the suffix is neither .svg nor .png.
        RunError: the file cannot be written; nothing is left behind.
    """
    kind = checked(path).suffix.lower()
    title, description = plain(title), plain(description)
    buffer = io.BytesIO()
    if kind == ".svg":
        content = svg(figure, title, description)
    else:
        dpi = min(PNG_DPI, LONGEST_SIDE / max(figure.get_size_inches()))
        words = {"Title": title, "Description": description, "Software": None}
        figure.savefig(buffer, format="png", dpi=dpi, metadata=words)
        content = buffer.getvalue()
    files.write(path, lambda temporary: temporary.write_bytes(content))


def svg(figure: Figure, title: str, description: str) -> bytes:
    """A figure as an SVG file; must be made inside `style()`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Title": plain(title), "Date": None, "Creator": None})
    return _described(buffer.getvalue(), plain(description))


def _described(svg: bytes, description: str) -> bytes:
    """The SVG with a `<desc>` behind its title, announced to screen readers as one picture."""
    end = b"</title>\n"
    svg = svg.replace(end, end + f" <desc>{escape(description)}</desc>\n".encode(), 1)
    return svg.replace(b"<svg ", b'<svg role="img" ', 1)
