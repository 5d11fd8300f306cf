"""`dadarts pareto` of a fit: the candidates of its race that no other beats at their cost."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dadarts.architecture.costs import count_costs
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Macro
from dadarts.cli import show
from dadarts.fitting import candidates, record
from dadarts.fitting.record import Entrant, Record, Trained
from dadarts.pages import fitted
from dadarts.report.page.figures import accuracy_against_costs
from dadarts.rundir.kinds import FINAL, FIT, TRAINING
from tests.commands import modern, refusal, succeed

SCORES = {"resnet": 0.6, "dense": 0.5, "separable": 0.55, "darts": 0.7}
SIZES = {"resnet": (4, 1), "dense": (8, 1), "separable": (4, 3), "darts": (8, 3)}
VERSIONS = {"data": "0", "image_shape": [1, 8, 8], "classes": 10}


@pytest.fixture(autouse=True)
def _beside_a_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit whose four candidates have raced."""
    monkeypatch.chdir(tmp_path)
    entrants = tuple(
        Entrant(each.name, each.name, each.title, each.why, each.genotype, *SIZES[each.name], 100.0)
        for each in candidates.FAMILIES
    )
    trained = [Trained(f"race-1-{name}", 1, name, score, 100, 100.0) for name, score in SCORES.items()]
    # A later round has more of its own, which is not what all are compared by.
    trained += [Trained("race-2-darts", 2, "darts", 0.1, 100, 100.0), Trained(FINAL, 0, "darts", 0.8, 100, 100.0)]
    folder = FIT.folder(Path("runs"), "it")
    final = TRAINING.folder(folder, FINAL)
    final.mkdir(parents=True)
    settings = {"name": FINAL, "dataset": "digits", "epochs": 1, "genotype": ""}
    (final / "config.json").write_text(json.dumps({"settings": settings, "versions": {}}))
    Record("accuracy", 16, entrants=entrants, trained=tuple(trained)).write(folder)


def costs() -> dict[str, tuple[int, int]]:
    found = {}
    for each in candidates.FAMILIES:
        cost = count_costs(Genotype.parse(each.genotype), Macro(*SIZES[each.name], (1, 8, 8), 10))
        found[each.title] = (cost.parameters, cost.multiply_adds)
    return found


@pytest.mark.parametrize(("cost", "place"), [("parameters", 0), ("multiply_adds", 1)])
def test_the_front_is_what_no_other_beats_here_and_on_the_page(cost: str, place: int) -> None:
    shown = json.loads(succeed(modern, "pareto", "it", "--cost", cost, "--json").out)
    of = {each.title: (costs()[each.title][place], SCORES[each.name]) for each in candidates.FAMILIES}
    expected = [
        title
        for title, (own, score) in sorted(of.items(), key=lambda item: item[1])
        if not any(other <= own and better >= score for name, (other, better) in of.items() if name != title)
    ]
    assert [row["title"] for row in shown["front"]] == expected
    assert {row["title"] for row in shown["beaten"]} == of.keys() - {*expected}
    assert all((row["parameters"], row["multiply_adds"]) == costs()[row["title"]] for row in shown["front"])
    picture = Path(shown["picture"]).read_text()
    assert "accuracy on the validation part" in picture
    assert all(title in picture for title in expected)
    # The page of the fit has the same.
    drawn = [*accuracy_against_costs([*fitted.candidates_of(FIT.folder(Path("runs"), "it"))])]
    assert [each.title for each in drawn] == ["Accuracy against parameters", "Accuracy against multiply-adds"]
    said = re.search(r"which nothing beats at its cost: (.*?)\.\"", drawn[place].picture)
    assert said is not None
    assert said[1].split(", ") == expected


def test_a_fit_is_named_as_elsewhere_and_its_networks_are_named_in_a_file_that_commands_take() -> None:
    first, *others = (succeed(modern, "pareto", word).out for word in ("@it", "runs/fit/it"))
    assert others == [first]
    lines = first.splitlines()
    assert lines[0].split() == [
        "network",
        "size",
        "accuracy",
        "on",
        "the",
        "validation",
        "part",
        "parameters",
        "multiply-adds",
    ]
    assert "beaten: the best cell of NAS-Bench-201, 50.0% at " in first
    name = lines[1].split()[0]
    words = ["--dataset", "digits", "--init_channels", "4", "--layers", "3", "--json"]
    parameters = json.loads(succeed(modern, "show", f"runs/pareto/it-fit.txt#{name}", *words).out)["parameters"]
    assert f"{parameters:,}" in lines[1]


def test_latencies_are_weighed_where_they_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "have not been measured on this machine" in refusal(modern, "pareto", "it", "--cost", "latency_ms")
    real = show._prediction
    monkeypatch.setattr(show, "_prediction", lambda *given: real(*given) and (1500.0, "batches of 1"))
    shown = json.loads(succeed(modern, "pareto", "it", "--cost", "latency_ms", "--json").out)
    # All are equally fast: the best is the front.
    assert [(row["title"], row["ms"]) for row in shown["front"]] == [("DARTS' published cell", 1.5)]


def test_a_fit_without_a_race_has_no_front() -> None:
    folder = FIT.folder(Path("runs"), "it")
    kept = record.read(folder)
    for trained in ((), kept.trained[:1], kept.trained[-1:]):
        replace(kept, trained=trained).write(folder)
        said = refusal(modern, "pareto", "it")
        assert "runs/fit/it has had no race, and one network has no front; candidates race in 3:20 and more" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layers", "3"], "--layers: of a fit networks are compared as they raced; leave it out"),
        (["--points", "3", "--init_channels", "2"], "--init_channels and --points: of a fit"),
    ],
)
def test_sizes_are_those_that_raced(words: list[str], said: str) -> None:
    assert said in refusal(modern, "pareto", "it", *words)


def test_a_search_of_the_name_comes_first() -> None:
    folder = Path("runs/search/it")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"settings": {"name": "it", "dataset": "a", "epochs": 2}, "versions": {}}')
    assert "it is a search that has not ended" in refusal(modern, "pareto", "it")
    assert "network" in succeed(modern, "pareto", "runs/fit/it").out
