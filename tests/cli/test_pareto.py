"""`dadarts pareto`: the front of a search, its table, its picture and its genotypes."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from dadarts.architecture.costs import count_costs
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.places import places_of
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import space
from dadarts.engines.profile import Cost, Profile
from dadarts.engines.profile.written import as_csv
from tests.commands import TINIEST, modern, refusal, succeed

SIZE = ("--init_channels", "4", "--layers", "3")
MACRO = Macro(4, 3, (1, 8, 8), 10)
QUICK = [*("64" if word == "16" else word for word in TINIEST), "--alpha_lr", "0.1"]


@pytest.fixture(scope="module")
def _searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        succeed(modern, "search", *QUICK, "--name", "it", "--method", "dadarts")
        succeed(modern, "search", *QUICK, "--name", "drawn", "--method", "random")
    return folder


@pytest.fixture(autouse=True)
def _beside_a_search(_searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_searched)


def test_the_front_ends_with_what_the_search_found_and_costs_what_networks_cost() -> None:
    shown = json.loads(succeed(modern, "pareto", "@it", *SIZE, "--json").out)
    front = shown["front"]
    assert len(front) > 1
    assert Genotype.parse(front[-1]["genotype"]) == Genotype.parse(Path("runs/search/it/genotype.txt").read_text())
    assert front[-1]["score"] == 1
    for one, other in pairwise(front):
        assert one["score"] < other["score"]
        assert one["parameters"] < other["parameters"]
    for row in front:
        costs = count_costs(Genotype.parse(row["genotype"]), MACRO)
        assert (row["parameters"], row["multiply_adds"]) == (costs.parameters, costs.multiply_adds)
    picture = Path(shown["picture"]).read_text()
    assert "score of the alphas" in picture
    assert f"p{len(front)}: 100.0%" in picture


def test_a_search_under_the_limit_of_a_point_finds_that_point() -> None:
    # Where neither hard passes nor a price of what is over the limit move the alphas.
    words = ("search", *QUICK, "--method", "darts-first-order")
    succeed(modern, *words, "--name", "free")
    front = json.loads(succeed(modern, "pareto", "@free", *SIZE, "--cost", "multiply_adds", "--json").out)["front"]
    middle = front[len(front) // 2]
    limit = ("--max_multiply_adds", str(middle["multiply_adds"]), "--target_channels", "4", "--target_layers", "3")
    succeed(modern, *words, "--name", "limited", "--limit_rate", "0", *limit)
    assert Path("runs/search/limited/genotype.txt").read_text().strip() == middle["genotype"]


def test_a_search_is_named_with_and_without_an_at_or_by_its_folder() -> None:
    first, *others = (succeed(modern, "pareto", word, *SIZE).out for word in ("@it", "it", "runs/search/it"))
    assert set(others) == {first}
    assert "score: the mixing weights" in first


def test_its_genotypes_are_named_in_a_file_that_commands_take() -> None:
    lines = succeed(modern, "pareto", "@it", *SIZE).out.splitlines()
    assert lines[0].split() == ["score", "parameters", "multiply-adds"]
    shown = json.loads(succeed(modern, "show", "runs/pareto/it.txt#p1", "--dataset", "digits", *SIZE, "--json").out)
    assert f"{shown['parameters']:,}" in lines[1]


def test_latencies_come_from_a_table() -> None:
    places = places_of(space("connect-nas-bench", 2), MACRO)
    costs = {place: Cost(0, 0, 1e-3 * (place.operation != "skip_connect")) for place in places}
    Path("costs.csv").write_text(as_csv(Profile(costs, Cost(0, 0, 0.5))))
    words = ("pareto", "@it", *SIZE, "--cost", "latency_ms", "--costs", "costs.csv", "--json")
    for row in json.loads(succeed(modern, *words).out)["front"]:
        chosen = Genotype.parse(row["genotype"])
        kinds = {
            kind: sum(op != "skip_connect" for node in cell.nodes for op, _ in node)
            for kind, cell in chosen.cells.items()
        }
        # Of three layers the first is a normal cell.
        assert row["ms"] == pytest.approx(500 + kinds["normal"] + 2 * kinds["reduce"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("@drawn",), "was read off no alphas"),
        (("@nobody",), "@nobody is no search that has ended; in runs/search: @drawn"),
        (("stopped",), "stopped is a search that has not ended: go on with it, with --resume"),
        (("trained",), "trained is a training, and this needs the search that found its genotype"),
        (("@it", "--costs", "costs.csv"), "needs --cost latency_ms"),
        (("@it", "--cost", "watts"), "give parameters, multiply_adds or latency_ms"),
        (("@it", "--points", "0"), "from 1 to 1000"),
    ],
)
def test_what_has_no_front_is_refused_in_one_line(words: tuple[str, ...], said: str) -> None:
    for folder, more in (("search/stopped", ""), ("augment/trained", ', "genotype": ""')):
        Path("runs", folder).mkdir(parents=True, exist_ok=True)
        settings = f'{{"name": "a", "dataset": "digits", "epochs": 2{more}}}'
        Path("runs", folder, "config.json").write_text(f'{{"settings": {settings}, "versions": {{}}}}')
    assert said in refusal(modern, "pareto", *words)
