"""What a comparison tests, as it was written down before."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """What was written down before a comparison ran.

    Args:
        margin: differences within it are none to speak of; None where none was planned.
        family: the pairs that are tested, together; None is every two methods.
    """

    margin: float | None = None
    family: tuple[tuple[str, str], ...] | None = None


NOTHING_PLANNED = Plan()
