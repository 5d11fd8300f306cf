"""A table of costs: written by the profile, read by a search that is to be as fast on another device."""

from __future__ import annotations

import csv
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.architecture.genotype import Genotype
from dadarts.architecture.network import Network
from dadarts.architecture.places import Place, places_of
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import Size, space
from dadarts.engines.profile import Cost, Profile, probe, table
from dadarts.engines.profile.written import as_csv, read_csv
from dadarts.errors import InputError
from tests.commands import TINIEST, modern, refusal, succeed, without_pictures
from tests.engines.test_profile import recorded_places

SIZE = ("--init_channels", "4", "--layers", "3")
SPACE = ("--search_space", "connect-nas-bench", "--nodes", "2", "--dataset", "digits")
MACRO = Macro(4, 3, (1, 8, 8), 10)
_REST = Cost(1, 1, 0.01)
QUICK = ("64" if word == "16" else word for word in TINIEST)
SEARCH = ("search", *QUICK, "--name", "it", "--target_channels", "4", "--target_layers", "3", "--max_latency_ms")


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_a_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    monkeypatch.setattr(table, "_folder", lambda: tmp_path / "measured")
    monkeypatch.setattr(table, "cost_of", _made_up)
    monkeypatch.setattr(probe, "SMALL", 3)
    monkeypatch.setattr(table, "costs_of_networks", _made_up_together)


def _made_up(own: object, place: Place, batch: int) -> Cost:
    per_channel = {"nor_conv_3x3": 1e-4, "skip_connect": 1e-6}[place.operation]
    return Cost(0, 0, place.channels * per_channel / place.stride)


def _made_up_together(networks: list[Network], batch: int, done: object) -> list[Cost]:
    """The sum of a network's operations, and 10 ms."""
    return [
        reduce(lambda total, place: total.plus(_made_up(None, place, 1), 1), recorded_places(each).elements(), _REST)
        for each in networks
    ]


def latency(text: str, costs: Profile) -> float:
    """Milliseconds of a genotype's network, by a table."""
    return 1000 * costs.of(Genotype.parse(text), MACRO).prediction


def test_a_search_keeps_to_the_latencies_of_a_written_table() -> None:
    Path("costs.csv").write_text(succeed(modern, "profile", *SPACE, *SIZE, "--batch_size", "1", "--csv").out)
    line = refusal(modern, *SEARCH, "1", "--costs", "costs.csv")
    smallest = float(line.split("the smallest needs ")[1].split(" ms")[0])
    found = succeed(modern, *SEARCH, f"{smallest + 0.5}", "--costs", "costs.csv").last_line
    assert latency(found, read_csv(Path("costs.csv"))) <= smallest + 0.5
    found = succeed(modern, *SEARCH, f"{smallest}", "--costs", "costs.csv", "--overwrite").last_line
    assert latency(found, read_csv(Path("costs.csv"))) == pytest.approx(smallest, abs=1e-4)
    assert set(Genotype.parse(found).operations()) == {"skip_connect"}


def test_without_a_table_it_keeps_to_what_this_machine_takes_for_a_lone_picture() -> None:
    found = succeed(modern, *SEARCH, "20").last_line
    kept = table.kept(table.Scale(space("connect-nas-bench", 2), MACRO, 1, 1))
    assert kept is not None
    assert latency(found, kept) <= 20


@given(
    costs=st.lists(st.floats(0, 1e6), min_size=4, max_size=4),
    rest=st.floats(0, 1e6),
)
@settings(max_examples=20)
def test_what_is_written_is_read_again(costs: list[float], rest: float) -> None:
    places = places_of(space("connect-nas-bench", 2), MACRO)[: len(costs)]
    profile = Profile(
        {place: Cost(0, 0, ms / 1000) for place, ms in zip(places, costs, strict=True)}, Cost(0, 0, rest / 1000)
    )
    path = Path("written.csv")
    path.write_text(as_csv(profile))
    again = read_csv(path)
    assert [*again.operations] == places
    assert [1000 * cost.prediction for cost in (*again.operations.values(), again.rest)] == pytest.approx(
        [*costs, rest], abs=1e-6
    )


GOOD = "operation,in_channels,height,width,out_channels,stride,ms\nnor_conv_3x3,4,8,8,4,1,0.5\n(rest),,,,,,2\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lacks a row of the operation (rest)"),
        (GOOD.replace(",ms", ",seconds"), "line 2: there is no ms; the columns are operation, "),
        (GOOD.replace("0.5", "fast"), "line 2: ms is 'fast'; give a number of milliseconds"),
        (GOOD.replace("0.5", "-1"), "line 2: ms is '-1'"),
        (GOOD.replace("0.5", "nan"), "line 2: ms is 'nan'"),
        (GOOD.replace("8,8,4", "8,8.5,4"), "line 2: width is '8.5'; give a whole number"),
        (GOOD.replace("(rest)", "(nest)"), "line 3: in_channels is ''"),
        (GOOD.replace("(rest)", "nor_conv_3x3,4,8,8,4,1,0.5\n(rest)"), "line 3: this operation has a row already"),
        (GOOD.replace("4,1,0.5", "4,1"), "line 2: there is no ms"),
        (GOOD, "the table of costs has no "),
        (GOOD.replace("(rest)", "(rest 9x9)"), "lacks a row of the operation (rest) or (rest 4x3)"),
        (GOOD.replace("(rest)", "(rest 4x03)"), "line 3: in_channels is ''"),
        ("\udcff", "it is no table of comma-separated values in UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_table_that_is_none_is_refused_in_one_line(text: str | None, said: str) -> None:
    if text is not None:
        Path("costs.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert said in refusal(modern, *SEARCH, "5", "--costs", "costs.csv")


def test_what_is_beside_operations_may_have_a_row_for_each_size() -> None:
    Path("costs.csv").write_text(GOOD + "(rest 4x3),,,,,,7\n")
    for size, ms in ((None, 2), (Size(4, 3), 7), (Size(4, 2), 2), (Size(3, 4), 2)):
        assert read_csv(Path("costs.csv"), size).rest.prediction == pytest.approx(ms / 1000)


@given(rows=st.lists(st.lists(st.text(max_size=6), max_size=8), max_size=4))
@settings(max_examples=40)
def test_whatever_stands_in_a_file_is_a_profile_or_refused(rows: list[list[Any]]) -> None:
    path = Path("any.csv")
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        csv.writer(file).writerows([["operation", "in_channels", "height", "width", "out_channels", "stride", "ms"]])
        csv.writer(file).writerows(rows)
    with suppress(InputError):
        assert isinstance(read_csv(path), Profile)


def test_own_pictures_have_a_profile_by_their_size() -> None:
    sizes = (*SPACE, *SIZE, "--csv", "--image_shape", "3x20x16")
    rows = list(csv.DictReader(succeed(modern, "profile", *sizes).out.splitlines()))
    assert {(row["height"], row["width"]) for row in rows[:-1]} == {("20", "16"), ("10", "8"), ("5", "4")}
    assert "as 3x64x64" in refusal(modern, "profile", *SPACE, "--image_shape", "64")
