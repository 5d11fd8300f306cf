"""Searches under limits, as a user gives them: what is found costs no more, whatever is asked for."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from dadarts.architecture.costs import Costs, count_costs
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Macro
from dadarts.config import SearchConfig
from dadarts.rundir.saved import SavedRun
from dadarts.searching.trajectory import trajectory
from tests.commands import TINIEST, column, modern, refusal, result_of_search, stop_after, succeed, without_pictures

SIZE = ("--target_channels", "4", "--target_layers", "3")
MACRO = Macro(4, 3, (1, 8, 8), 10)
QUICK = ("search", *("64" if word == "16" else word for word in TINIEST), *SIZE)
"""Two epochs of a step."""


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def found(*words: str, method: str = "dadarts-late") -> tuple[Genotype, str]:
    """The genotype that a search ends with, and what it said."""
    outcome = succeed(modern, *QUICK, "--method", method, "--name", "it", "--overwrite", *words)
    return Genotype.parse(outcome.last_line), outcome.err


def costs(genotype: Genotype) -> Costs:
    return count_costs(genotype, MACRO)


def smallest(*words: str) -> int:
    """What a search names that is asked for the impossible."""
    line = refusal(modern, *QUICK, "--name", "none", *words)
    match = re.search(r"the smallest needs ([\d,]+) ", line)
    assert match, line
    return int(match[1].replace(",", ""))


@pytest.mark.parametrize("limit", ["max_parameters", "max_multiply_adds"])
def test_a_network_under_a_limit_costs_no_more_and_no_limit_below_the_smallest_is_taken(limit: str) -> None:
    count = "parameters" if limit == "max_parameters" else "multiply_adds"
    least = smallest(f"--{limit}", "1")
    # The smallest cell has skip connections alone, which have weights where they halve sizes.
    genotype, said = found(f"--{limit}", str(least))
    assert getattr(costs(genotype), count) == least
    assert f"of at most {least:,}" in said
    assert smallest(f"--{limit}", str(least - 1)) == least
    between = least + 2000
    assert getattr(costs(found(f"--{limit}", str(between))[0]), count) <= between


@pytest.mark.parametrize(
    ("limit", "most", "shallower"),
    [("--max_parameters", 2000, False), ("--max_multiply_adds", 20_000, False), ("--max_parameters", 150, True)],
)
def test_a_refusal_names_the_widest_size_that_can_be_kept(limit: str, most: int, shallower: bool) -> None:
    line = refusal(modern, *QUICK, "--name", "none", limit, str(most))
    match = re.search(r"with --target_channels (\d+) --target_layers (\d+) one keeps to it", line)
    assert match, line
    channels, layers = map(int, match.groups())
    assert (layers < MACRO.layers) == shallower
    assert channels < MACRO.channels
    refused = refusal(modern, *QUICK[:-4], "--name", "none", limit, str(most), *_target(channels + 1, layers))
    assert "the smallest needs" in refused
    succeed(modern, *QUICK[:-4], "--method", "random", "--name", "it", limit, str(most), *_target(channels, layers))
    found = Genotype.parse(Path("runs/search/it/genotype.txt").read_text())
    assert getattr(count_costs(found, Macro(channels, layers, (1, 8, 8), 10)), limit.removeprefix("--max_")) <= most


def _target(channels: int, layers: int) -> tuple[str, ...]:
    return "--target_channels", str(channels), "--target_layers", str(layers)


@pytest.mark.parametrize("method", ["darts-first-order", "random", "random-ws", "dadarts-plus"])
def test_every_kind_of_search_keeps_to_both_limits_at_once(method: str) -> None:
    most = Costs(4700, 150_000)
    assert smallest("--max_parameters", "1") < most.parameters
    words = ("--max_parameters", "4.7k", "--max_multiply_adds", "150_000")
    genotype, _ = found(*words, *(("--selection_genotypes", "3") if method == "random-ws" else ()), method=method)
    own = costs(genotype)
    assert own.parameters <= most.parameters
    assert own.multiply_adds <= most.multiply_adds


@pytest.mark.parametrize(
    ("method", "words"),
    [("fixed-alpha", ()), ("dadarts-lookahead", ("--selection_steps", "1", "--selection_looks", "1"))],
)
def test_what_is_decided_edge_by_edge_leaves_a_network_within_the_limit(method: str, words: tuple[str, ...]) -> None:
    most = 4600
    genotype, said = found("--max_parameters", str(most), "--selection_pictures", "16", *words, method=method)
    assert costs(genotype).parameters <= most
    # Nothing that was decided had to be taken back.
    decided = {
        (kind, int(node), int(edge)): operation
        for kind, node, edge, operation in re.findall(r"(normal|reduce) node (\d), edge (\d) keeps (\w+)", said)
    }
    assert decided
    for kind, cell in genotype.cells.items():
        for number, node in enumerate(cell.nodes):
            for operation, state in node:
                assert decided.get((kind, number, state), operation) == operation


def test_a_limit_that_nothing_exceeds_changes_no_number() -> None:
    succeed(modern, *QUICK[:-4], "--method", "dadarts", "--name", "free")
    succeed(modern, *QUICK, "--method", "dadarts", "--name", "bound", "--max_parameters", "1G")
    free, bound = (result_of_search(Path("runs/search") / name) for name in ("free", "bound"))
    assert bound[1:] == free[1:]
    assert [{name: value for name, value in row.items() if name in free[0][0]} for row in bound[0]] == free[0]


def test_the_price_of_what_is_over_the_limit_rises_and_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    words = (
        "search",
        *TINIEST,
        *SIZE,
        "--alpha_lr",
        "0.05",
        "--max_parameters",
        "4700",
        "--limit_rate",
        "100",
        "--print_freq",
        "1",
        "--method",
        "dadarts",
    )
    succeed(modern, *words, "--name", "whole")
    with stop_after(6, signal.SIGTERM, monkeypatch):
        modern([*words, "--name", "halves"])
    succeed(modern, *words, "--name", "halves", "--resume")
    whole, halves = (Path("runs/search") / name for name in ("whole", "halves"))
    assert result_of_search(halves) == result_of_search(whole)
    course = trajectory(SearchConfig(**SavedRun(whole).saved_config().settings), whole / "alphas.npz")
    assert course is not None
    assert course.genotypes[-1] == Genotype.parse((whole / "genotype.txt").read_text())
    assert all(costs(genotype).parameters <= 4700 for genotype in course.genotypes)
    prices, over = column(whole, "limit_price"), column(whole, "over_limit")
    assert 0 < prices[0] < prices[1]
    assert over[1] < over[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max_parameters", "many"), "'many' is no count; give one such as 100000, 100k or 1.5M"),
        (("--max_parameters", "1,5"), "'1,5' is no count"),
        (("--max_multiply_adds", "0"), "from 1 to"),
        (("--target_layers", "3"), "needs -max_parameters"),
        (("--costs", "t.csv"), "needs -max_latency_ms"),
        (("--max_parameters", "1M", "--genotype_to_retain", "best"), "keeps to no limit"),
    ],
)
def test_limits_that_make_no_sense_are_refused_in_one_line(words: tuple[str, ...], said: str) -> None:
    assert said in refusal(modern, "search", *TINIEST, "--name", "it", *words)
