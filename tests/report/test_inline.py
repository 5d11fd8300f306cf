"""What a notebook shows of genotypes, runs and networks."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dadarts
from dadarts import report
from dadarts.fitting.candidates import FAMILIES
from dadarts.report.page.inline import Summary, html
from dadarts.rundir import contents
from dadarts.rundir.history import EPOCH, SEARCH_PANELS, TRAIN_LOSS, TRAINING_PANELS
from dadarts.runs.events import FitDone, SearchDone, TrainDone
from tests.commands import BENCH_GENOTYPE, DARTS_GENOTYPE
from tests.pages.markup import Page

SVG = "{http://www.w3.org/2000/svg}"
GENOTYPES = (BENCH_GENOTYPE, DARTS_GENOTYPE, FAMILIES[3].genotype)
METRICS: dict[str, Any] = {
    **{"test_top1": 0.75, "test_top1_interval": [0.5, 0.9], "balanced_accuracy": 0.7, "test_pictures": 1200},
    **{"parameters": 12345, "multiply_adds": 5e6, "seconds": 61.0},
}
HOSTILE = '</code><script>alert(1)</script><img src=x onerror="alert(2)">&amp;\''


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    return page


def check(text: str) -> Page:
    """It stands alone: no script, nothing from elsewhere, no id twice."""
    page = parsed(text)
    assert not {"script", "link", "iframe", "img", "object", "style"} & {element.tag for element in page.elements}
    assert not [name for element in page.elements for name in element.attributes if name.startswith("on")]
    links = [element.attributes[name] for name in ("href", "src") for element in page.having(name)]
    assert all(link.startswith("#") for link in links)
    ids = [element.attributes["id"] for element in page.having("id")]
    assert {link[1:] for link in links} <= set(ids)
    assert len(ids) == len(set(ids))
    assert "http://" not in text.replace("http://www.w3.org/", "")
    return page


@pytest.mark.parametrize("text", GENOTYPES, ids=["bench", "darts", "published"])
def test_a_genotype_s_picture_has_the_same_edges_as_the_one_that_show_draws(text: str, tmp_path: Path) -> None:
    genotype = dadarts.Genotype.parse(text)
    root = ET.fromstring(genotype._repr_svg_())  # noqa: S314 -- our own
    shown = [element.text for element in root.iter(f"{SVG}text")]
    drawn: list[str | None] = []
    for kind in genotype.cells:
        report.draw_cell(genotype, kind, tmp_path / f"{kind}.svg")
        drawn += [element.text for element in ET.parse(tmp_path / f"{kind}.svg").getroot().iter(f"{SVG}text")]  # noqa: S314
    assert shown == drawn
    _, _, wide, tall = map(float, root.attrib["viewBox"].split())
    cells = root.findall(f"{SVG}svg")
    assert len(cells) == len(genotype.cells)
    ends = [tuple(float(cell.attrib[name]) for name in ("y", "height", "width")) for cell in cells]
    assert ends[-1][0] + ends[-1][1] == pytest.approx(tall)
    assert max(across for _, _, across in ends) == wide
    assert all(one[0] + one[1] <= two[0] for one, two in pairwise(ends)), "one below the other"


@pytest.mark.parametrize("text", GENOTYPES, ids=["bench", "darts", "published"])
def test_a_genotype_is_shown_with_its_text_and_stands_alone(text: str) -> None:
    genotype = dadarts.Genotype.parse(text)
    page = check(genotype._repr_html_())
    assert [each.text for each in page.all("figcaption")] == [f"{kind} cell" for kind in genotype.cells]
    assert [each.text for each in page.all("code")] == [text]
    assert "var(--" not in genotype._repr_html_(), "its colours are its own"


def run_at(folder: Path, genotype: dadarts.Genotype) -> Path:
    folder.mkdir(parents=True)
    rows = "".join(f"{epoch},{1 / (1 + epoch)}\n" for epoch in range(4))
    contents.HISTORY.at(folder).write_text(f"{EPOCH.name},{TRAIN_LOSS.name}\n{rows}")
    contents.GENOTYPE.at(folder).write_text(genotype.to_json())
    return folder


ENDINGS: dict[str, Callable[[Path, dadarts.Genotype], Any]] = {
    "search": lambda folder, genotype: SearchDone(folder, genotype, ()),
    "training": lambda folder, genotype: TrainDone(folder, METRICS, ()),
    "fit": lambda folder, genotype: FitDone(folder, folder, "a ResNet", METRICS, "searching paid by 2.0 points"),
}


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_run_that_has_ended_shows_its_scores_cells_and_curves(kind: str, tmp_path: Path) -> None:
    genotype = dadarts.Genotype.parse(BENCH_GENOTYPE)
    done = ENDINGS[kind](run_at(tmp_path / "it", genotype), genotype)
    page = check(done._repr_html_())
    assert [each.text for each in page.all("figcaption")] == ["normal cell", "curves"]
    text = " ".join(element.text for element in page.all("div"))
    assert "it" in text
    if kind != "search":
        facts = {row.text.strip().partition("accuracy")[2] for row in page.all("tr")}
        assert "75.0\N{NO-BREAK SPACE}%" in facts
        assert "12,345" in text
    if kind == "fit":
        assert "The network is a ResNet. searching paid by 2.0 points." in text


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_run_whose_folder_is_gone_or_damaged_shows_what_it_knows(kind: str, tmp_path: Path) -> None:
    genotype = dadarts.Genotype.parse(BENCH_GENOTYPE)
    check(ENDINGS[kind](tmp_path / "gone", genotype)._repr_html_())
    folder = run_at(tmp_path / "damaged", genotype)
    contents.HISTORY.at(folder).write_bytes(b"\xff\x00")
    contents.GENOTYPE.at(folder).write_text("{")
    check(ENDINGS[kind](folder, genotype)._repr_html_())


@pytest.mark.parametrize("panels", [SEARCH_PANELS, TRAINING_PANELS])
@settings(max_examples=10)
@given(st.text(max_size=40) | st.just(HOSTILE), st.text(max_size=40) | st.just(HOSTILE))
def test_no_name_becomes_markup(panels: Any, name: str, value: str) -> None:
    def shown(name: str, value: str) -> Page:
        summary = Summary(f"x{name}", f"x{value}", ((name, value),), None, [], panels, doubts=(f"x{value}",))
        return parsed(html(summary))

    assert shown(name, value).structure == shown("plain", "plain").structure


def test_a_network_shows_its_classes_whatever_they_are_called() -> None:
    genotype = dadarts.Genotype.parse(BENCH_GENOTYPE)
    network = dadarts.Network(genotype, dadarts.Macro(2, 1, (1, 8, 8), 2))
    page = check(dadarts.TrainedNetwork(network, [HOSTILE, "bee"], [0.0], [1.0])._repr_html_())
    assert f"2: {HOSTILE}, bee" in [cell.text for cell in page.all("td")]
