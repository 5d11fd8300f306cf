"""What the methods of a comparison are, in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from dadarts.methods.catalogue import METHODS
from dadarts.methods.techniques import COMBINATIONS, Technique

_TECHNIQUES: Mapping[Technique, str] = MappingProxyType(
    {
        "hard": "weights trained on the rounded cell",
        "topk": "differentiable top-k on alphas",
        "dal": "a loss that draws alphas to their rounding",
        "beta-decay": "a penalty on large alphas",
        "first-order": "the first-order gradient",
    }
)


def in_words(method: str) -> str:
    """What a method is that stands in a comparison as ``NAME`` or ``NAME:setting=value,...``.

    >>> in_words("dadarts-dal")
    'DARTS with a loss that draws alphas to their rounding.'
    >>> in_words("darts:epsilon=0.1")
    'DARTS, second order (arXiv 1806.09055). Here with epsilon=0.1.'
    """
    name, _, settings = method.partition(":")
    make = METHODS.get(name)
    if make is None:
        return ""
    if isinstance(make, partial):
        techniques = [_TECHNIQUES[technique] for technique in COMBINATIONS.get(name, ())]
        words = f"DARTS with {' and '.join(techniques)}." if techniques else ""
    else:
        words = re.sub(r" \(docs/[^)]*\)", "", (make.__doc__ or "").strip().partition("\n")[0])
    return f"{words} Here with {settings}.".lstrip() if settings else words
