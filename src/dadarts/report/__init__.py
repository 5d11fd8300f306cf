"""Pictures of a finished run: cells, curves and mixing weights, as SVG or PNG.

Importing this package is cheap; matplotlib is loaded by the first picture that is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dadarts.report.cell import draw_cell
    from dadarts.report.curves import draw_curves, draw_training
    from dadarts.report.heatmap import draw_alphas

__all__ = ["draw_alphas", "draw_cell", "draw_curves", "draw_training"]

_ROOMS = {"draw_alphas": "heatmap", "draw_cell": "cell", "draw_curves": "curves", "draw_training": "curves"}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
