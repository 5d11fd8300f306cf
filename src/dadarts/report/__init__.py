"""Pictures of a finished run: cells and curves, as SVG or PNG.

Importing this package is cheap; matplotlib is loaded by the first picture that is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dadarts.report.cell import draw_cell
    from dadarts.report.curves import draw_curves, draw_training
    from dadarts.report.front import draw_front

__all__ = ["draw_cell", "draw_curves", "draw_front", "draw_training"]

_HOMES = {"draw_cell": "cell", "draw_curves": "curves", "draw_training": "curves", "draw_front": "front"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
