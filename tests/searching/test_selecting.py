"""What a genotype is read off: draws against brute force, selections against plain loops over the same supernet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from csv import DictReader
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import chi2
from torch import Tensor

from dadarts.architecture.discretization import Rule, discretize, draw_uniform
from dadarts.architecture.genotype import Genotype, derive, draw_scores, random_genotype
from dadarts.architecture.spaces import space
from dadarts.architecture.supernet import Mixing
from dadarts.config import SearchConfig
from dadarts.errors import InputError
from dadarts.methods.alphas import Alphas
from dadarts.methods.catalogue import METHODS, fixed_alpha, random_ws
from dadarts.methods.method import Method
from dadarts.methods.perturbation import decisions_of
from dadarts.methods.relaxations import UniformPath
from dadarts.methods.resolve import resolve
from dadarts.methods.schedules import Progress
from dadarts.methods.searched import Searched
from dadarts.methods.selection import (
    SELECTIONS,
    BestOfRandom,
    EigenvalueRise,
    Perturbation,
    Race,
    Selection,
    UniformDraw,
)
from dadarts.rundir.history import SEARCH
from dadarts.runs import checkpoint
from dadarts.runs.events import EpochDone, Event, Note, SearchDone, SelectionStep, StepDone
from dadarts.searching import diagnostics
from dadarts.searching.loop import search
from dadarts.searching.state import SearchState, build
from dadarts.seeds import generator
from tests.commands import QUICKEST, ROOT, TINIEST, history, modern, refusal, succeed, without_pictures
from tests.commands import alphas as saved_alphas
from tests.nets import build_alphas, native_kernels, ragged_space

TINY: dict[str, Any] = {
    **{"dataset": "digits", "epochs": 2, "init_channels": 2, "layers": 3, "batch_size": 16, "workers": 0},
    **{"device": "cpu", "threads": 1, "dataset_portion": 0.1, "nodes": 2, "search_space": "connect-nas-bench"},
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


Chosen = tuple[tuple[bool, ...], ...]

SUREST = Perturbation(0, order="surest", by="loss", renormalise=True)

NODES = {
    "two of three edges": (torch.ones(3, 2, dtype=torch.bool), Rule(2)),
    "all edges": (torch.ones(2, 3, dtype=torch.bool), Rule(None)),
    "a banned column": (torch.tensor([[1, 1, 1], [1, 0, 1], [1, 1, 0]]).bool(), Rule(2, (2,))),
    "edges of one, two and three": (torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1]]).bool(), Rule(2)),
    "edges of one, two and three, one kept": (torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1]]).bool(), Rule(1)),
    "padding": (torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [1, 1, 0]]).bool(), Rule(2, (2,))),
    "fewer edges than are kept": (torch.tensor([[1, 1], [0, 0]]).bool(), Rule(2)),
}


def listed(chosen: Tensor) -> Chosen:
    return tuple(tuple(row) for row in chosen.tolist())


def all_discretizations(present: Tensor, rule: Rule) -> set[Chosen]:
    """What `discretize` gives for scores in every order; it looks at nothing but their order."""
    places = present.nonzero().tolist()
    found = set()
    for order in permutations(range(len(places))):
        score = torch.zeros(present.shape)
        for place, rank in zip(places, order, strict=True):
            score[tuple(place)] = 1.0 + rank
        found.add(listed(discretize(score, rule, present)))
    return found


def check_uniform(counts: Counter[Chosen], expected: set[Chosen]) -> None:
    """All of a set and nothing else, by a chi-square test at the level 0.001."""
    assert set(counts) == expected
    mean = counts.total() / len(expected)
    statistic = sum((counts[one] - mean) ** 2 / mean for one in expected)
    assert len(expected) == 1 or statistic < chi2.ppf(0.999, len(expected) - 1)


@pytest.mark.parametrize("name", NODES)
def test_a_uniform_draw_is_uniform_over_all_that_discretize_can_give(name: str) -> None:
    present, rule = NODES[name]
    expected = all_discretizations(present, rule)
    draw = generator("test", name)
    counts = Counter(listed(draw_uniform(present, rule, draw)) for _ in range(15 * max(len(expected), 100)))
    check_uniform(counts, expected)


@pytest.mark.parametrize("name", ["two of three edges", "edges of one, two and three", "padding"])
def test_discretize_leaves_a_uniform_draw_as_it_is(name: str) -> None:
    present, rule = NODES[name]
    draw = generator(1)
    for _ in range(20):
        chosen = draw_uniform(present, rule, draw)
        assert torch.equal(discretize(chosen.float(), rule, present), chosen)


@pytest.mark.parametrize("name", ["nas-bench-201", "nas-bench-macro"])
def test_the_benchmarks_have_as_many_draws_as_networks(name: str) -> None:
    it = space(name)
    number = 1
    for places in it.present("normal"):
        number *= len(
            {listed(draw_uniform(places[e : e + 1], it.rule, generator(e, n))) for n in range(300) for e in [0]}
        ) ** len(places)
    assert number == {"nas-bench-201": 15_625, "nas-bench-macro": 6_561}[name]


def test_a_uniform_path_draws_at_every_key_from_the_distribution_of_random_genotypes() -> None:
    alphas = build_alphas(ragged_space(), 3, scale=2.0)
    present = alphas.candidates.present
    for node in range(2):
        expected = all_discretizations(present[node], alphas.candidates.rule)
        counts = Counter(
            listed(UniformPath()(alphas.stacked(), alphas.candidates, Progress(0, 1, key))[node] > 0.5)
            for key in range(60 * len(expected))
        )
        check_uniform(counts, expected)


def test_a_uniform_path_is_a_function_of_its_key_and_not_of_alpha() -> None:
    first, second = build_alphas(ragged_space(), 1), build_alphas(ragged_space(), 2)

    def path(alphas: Alphas, key: int) -> Tensor:
        return UniformPath()(alphas.stacked(), alphas.candidates, Progress(3, 9, key))

    assert torch.equal(path(first, 5), path(second, 5))
    assert len({listed(path(first, key).flatten(1)) for key in range(20)}) > 10


def test_random_trains_nothing_and_writes_the_uniform_genotype_of_its_seed() -> None:
    outcome = succeed(modern, "search", "--method", "random", "--name", "it", *TINIEST)
    folder = Path("runs/search/it")
    config = SearchConfig(name="it", method=METHODS["random"](), **TINY)
    assert outcome.last_line == str(random_genotype(config.space, 42))
    assert (folder / "genotype.txt").read_text().strip() == outcome.last_line
    assert "step" not in outcome.err.replace("steps an epoch", "")
    assert "note: one uniform draw: nothing is trained, and no epoch passes\n" in outcome.err
    assert succeed(modern, "runs").out.splitlines()[1].split()[:5] == ["search", "it", "digits", "-", "finished"]
    (row,) = history(folder)
    measured = {name: value for name, value in row.items() if value}
    assert set(measured) == {"epoch", "skip_share", "parameter_free_share", "seconds", "operation_pictures"}
    assert measured["operation_pictures"] == "0"
    assert float(row["skip_share"]) == Genotype.parse(outcome.last_line).share("skip_connect")
    succeed(modern, "search", "--method", "darts-first-order", "--name", "other", *QUICKEST[:-1])
    assert list(history(Path("runs/search/other"))[0]) == list(row) == [column.name for column in SEARCH]
    _, state = checkpoint.load(folder / "checkpoints" / "last.pt", "search")
    assert state["position"]["step"] == state["position"]["epoch"] == 0


def finished(method: Method, **settings: Any) -> tuple[SearchConfig, SearchState, Genotype, list[str]]:
    """A search that is through: its configuration, its state as saved, its genotype and its notes."""
    config = SearchConfig(name="it", method=method, **{**TINY, **settings})
    events = list(search(config))
    state = build(config)
    state.restore(checkpoint.load(Path("runs/search/it/checkpoints/last.pt"), "search")[1])
    done = events[-1]
    assert isinstance(done, SearchDone)
    return config, state, done.genotype, [event.text for event in events if isinstance(event, Note)]


def plain_score(state: SearchState, mixing_NEO: Tensor) -> tuple[float, float]:
    """Accuracy, and minus the loss, of the readable supernet on the validation half."""
    loss = correct = seen = 0.0
    for batch in state.loaders.validation.epoch(0):
        with torch.no_grad():
            logits = state.bilevel.supernet(batch.images, state.bilevel.alphas.split(mixing_NEO), batch.key)
        loss += F.cross_entropy(logits, batch.labels, reduction="sum").item()
        correct += float((logits.argmax(1) == batch.labels).sum())
        seen += len(batch.labels)
    return correct / seen, -loss / seen


def test_random_ws_takes_the_best_of_its_draws_by_hard_accuracy() -> None:
    config, state, genotype, notes = finished(random_ws(9), epochs=3, w_lr=0.1, engine="reference")
    draws = [draw_scores(config.space, generator(config.seed, "best-of-random", n)) for n in range(9)]
    stacked = [
        torch.stack([F.pad(node, (0, 0, 0, 3 - len(node))) for nodes in draw.values() for node in nodes])
        for draw in draws
    ]
    scores = [plain_score(state, one) for one in stacked]
    assert len({accuracy for accuracy, _ in scores}) > 1
    assert genotype == derive(config.space, draws[scores.index(max(scores))])
    assert any(f"has {max(scores)[0]:.1%} on the validation half" in note for note in notes)


@pytest.mark.parametrize("name", ["random-ws", "fixed-alpha"])
def test_the_controls_never_update_alpha_and_train_the_weights(name: str) -> None:
    method = METHODS[name]()
    method = replace(method, selection=Perturbation(0) if name == "fixed-alpha" else BestOfRandom(5))
    config, state, _, _ = finished(method, batch_size=32)
    before = build(config)
    for now, then in zip(state.bilevel.alpha, before.bilevel.alpha, strict=True):
        assert torch.equal(now, then)
    assert any(not torch.equal(now, then) for now, then in zip(state.bilevel.w, before.bilevel.w, strict=True))


@pytest.mark.parametrize("name", ["connect-nas-bench", "nas-bench-201", "S4"])
def test_perturbation_without_tuning_equals_plain_loops(name: str) -> None:
    method = replace(fixed_alpha(), selection=Perturbation(0))
    config, state, genotype, _ = finished(
        method, search_space=name, batch_size=36, epochs=3, w_lr=0.1, engine="reference"
    )
    alphas = state.bilevel.alphas
    M = alphas.stacked().detach().softmax(-1) * alphas.candidates.present
    kinds = alphas.candidates.kinds
    for decision in decisions_of(alphas.candidates, partial(generator, config.seed)):
        node, edge = decision.node, decision.edge
        names = config.space.table(kinds[node])[node % config.space.nodes]
        left = {}
        if edge is not None:
            for column, operation in enumerate(names[edge]):
                if operation is not None and not (operation == "none" and config.space.bans_none):
                    without = M.clone()
                    without[node, edge, column] = 0
                    left[column] = plain_score(state, without)
            kept = min(left, key=lambda column: left[column])
            M[node, edge] = torch.eye(config.space.columns)[kept]
        else:
            for e in range(len(names)):
                without = M.clone()
                without[node, e] = 0
                left[e] = plain_score(state, without)
            for e in sorted(left, key=lambda e: left[e])[2:]:
                M[node, e] = 0
    assert state.mixing is not None
    assert torch.equal(M, state.mixing)
    assert set(M.flatten().tolist()) == {0.0, 1.0}
    assert genotype == derive(config.space, alphas.split(M))


def test_a_round_decides_one_edge_of_each_kind_and_nodes_come_last() -> None:
    it = space("darts")
    decisions = decisions_of(Alphas(it, generator(0)).candidates, partial(generator, 7))
    edges = [(d.node, d.edge) for d in decisions if d.edge is not None]
    nodes = [d.node for d in decisions if d.edge is None]
    assert sorted(edges) == [(n, e) for n in range(8) for e in range(2 + n % 4)]
    assert sorted(nodes) == [1, 2, 3, 5, 6, 7]
    assert [d.edge is None for d in decisions] == [False] * 28 + [True] * 6
    rounds = Counter(d.round for d in decisions)
    assert rounds == dict.fromkeys(range(17), 2)
    for number in rounds:
        first, second = (d.node for d in decisions if d.round == number)
        assert first < 4 <= second
    assert decisions != decisions_of(Alphas(it, generator(0)).candidates, partial(generator, 8))


def is_tuning(event: Event) -> bool:
    return isinstance(event, StepDone) and event.epoch >= 2 and event.step % 3 == 0


def is_selecting(event: Event) -> bool:
    return isinstance(event, SelectionStep)


def until_done(config: SearchConfig, stops: Callable[[Event], bool], every: int) -> Genotype:
    """Search, and stop and go on at every so manieth event of a kind."""
    seen, resume = 0, False
    while True:
        events = search(config, resume=resume)
        resume = True
        for event in events:
            if isinstance(event, SearchDone):
                return event.genotype
            seen += stops(event)
            if stops(event) and seen % every == 0:
                events.close()  # type: ignore[attr-defined]
                break


@pytest.mark.parametrize(
    ("method", "stops", "every"),
    [
        (replace(fixed_alpha(), selection=Perturbation(1)), is_tuning, 4),
        (replace(fixed_alpha(), selection=Perturbation(1)), is_selecting, 23),
        (replace(fixed_alpha(), selection=replace(SUREST, epochs=1)), is_selecting, 23),
        (random_ws(30), is_selecting, 14),
    ],
    ids=["tuning", "measuring", "surest first", "best of random"],
)
def test_a_selection_that_is_stopped_goes_on_to_the_same_genotype_and_weights(
    method: Method, stops: Callable[[Event], bool], every: int
) -> None:
    settings = {**TINY, "layers": 1, "init_channels": 4, "method": method}
    *events, whole = search(SearchConfig(name="whole", **settings))
    assert isinstance(whole, SearchDone)
    counted = [(event.step, event.steps) for event in events if isinstance(event, SelectionStep)]
    assert len(counted) > 5
    assert counted == [(step, len(counted)) for step in range(1, len(counted) + 1)]
    assert until_done(SearchConfig(name="parts", **settings), stops, every) == whole.genotype
    states = [
        checkpoint.load(Path("runs/search") / name / "checkpoints" / "last.pt", "search")[1]
        for name in ("whole", "parts")
    ]
    for name, tensor in states[0]["weights"].items():
        assert torch.equal(tensor, states[1]["weights"][name])
    assert states[0]["decided"] == states[1]["decided"]
    costs = [
        [row["operation_pictures_selection"] for row in DictReader((Path("runs/search") / name / "history.csv").open())]
        for name in ("whole", "parts")
    ]
    assert costs[0] == costs[1]
    assert float(costs[0][-1]) > 0
    assert torch.equal(states[0]["settled_places"], states[1]["settled_places"])


@dataclass(frozen=True)
class NodeByNode(Selection):
    """Of a few draws of each node in turn the best, with an epoch of tuning between: known to no part of dadarts."""

    draws: int = 9

    @property
    def tuning_epochs(self) -> int:
        return 1

    def scores(self, search: Searched) -> Generator[Any, None, Mixing]:
        M, candidates = search.mixing, search.candidates
        while search.decided < len(M):
            node = search.decided
            yield from search.tune(M, node, len(M))
            tried = [M.clone() for _ in range(self.draws)]
            for number, one in enumerate(tried):
                draw = search.draw("node-by-node", node, number)
                one[node] = draw_uniform(candidates.present[node], candidates.rule, draw)
            worth = yield from search.evaluate([search.split(one) for one in tried])
            M[node] = tried[worth.index(min(worth))][node]
            search.settle(node, None)
        return search.split(M)


@pytest.mark.parametrize(("stops", "every"), [(is_tuning, 1), (is_selecting, 14)], ids=["tuning", "measuring"])
def test_a_selection_from_outside_that_decides_and_tunes_goes_on_where_it_was_stopped(
    stops: Callable[[Event], bool], every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SELECTIONS, "node-by-node", NodeByNode)
    method = replace(fixed_alpha(), selection=NodeByNode())
    settings = {**TINY, "layers": 1, "init_channels": 4, "method": method}
    *events, whole = search(SearchConfig(name="whole", **settings))
    assert isinstance(whole, SearchDone)
    assert sum(map(stops, events)) > 2 * every
    assert until_done(SearchConfig(name="parts", **settings), stops, every) == whole.genotype
    one, other = (
        checkpoint.load(Path("runs/search") / name / "checkpoints" / "last.pt", "search")[1]
        for name in ("whole", "parts")
    )
    assert all(torch.equal(tensor, other["weights"][name]) for name, tensor in one["weights"].items())
    assert torch.equal(one["mixing"], other["mixing"])
    assert (one["decided"], one["measured"]) == (other["decided"], other["measured"]) == (len(one["mixing"]), [])


def test_a_selection_that_was_stopped_behind_its_last_measurement_measures_nothing_again() -> None:
    config = SearchConfig(name="it", **{**TINY, "layers": 1, "method": random_ws(9)})
    events = search(config)
    assert any(isinstance(event, Note) and "the best of 9" in event.text for event in events)
    events.close()  # type: ignore[attr-defined]
    *resumed, done = search(config, resume=True)
    assert isinstance(done, SearchDone)
    assert not any(is_selecting(event) for event in resumed)


def test_any_method_takes_a_selection_from_the_command_line() -> None:
    words = [*QUICKEST[:-1], "-print_freq", "1000"]
    outcome = succeed(
        modern,
        "search",
        "--method",
        "darts-first-order",
        "--name",
        "a",
        "--selection",
        "perturbation",
        *("--selection_epochs", "0"),
        *words,
    )
    assert "selection 12/12" in outcome.err
    outcome = succeed(modern, "search", "--name", "b", "--selection=best-of-random", "--selection_genotypes=5", *words)
    assert "the best of 5 random genotypes" in outcome.err
    outcome = succeed(modern, "search", "--method", "fixed-alpha", "--name", "c", "--selection", "argmax", *words)
    assert "selection" not in outcome.err
    resumed = succeed(modern, "search", "--name", "c", "-resume")
    assert resumed.last_line == outcome.last_line


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--selection", "worst"], "selection"),
        (["--selection", "perturbation", "--selection_epochs", "-1"], "selection_epochs"),
        (["--selection", "perturbation", "--selection_genotypes", "3"], "selection_genotypes does not go with"),
        (["--selection_epochs", "3"], "selection_epochs does not go with"),
        (["--method", "random", "--hd_on_weights"], "does not go with --method random"),
        (["--selection", "perturbation", "--genotype_to_retain", "best"], "genotype_to_retain best"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(words: list[str], complaint: str) -> None:
    assert complaint in refusal(modern, "search", "--name", "it", *TINIEST, *words)


@pytest.mark.parametrize(
    "method",
    [
        Method(selection=Perturbation(-1)),
        Method(selection=BestOfRandom(0)),
        Method(selection=UniformDraw(), retain="all"),
    ],
)
def test_a_selection_out_of_range_is_refused(method: Method) -> None:
    with pytest.raises(InputError):
        resolve(method, space("darts"))


def test_a_rise_is_judged_by_the_means_of_two_windows_that_do_not_overlap() -> None:
    stop = EigenvalueRise(window=2, ratio=0.75)
    assert not stop.reached([])
    assert not stop.reached([0.1, 0.1, 9.0])  # fewer than two windows
    assert stop.reached([1.0, 1.0, 1.0, 2.0])  # 1 < 0.75 * 1.5
    assert not stop.reached([1.0, 1.0, 1.0, 1.6])  # 1 > 0.75 * 1.3
    assert stop.reached([9.0, 1.0, 1.0, 1.0, 2.0])
    assert not stop.reached([-4.0, -4.0, -1.0, -1.0])  # no curvature, nothing sharp


@pytest.mark.parametrize("parts", [False, True])
def test_darts_es_stops_where_the_eigenvalue_rises_and_goes_back(parts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [1.0, 1.0, 1.0, 1.0, 3.0, 9.0, 9.0]
    monkeypatch.setattr(diagnostics, "hessian_eigenvalue", lambda bilevel, batch, progress: values[progress.epoch])
    method = replace(METHODS["darts-es"](), order="first", stop=EigenvalueRise(window=2))
    config = SearchConfig(name="it", **{**TINY, "epochs": 7, "method": method, "alpha_lr": 0.5, "layers": 1})
    if parts:
        found = until_done(config, lambda event: isinstance(event, EpochDone), 2)
    else:
        events = list(search(config))
        assert isinstance(events[-1], SearchDone)
        found = events[-1].genotype
        assert any("stopped after epoch 5" in event.text for event in events if isinstance(event, Note))
    rows = history(Path("runs/search/it"))
    assert [float(row["hessian_eigenvalue"]) for row in rows] == values[:5]
    arrays = saved_alphas(Path("runs/search/it"))
    scores = {
        kind: tuple(torch.from_numpy(arrays[f"{kind}_{node}"]).softmax(-1)[:, :] for node in range(2))
        for kind in config.space.kinds
    }
    by_epoch = [
        derive(config.space, {kind: tuple(node[epoch] for node in nodes) for kind, nodes in scores.items()})
        for epoch in range(5)
    ]
    assert found == by_epoch[2]
    assert len(set(by_epoch)) > 1
    assert by_epoch[2] != by_epoch[4]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_page(name: str) -> None:
    pages = [path.read_text() for path in (ROOT / "docs" / "methods").glob("*.md")]
    assert any(f"`{name}`" in page or f"--method {name}`" in page for page in pages)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_searches_with_both_engines_and_goes_on_when_stopped(name: str) -> None:
    native_kernels()
    method = METHODS[name]()
    if isinstance(method.selection, Perturbation):
        method = replace(method, selection=Perturbation(0))
    if isinstance(method.selection, BestOfRandom):
        method = replace(method, selection=BestOfRandom(20))
    if isinstance(method.selection, Race):
        method = replace(
            method, selection=Race(steps=1, looks=0, rounds=1, put_off=0.0, pictures=20, order_pictures=20)
        )
    # Two epochs of two steps, of few pictures.
    settings = {**TINY, "layers": 1, "init_channels": 4, "dataset_portion": 0.05, "method": method}
    engines = ("reference", "native" if method.channel_fraction == 1 else "torch")
    whole = {}
    for engine in engines:
        done = list(search(SearchConfig(name=f"whole-{engine}", engine=engine, **settings)))[-1]
        assert isinstance(done, SearchDone)
        whole[engine] = done.genotype
    # Engines take turns at being stopped: what is saved and read is the same for both.
    engine = engines[list(METHODS).index(name) % 2]
    config = SearchConfig(name="parts", engine=engine, **settings)
    assert until_done(config, lambda event: isinstance(event, StepDone), 3) == whole[engine]
    if method.selection != UniformDraw():
        first, second = (saved_alphas(Path("runs/search") / run) for run in (f"whole-{engine}", "parts"))
        assert first.keys() == second.keys()
        assert all(np.array_equal(first[key], second[key]) for key in first)
