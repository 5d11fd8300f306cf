"""The exception tree: what can go wrong, and what a command answers to it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class DadartsError(Exception):
    """Base of every error that dadarts raises on purpose; its text is one line for a person."""

    exit_code = 1


class InputError(DadartsError, ValueError):
    """What the user gave cannot be used; nothing was created. Commands exit with 2."""

    exit_code = 2


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, or not one of this run."""


class RunError(DadartsError, RuntimeError):
    """A run that had begun cannot go on (NaN, full disk). Commands exit with 1."""


def shortened(given: object, length: int = 200) -> str:
    """What was given, as at most `length` printable characters of one line, for a message.

    >>> shortened("a\\nb" * 50, 20)
    'a b...a b'
    """
    text = str(given)
    if len(text) > length:
        # Both ends tell more than the beginning alone: files differ in their last words.
        kept = (length - 3) // 2
        text = text[:kept] + "..." + text[-kept:]
    return "".join(character if character.isprintable() else " " for character in text)


def unknown(noun: str, given: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not in a table, with the nearest name that is.

    >>> print(unknown("search space", "dart", ["darts", "S1"]))
    unknown search space 'dart'; known: darts, S1. Did you mean 'darts'?
    """
    names = list(known)
    shown = given if len(given) <= 60 else given[:57] + "..."
    near = get_close_matches(given[:60], names, n=1) or get_close_matches(
        given[:60].lower(), [name.lower() for name in names], n=1
    )
    match = next((name for name in names if near and name.lower() == near[0].lower()), None)
    hint = f" Did you mean {match!r}?" if match else ""
    return InputError(f"unknown {noun} {shown!r}; known: {', '.join(names)}.{hint}")
