"""A page is drawn of plain data: whatever texts are in it, its elements stay the same, and are where they belong."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.architecture.genotype import Genotype, random_genotype
from dadarts.architecture.operations import ALL_OPS
from dadarts.architecture.spaces import SPACES, space
from dadarts.report.page import charts
from dadarts.report.page.cells import cell_picture, edges
from dadarts.report.page.charts import Curve, Point
from dadarts.report.page.content import (
    Account,
    Candidate,
    Command,
    Confusion,
    Data,
    Evolution,
    Mistake,
    Mistakes,
    Mixture,
    Page,
    Table,
)
from dadarts.report.page.figures import accuracy_against_costs
from dadarts.report.page.frames import player
from dadarts.report.page.palette import DARK, LIGHT
from dadarts.report.page.render import render
from dadarts.report.undominated import undominated
from dadarts.rundir.history import SEARCH_PANELS
from tests.pages.markup import check, parsed

BENCH = Genotype.parse("|avg_pool_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|nor_conv_3x3~2|")
CHANGED = Genotype.parse("|avg_pool_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|nor_conv_1x1~2|")


def content(text: str) -> Page:
    """A page on which every text is this one."""
    table = Table(text, (text, text), ((text, text),), frozenset({1}))
    account = Account(
        name=text,
        kind="search",
        state=text,
        sentence=text,
        doubts=(text,),
        facts=((text, text),),
        commands=(Command(text, text), Command(text, text)),
        genotype=None,
        history=[{"epoch": 0, "train_top1": 0.5}],
        panels=SEARCH_PANELS,
        settings={text: text},
        costs=table,
        scores=table,
        confusion=Confusion((text, text), ((1, 2), (0, 3))),
        mistakes=Mistakes(text, (Mistake(1, b"", "image/png", 8, 8, text, text, 0.5),)),
        data=Data(text, table, (text,)),
    )
    candidates = (
        Candidate(text, text, 0.5, text, parameters=10),
        Candidate(text, text, 0.6, text, (0.5, 0.7), parameters=20, chosen=True),
    )
    return Page(text, text, candidates, (account, account), (text,))


STRUCTURE = parsed(render(content("word"))).structure


@settings(max_examples=25)
@given(
    st.text(min_size=1, max_size=30) | st.sampled_from(["</script><script>", "'\" onload=x", "]]>", "\ud800\x00&lt;"])
)
def test_no_text_changes_what_a_page_is_made_of(text: str) -> None:
    page = parsed(render(content(text)))
    assert page.structure == STRUCTURE
    # What XML 1.0 has no place for is no character of HTML either, but for C1 controls.
    forbidden = r"[^\t\n\r\x20-\x7e\xa0-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]|[\ud800-\udfff]"
    shown = re.sub(forbidden, "\N{REPLACEMENT CHARACTER}", text)
    shown = "".join("\N{REPLACEMENT CHARACTER}" if ord(c) & 0xFFFE == 0xFFFE else c for c in shown)
    assert " ".join(page.all("h1")[0].text.split()) == " ".join(shown.split())


def test_a_verdict_and_candidates_are_a_page_by_themselves() -> None:
    candidates = (
        Candidate("found", "by dadarts", 0.64, "test part", (0.6, 0.68), 98_000, 12_000_000, 210.0, 960.0, chosen=True),
        Candidate("ResNet", "of that size", 0.61, "test part", (0.57, 0.65), 97_000, 14_000_000, 180.0, 720.0),
        Candidate("unmeasured", "stopped", None, "test part"),
    )
    page = check(render(Page("flowers", "Searching paid by 3 points.", candidates, ())))
    titles = [figure.text for figure in page.all("figcaption")]
    costs = ("parameters", "multiply-adds", "latency", "computing time")
    assert titles == [f"Accuracy against {cost}" for cost in costs]
    (table,) = page.all("table")
    assert re.search(r"found\s*64\.0\s%.*ResNet\s*61\.0\s%.*unmeasured\s*–", table.text, re.DOTALL)
    assert [row.attributes.get("class") for row in page.all("tr")] == [None, "marked", None, None]


def test_accuracies_of_other_pictures_are_not_drawn_together() -> None:
    test, validation = (Candidate("a", "", 0.5, part, parameters=1) for part in ("test", "validation"))
    assert not [*accuracy_against_costs([test, validation])]
    assert len([*accuracy_against_costs([test, replace(test, name="b", parameters=2), validation])]) == 1


@pytest.mark.parametrize("name", SPACES)
def test_a_cell_on_a_page_has_every_edge_with_its_label(name: str) -> None:
    genotype = random_genotype(space(name), 3)
    for kind in genotype.cells:
        drawn = ET.fromstring(str(cell_picture(genotype, kind)))  # noqa: S314 -- our own
        labels = ["".join(group.itertext()) for group in drawn.iter("g") if "edge" in group.attrib["class"].split()]
        own = [ALL_OPS[operation].label for _, operation, _ in edges(genotype, kind)]
        assert sorted(filter(None, labels)) == sorted(own)


def test_edges_that_the_epoch_before_did_not_have_stand_out() -> None:
    mixture = Mixture(((0, 0), (1, 0), (1, 1)), ("none", "skip_connect"), np.full((3, 3, 2), 0.5))
    shown = player(Evolution((1, 2, 5), (BENCH, CHANGED, CHANGED), {"normal": mixture}))
    (cells,) = shown.cells
    assert cells.shown == (0, 1, 2)
    assert [picture.count(" new") for picture in cells.pictures] == [0, 1, 0]
    assert shown.changes == (
        "The first that is shown.",
        "1 choice changed: normal node 3 takes conv 1x1 of 2.",
        "No choice changed.",
    )


def test_curves_are_where_their_values_are() -> None:
    drawn = ET.fromstring(str(charts.curves("Loss", [Curve("train", [1, 2, 3], [4.0, 2.0, 0.0], "blue")])))  # noqa: S314
    (line,) = drawn.iter("polyline")
    places = [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert [x1 - x0, y1 - y0] == pytest.approx([x2 - x1, y2 - y1])
    assert y0 < y1 < y2, "what is larger stands higher"
    assert [float(number) for number in drawn.attrib["data-axis"].split()] == [1, 3, x0, x2]
    assert drawn.attrib["aria-label"] == "Loss over epochs. train 0 at epoch 3."


@given(
    st.lists(st.tuples(st.floats(0, 1e12), st.floats(0, 1)), min_size=1, max_size=12),
    st.text(max_size=20),
)
def test_points_stay_within_the_picture(values: list[tuple[float, float]], name: str) -> None:
    points = [Point(name, x, y, (max(0.0, y - 0.1), min(1.0, y + 0.1)), False) for x, y in values]
    drawn = ET.fromstring(str(charts.points("Cost", "parameters", points)))  # noqa: S314
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in drawn.iter("circle")]
    assert len(dots) == len(values)
    assert all(0 < x < charts.WIDTH and 0 < y < charts.HEIGHT + 20 for x, y in dots)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
def test_the_front_is_what_no_other_costs_as_little_as_and_is_worth_as_much_as(values: list[tuple[int, int]]) -> None:
    places = [*undominated(*map(list, zip(*values, strict=True)))]

    def beaten(cost: int, worth: int) -> bool:
        return any(x <= cost and y >= worth and (x, y) != (cost, worth) for x, y in values)

    expected = {value for value in values if not beaten(*value)}
    assert [values[place] for place in places] == sorted(expected)
    # The first of equal ones.
    assert all(values.index(values[place]) == place for place in places)


def test_the_front_is_joined_by_steps_and_said_in_words() -> None:
    points = [Point(*each, None, False) for each in (("b", 20, 0.7), ("a", 10, 0.5), ("c", 30, 0.6), ("d", 40, 0.9))]
    drawn = ET.fromstring(str(charts.points("Cost", "parameters", points)))  # noqa: S314
    assert drawn.attrib["aria-label"].endswith("On the front, which nothing beats at its cost: a, b, d.")
    dots = [(dot.attrib["cx"], dot.attrib["cy"]) for dot in drawn.iter("circle")]
    b, a, _, d = dots
    (line,) = [line.attrib["points"] for line in drawn.iter("polyline")]
    assert line.split() == [",".join(place) for place in (a, (b[0], a[1]), b, (d[0], b[1]), d)]
    alone = charts.points("Cost", "parameters", [points[0], points[2]])
    assert "polyline" not in alone


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_colours_can_be_read_on_the_paper(palette: dict[str, str]) -> None:
    """Contrast of at least 4.5, as WCAG 2.2 (1.4.3) has it for text."""

    def luminance(colour: str) -> float:
        shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for ground in ("paper", "raised"):
        for name in ("blue", "orange", "green", "purple", "grey", "ink"):
            low, high = sorted((luminance(palette[name]), luminance(palette[ground])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, ground)
