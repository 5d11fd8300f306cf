"""The recipes that are compared: the one for minutes without each of its parts, and the original's with each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

FULL: Mapping[str, Any] = MappingProxyType(
    {
        "schedule": "one_cycle",
        "warm_up": 0.2,
        "lr": 0.3,
        "nesterov": True,
        "weight_decay": 1e-3,
        "decayed": "kernels",
        "label_smoothing": 0.1,
        "ema": 0.03,
        "mixup": 0.0,
        "cutout_length": 0,
        "drop_path_prob": 0.0,
        "aux_weight": 0.0,
    }
)
"""What everything is compared with; not what `auto` takes, so that a table keeps its meaning when that changes."""
ORIGINAL: Mapping[str, Any] = MappingProxyType(
    {
        "schedule": "cosine",
        "lr": 0.025,
        "nesterov": False,
        "weight_decay": 3e-4,
        "decayed": "all",
        "label_smoothing": 0.0,
        "ema": 0.0,
        "mixup": 0.0,
        "cutout_length": 16,
        "drop_path_prob": 0.2,
        "aux_weight": 0.4,
    }
)
"""Of arXiv 1806.09055, squeezed into minutes."""
_CHANGES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "cosine by epochs": {"schedule": "cosine"},
        "straight down (triangle)": {"schedule": "triangle"},
        "rate 0.025": {"lr": 0.025},
        "rate 0.1": {"lr": 0.1},
        "rate 0.6": {"lr": 0.6},
        "no Nesterov": {"nesterov": False},
        "decay 3e-4": {"weight_decay": 3e-4},
        "decay 3e-3": {"weight_decay": 3e-3},
        "all weights decay": {"decayed": "all"},
        "no label smoothing": {"label_smoothing": 0.0},
        "no average": {"ema": 0.0},
        "average over a tenth": {"ema": 0.1},
        "mixup 0.2": {"mixup": 0.2},
        "cutout 8": {"cutout_length": 8},
        "cutout 16": {"cutout_length": 16},
        "paths dropped, 0.1": {"drop_path_prob": 0.1},
        "auxiliary head": {"aux_weight": 0.4},
        "batches of 32, rate 0.15": {"batch_size": 32, "lr": 0.15},
        "batches of 128, rate 0.6": {"batch_size": 128, "lr": 0.6},
    }
)
_ADDITIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "with one cycle at 0.3": {"schedule": "one_cycle", "lr": 0.3},
        "without dropped paths, cutout and head": {"drop_path_prob": 0.0, "cutout_length": 0, "aux_weight": 0.0},
        "with averaged weights": {"ema": 0.03},
        "with label smoothing": {"label_smoothing": 0.1},
    }
)

VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "the recipe": FULL,
        "the original's": ORIGINAL,
        **{name: {**FULL, **change} for name, change in _CHANGES.items()},
        **{f"the original's {name}": {**ORIGINAL, **change} for name, change in _ADDITIONS.items()},
    }
)
