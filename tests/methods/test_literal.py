"""Python-shaped text is data: it is read or refused, and never run."""

from __future__ import annotations

import contextlib
import time
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.architecture.literal import MAX_DEPTH, MAX_LENGTH, Call, parse
from dadarts.errors import InputError
from dadarts.methods.catalogue import METHODS
from tests.nets import RELAXATIONS

PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(codec="ascii", exclude_characters="'\"\\", exclude_categories=["Cc"]), max_size=9)
)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple))


def as_written(value: Any) -> Any:
    """What `parse` must give for the repr of a value: a frozen dataclass becomes the call that its repr spells."""
    if is_dataclass(value) and not isinstance(value, type):
        keywords = tuple((item.name, as_written(getattr(value, item.name))) for item in fields(value))
        return Call(type(value).__name__, (), keywords)
    return tuple(as_written(item) for item in value) if isinstance(value, tuple) else value


@given(value=VALUES)
@settings(deadline=None, max_examples=150)
def test_every_plain_value_survives_its_repr(value: Any) -> None:
    read = parse(repr(value))
    assert read == value
    assert repr(read) == repr(value)  # 1, 1.0 and True are equal, and different values


@pytest.mark.parametrize("name", METHODS)
def test_the_repr_of_every_method_reads_as_the_call_that_it_spells(name: str) -> None:
    method = METHODS[name]()
    assert parse(repr(method)) == as_written(method)


@pytest.mark.parametrize("relaxation", RELAXATIONS, ids=repr)
def test_the_repr_of_every_relaxation_reads_as_the_call_that_it_spells(relaxation: object) -> None:
    assert parse(repr(relaxation)) == as_written(relaxation)


@given(text=st.text(max_size=60))
@settings(deadline=None, max_examples=200)
def test_any_text_is_read_or_refused_with_our_error(text: str) -> None:
    with contextlib.suppress(InputError):
        parse(text)


@given(words=st.lists(st.sampled_from([*"()[],=-.'\" \n", "1", "2.5e", "name", "None", "True", "1e9"]), max_size=25))
@settings(deadline=None, max_examples=300)
def test_any_mixture_of_the_right_pieces_is_read_or_refused_with_our_error(words: list[str]) -> None:
    with contextlib.suppress(InputError):
        parse("".join(words))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "name",
        "1 2",
        "[1 2]",
        "[1,,2]",
        "(,)",
        "f(a=1, 2)",
        "f(",
        "[",
        "]",
        "[1)",
        "'open",
        "'a\\n'",
        "{1: 2}",
        "1 + 1",
        "f(1).x",
        "f(1)(2)",
        "a.b(1)",
        "lambda: 1",
        "--1",
        "f'x'",
        "0x10",
        "1_000",
        "\x00",
        "f(*[1])",
        "[x for x in (1, 2)]",
    ],
)
def test_what_is_no_plain_value_is_refused_with_a_place(text: str) -> None:
    with pytest.raises(InputError, match="at character"):
        parse(text)


def test_a_number_of_five_thousand_digits_is_refused_with_our_error() -> None:
    with pytest.raises(InputError):
        parse("9" * 5000)


@pytest.mark.parametrize("opening", ["[", "(", "f("])
def test_sixteen_brackets_are_read_and_more_are_refused(opening: str) -> None:
    closing = "]" if opening == "[" else ")"
    parse(opening * MAX_DEPTH + closing * MAX_DEPTH)
    with pytest.raises(InputError, match="nested deeper than 16"):
        parse(opening * (MAX_DEPTH + 2) + closing * (MAX_DEPTH + 2))


def test_text_longer_than_the_limit_is_refused_before_it_is_read() -> None:
    assert parse("'" + "x" * (MAX_LENGTH - 2) + "'") == "x" * (MAX_LENGTH - 2)
    with pytest.raises(InputError, match="too long"):
        parse(" " * (MAX_LENGTH + 1))


@pytest.mark.parametrize("piece", ["[", "(", "f(", "1,", " ", "'", "-", "a", "a=", "1", "\t", "=", "[],"])
def test_the_longest_texts_are_answered_at_once(piece: str) -> None:
    start = time.process_time()
    with contextlib.suppress(InputError):
        parse(piece * (MAX_LENGTH // len(piece)))
    assert time.process_time() - start < 2


def test_nothing_is_ever_run() -> None:
    assert parse("exit(1)") == Call("exit", (1,), ())
    assert parse("__import__('os')") == Call("__import__", ("os",), ())


def test_brackets_around_one_value_are_no_tuple_and_a_comma_makes_one() -> None:
    assert parse("(1)") == 1
    assert parse("(1,)") == (1,)
    assert parse("()") == ()
    assert parse("[1, 2,]") == [1, 2]
