"""A generator's steps in a loop, and behind the loop what it has returned."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

Step = TypeVar("Step")
Found = TypeVar("Found")


class Returning(Generic[Step, Found]):
    """Iterates over what a generator yields; its `value` is there when that has ended.

    >>> def halves():
    ...     yield "first"
    ...     yield "second"
    ...     return "whole"
    >>> found = Returning(halves())
    >>> [*found], found.value
    (['first', 'second'], 'whole')
    """

    value: Found

    def __init__(self, generator: Generator[Step, None, Found]) -> None:
        self._generator = generator

    def __iter__(self) -> Iterator[Step]:
        self.value = yield from self._generator
