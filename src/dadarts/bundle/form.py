"""What a form of a network in a bundle is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

from dadarts.bundle.subject import Subject

Answer: TypeAlias = Callable[[Tensor], Tensor]
"""Uint8 pictures (B, C, H, W) to probabilities, float64 (B, classes)."""


class LeftOutError(Exception):
    """A form cannot be written of this network; its text says why, in a phrase."""


@dataclass(frozen=True)
class Form:
    """A file of a bundle that answers.

    Args:
        file: its name.
        holds: what it is, for people.
        write: writes it into a folder that holds the forms before it, and says in a phrase what should be known of it;
            raises LeftOutError where it cannot be written.
        opened: what it answers, read again from its folder, by so many threads.
        exact: whether it must answer what the network answers; else it says itself how well it answers.
    """

    file: str
    holds: str
    write: Callable[[Subject, Path], str]
    opened: Callable[[Path, int], Answer]
    exact: bool = True


@dataclass(frozen=True)
class Written:
    """A form that was written.

    Args:
        form: which.
        size: bytes.
        difference: largest one of a probability from the network's, on the pictures compared; None where not exact.
        remark: what should be known of it.
    """

    form: Form
    size: int
    difference: float | None
    remark: str
