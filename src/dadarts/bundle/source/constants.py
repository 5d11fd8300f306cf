"""Stands for what model.py says at its top; every model has its own."""

from __future__ import annotations

CLASSES: tuple[str, ...] = ()
SHAPE = (3, 8, 8)
MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)
VALUE_RANGE: tuple[float, float] | None = None
