"""What a search costs in operation-pictures: against counts by hand, and over stops."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from dadarts.config import SearchConfig
from dadarts.methods.catalogue import METHODS, fixed_alpha, random_ws
from dadarts.methods.method import Method
from dadarts.methods.selection import Perturbation
from dadarts.runs import checkpoint
from dadarts.runs.events import StepDone
from dadarts.searching.loop import search
from dadarts.searching.state import build
from tests.commands import without_pictures

CELLS, EDGES, OPERATIONS = 3, 6, 4
"""NAS-Bench-201 with one cell a stage; `none` is no operation."""
ALL = CELLS * EDGES * OPERATIONS
TINY: dict[str, Any] = {
    **{"dataset": "digits", "epochs": 2, "init_channels": 4, "layers": 1, "batch_size": 16, "workers": 0},
    **{"device": "cpu", "threads": 1, "dataset_portion": 0.05, "search_space": "nas-bench-201", "engine": "reference"},
}


METHODS_AS_COUNTED = {
    "darts-first-order": METHODS["darts-first-order"](),
    "darts": METHODS["darts"](),
    "fixed-alpha": replace(fixed_alpha(), selection=Perturbation(epochs=0)),
    "pc-darts": replace(METHODS["pc-darts"](), warm_up=0.9),
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def rows(name: str) -> list[dict[str, str]]:
    with (Path("runs/search") / name / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def sizes(config: SearchConfig) -> tuple[int, int]:
    """Pictures of an epoch's steps, and of the whole validation half."""
    loaders = build(config).loaders
    return sum(len(batch.labels) for batch in loaders.train.epoch(0)), len(loaders.validation.index)


@pytest.mark.parametrize(
    ("method", "passes"),
    [
        # A weight step and an architecture step; second order has a look ahead, and two sides of a difference.
        ("darts-first-order", 1 + 1),
        ("darts", 1 + 1 + 1 + 2),
        ("fixed-alpha", 1),
        # A quarter of the channels goes through the operations; the warm-up has no architecture step.
        ("pc-darts", 0.25),
    ],
)
def test_a_mixture_counts_every_operation_for_every_pass_forward_and_backward(method: str, passes: float) -> None:
    config = SearchConfig(name="it", method=METHODS_AS_COUNTED[method], **TINY)
    list(search(config))
    pictures, measured = sizes(config)
    found = rows("it")
    assert [float(row["operation_pictures"]) for row in found] == [passes * ALL * pictures] * 2
    if method == "fixed-alpha":
        # Each of the five on an edge is left out once (`none` changes nothing); what is decided is one, or none.
        assert found[0]["operation_pictures_selection"] == ""
        text = (Path("runs/search/it") / "genotype.txt").read_text()
        cost = float(found[1]["operation_pictures_selection"])
        # An edge's five measurements sum to 5 x (the other edges) + 4 x 3 + 4 of the 4 operations, a third each.
        undecided = [5 * OPERATIONS * rest + 4 * (OPERATIONS - 1) + OPERATIONS for rest in range(EDGES)]
        decided = [5 * done for done in range(EDGES)]
        most = CELLS * measured * (sum(undecided) + sum(decided)) / 3
        assert cost == pytest.approx(most) if "none" not in text else 0 < cost < most


def test_a_hard_weight_step_counts_one_operation_an_edge() -> None:
    config = SearchConfig(name="it", method=replace(METHODS["dadarts-hard"](), order="none"), **TINY)
    list(search(config))
    pictures, _ = sizes(config)
    state = build(config)
    names = [name for node in state.bilevel.supernet.space.table("normal") for edge in node for name in edge]
    assert "none" in names
    chosen = (Path("runs/search/it") / "genotype.txt").read_text()
    active = EDGES - chosen.count("none~")
    assert [float(row["operation_pictures"]) for row in rows("it")] == [CELLS * active * pictures] * 2


def test_passes_alone_count_a_third_and_random_counts_nothing() -> None:
    config = SearchConfig(name="it", method=random_ws(7), **TINY)
    list(search(config))
    state = build(config)
    selected = float(rows("it")[-1]["operation_pictures_selection"])
    # 7 draws of 6 edges, of which some are `none`.
    assert selected <= 7 * CELLS * EDGES * len(state.loaders.validation.index) / 3
    assert 3 * selected % (CELLS * len(state.loaders.validation.index)) == 0
    assert selected > 0
    list(search(SearchConfig(name="drawn", method=METHODS["random"](), **TINY)))
    assert [row["operation_pictures"] for row in rows("drawn")] == ["0"]


@pytest.mark.parametrize("method", [METHODS["darts-first-order"](), replace(fixed_alpha(), selection=Perturbation(1))])
def test_a_search_that_is_stopped_counts_what_an_unbroken_one_does(method: Method) -> None:
    list(search(SearchConfig(name="whole", method=method, **TINY)))
    config = SearchConfig(name="parts", method=method, **TINY)
    # In steps, in a validation, in tuning, and in the measurements of a selection.
    for stop in (3, 9, 12, 20):
        running = search(config, resume=stop > 3)
        for _ in islice(running, stop):
            pass
        running.close()  # type: ignore[attr-defined]
    list(search(config, resume=True))
    for whole, parts in zip(rows("whole"), rows("parts"), strict=True):
        assert {key: cell for key, cell in whole.items() if "operation" in key} == {
            key: cell for key, cell in parts.items() if "operation" in key
        }


def test_a_search_begun_with_a_program_that_did_not_count_goes_on_without_a_count() -> None:
    config = SearchConfig(name="it", **{**TINY, "method": METHODS["darts-first-order"]()})
    running = search(config)
    for event in running:
        if isinstance(event, StepDone):
            running.close()  # type: ignore[attr-defined]
            break
    path = Path("runs/search/it/checkpoints/last.pt")
    settings, saved = checkpoint.load(path, "search")
    checkpoint.save(path, "search", settings, {k: v for k, v in saved.items() if k != "work"})
    list(search(config, resume=True))
    assert [row["operation_pictures"] for row in rows("it")] == ["", ""]


def test_two_processes_count_the_pictures_of_both() -> None:
    state = build(SearchConfig(name="it", **TINY))
    one, two = (type(state.bilevel.work)(state.bilevel.supernet, count) for count in (1, 2))
    mixing = state.bilevel.alphas.split(torch.ones_like(state.bilevel.alphas.stacked()))
    one.step(mixing, None, 16)
    two.step(mixing, None, 8)
    assert one.of_epoch == two.of_epoch == ALL * 16


@pytest.mark.parametrize("saved", [{}, {"epochs": [1, -1], "selection": 0}, {"epochs": [1] * 3, "selection": 0},
                                   {"epochs": [0.5], "selection": 0}, {"epochs": [], "selection": True}])  # fmt: skip
def test_a_count_that_is_none_is_refused(saved: Any) -> None:
    from dadarts.runs.fitting import MisfitError

    with pytest.raises(MisfitError, match="work"):
        type(build(SearchConfig(name="it", **TINY)).bilevel.work).read(saved, 2)
