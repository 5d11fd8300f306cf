"""A generator's steps in a loop, and what it has returned."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from dadarts.runs.returning import Returning


def counting(ended: list[str]) -> Generator[int, None, str]:
    try:
        yield 1
        yield 2
    finally:
        ended.append("ended")
    return "whole"


def test_what_a_generator_returns_is_there_behind_its_steps() -> None:
    found = Returning(counting([]))
    assert [*found] == [1, 2]
    assert found.value == "whole"


def test_a_generator_that_is_left_early_has_returned_nothing_and_is_closed() -> None:
    ended: list[str] = []
    found = Returning(counting(ended))
    steps = iter(found)
    assert next(steps) == 1
    steps.close()  # type: ignore[attr-defined]
    assert ended == ["ended"]
    with pytest.raises(AttributeError):
        _ = found.value
