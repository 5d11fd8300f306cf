"""Which named methods are DARTS with some techniques: data without torch, of which methods and flags are made alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Technique: TypeAlias = Literal["hard", "topk", "dal", "beta-decay", "first-order"]

TEMPERATURE_MAX = 200.0
"""T of top-k at the end of its rise from 0."""

COMBINATIONS: Mapping[str, tuple[Technique, ...]] = {
    "dadarts": ("hard", "topk", "dal"),
    "dadarts-hard": ("hard",),
    "dadarts-topk": ("topk",),
    "dadarts-dal": ("dal",),
    "dadarts-hard-topk": ("hard", "topk"),
    "dadarts-hard-dal": ("hard", "dal"),
    "dadarts-topk-dal": ("topk", "dal"),
    "darts": (),
    "darts-first-order": ("first-order",),
    "beta-darts": ("first-order", "beta-decay"),
}
"""The techniques of each: ``hard`` discretization of the weight step; ``topk`` with a rising temperature and the
discretization additional loss ``dal`` of the architecture step; beta decay; and xi = 0."""
