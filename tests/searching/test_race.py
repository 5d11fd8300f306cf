"""Races of forks: every fork against plain loops over the readable supernet, and stops that change no bit."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dadarts import main
from dadarts.architecture.genotype import derive
from dadarts.config import SearchConfig
from dadarts.errors import CheckpointError, RunError
from dadarts.methods.catalogue import dadarts_lookahead, darts_first_order
from dadarts.methods.method import Method
from dadarts.methods.selection import Race
from dadarts.methods.terms import Terms
from dadarts.methods.text import parse_method
from dadarts.runs import checkpoint
from dadarts.runs.events import Event, Note, SearchDone, SelectionStep
from dadarts.searching.copies import stream
from dadarts.searching.loop import search
from dadarts.searching.state import SearchState, build
from tests.commands import TINIEST, modern, refusal, without_pictures

TINY: dict[str, Any] = {
    **{"dataset": "digits", "epochs": 1, "init_channels": 2, "layers": 1, "batch_size": 16, "workers": 0},
    **{"device": "cpu", "threads": 1, "dataset_portion": 0.1, "search_space": "connect-nas-bench", "nodes": 2},
    **{"engine": "reference", "w_lr": 0.1},
}
QUICK = Race(steps=2, pictures=20, order_pictures=10, looks=1)
METHOD = replace(dadarts_lookahead(), selection=QUICK)


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def saved(name: str) -> dict[str, Any]:
    return checkpoint.load(Path("runs/search") / name / "checkpoints" / "last.pt", "search")[1]


def said(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note) and " node " in event.text]


def test_the_batches_of_a_stream_go_on_over_epochs() -> None:
    loader = build(SearchConfig(name="it", method=METHOD, **TINY)).loaders.train
    steps = loader.steps()
    whole = [batch for epoch in (3, 4, 5) for batch in loader.epoch(epoch)]
    found = stream(loader, 3, 2)
    for expected in whole[2:]:
        one = next(found)
        assert one.key == expected.key
        assert torch.equal(one.images, expected.images)
    assert next(stream(loader, 3, 2 * steps)).key == whole[2 * steps].key


def first_race(config: SearchConfig, name: str) -> tuple[SearchState, tuple[int, int], list[str]]:
    """The search as it stands when its first order is measured, which edge is first, and what is said of its race."""
    events, notes = search(config), []
    for event in events:
        if isinstance(event, Note) and " node " in event.text:
            notes.append(event.text)
            break
    events.close()  # type: ignore[attr-defined]
    state = build(config)
    state.restore(saved(name))
    node, edge, _ = state.races.outcomes[0]
    return state, (node, edge), notes


def test_every_fork_is_a_plain_training_of_the_weights_before_it() -> None:
    config = SearchConfig(name="it", method=METHOD, **TINY)
    # Stopped behind the race and before its end is kept: the weights are those that all forks began with.
    state, (node, edge), (note,) = first_race(config, "it")
    assert len(state.races.losses) == 2
    W = state.bilevel.alphas.weights().detach()
    before = [w.detach().clone() for w in state.bilevel.w]
    first = len(state.races.outcomes) * QUICK.steps
    for place, column in enumerate((0, 1)):
        mixing = W.clone()
        mixing[node, edge] = F.one_hot(torch.tensor(column), W.shape[-1]) * W[node, edge].square().sum().sqrt()
        expected = plain_fork(state, mixing, config.epochs, first)
        torch.testing.assert_close(state.races.losses[place][:, 0], expected, rtol=1e-4, atol=1e-5)
        said_losses = [float(number) for number in re.findall(r"\d\.\d{4}", note)]
        assert any(abs(loss - float(expected.mean())) < 2e-4 for loss in said_losses)
        put(state, before)


def plain_fork(state: SearchState, mixing: Tensor, epoch: int, first: int) -> Tensor:
    """Losses of pictures after the first rung of a race."""
    split = state.bilevel.alphas.split(mixing)
    plain_steps(state, split, epoch, first)
    return plain_losses(state, split)


def plain_steps(state: SearchState, split: Any, epoch: int, first: int) -> None:
    """A few steps of plain SGD with momentum, decay and clipping."""
    sgd = torch.optim.SGD(state.bilevel.w, lr=0.05, momentum=0.9, weight_decay=3e-4)
    steps = state.loaders.train.steps()
    for step in range(QUICK.steps):
        batch = list(state.loaders.train.epoch(epoch + (first + step) // steps))[(first + step) % steps]
        sgd.param_groups[0]["lr"] = 0.001 + 0.049 * (1 + math.cos(math.pi * step / QUICK.steps)) / 2
        sgd.zero_grad()
        loss = F.cross_entropy(state.bilevel.supernet(batch.images, split, batch.key), batch.labels)
        gradient = torch.autograd.grad(loss, state.bilevel.w, allow_unused=True, materialize_grads=True)
        for w, g in zip(state.bilevel.w, gradient, strict=True):
            w.grad = g
        torch.nn.utils.clip_grad_norm_(state.bilevel.w, 5.0)
        sgd.step()
    state.bilevel.supernet.zero_grad()


def plain_losses(state: SearchState, split: Any) -> Tensor:
    found = []
    with torch.no_grad():
        for batch in state.loaders.validation.at_least(QUICK.pictures).epoch(0):
            logits = state.bilevel.supernet(batch.images, split, batch.key)
            found.append(F.cross_entropy(logits, batch.labels, reduction="none").double())
    return torch.cat(found)


def test_those_that_go_on_are_the_mean_of_copies_on_other_batches() -> None:
    config = SearchConfig(name="it", method=replace(METHOD, selection=replace(QUICK, rungs=2)), **TINY)
    state, (node, edge), (note,) = first_race(config, "it")
    W = state.bilevel.alphas.weights().detach()
    before = [w.detach().clone() for w in state.bilevel.w]
    # A race of two rungs trains one copy and two more, of two batches each; both of two operations go on.
    first = len(state.races.outcomes) * 6
    assert len(state.races.losses) == 4
    for column in (0, 1):
        mixing = W.clone()
        mixing[node, edge] = F.one_hot(torch.tensor(column), W.shape[-1]) * W[node, edge].square().sum().sqrt()
        split = state.bilevel.alphas.split(mixing)
        copies = []
        for copy in range(3):
            plain_steps(state, split, config.epochs, first + 2 * copy)
            copies.append([w.detach().clone() for w in state.bilevel.w])
            put(state, before)
        put(state, [torch.stack(own).mean(dim=0) for own in zip(*copies, strict=True)])
        expected = plain_losses(state, split)
        torch.testing.assert_close(state.races.losses[2 + column][:, 0], expected, rtol=1e-4, atol=1e-5)
        said_losses = [float(number) for number in re.findall(r"\d\.\d{4}", note)]
        assert any(abs(loss - float(expected.mean())) < 2e-4 for loss in said_losses)
        put(state, before)


@torch.no_grad()
def put(state: SearchState, weights: list[Tensor]) -> None:
    torch._foreach_copy_(state.bilevel.w, weights)


@pytest.mark.parametrize("rungs", [1, 2])
def test_a_search_that_is_stopped_in_mid_race_goes_on_to_the_same_bits(rungs: int) -> None:
    settings = {**TINY, "search_space": "nas-bench-201"}
    method = replace(METHOD, selection=replace(QUICK, steps=3 - rungs, rungs=rungs))
    *events, whole = search(SearchConfig(name="whole", method=method, **settings))
    assert isinstance(whole, SearchDone)
    config, resume, count = SearchConfig(name="parts", method=method, **settings), False, 0
    notes: list[str] = []
    done = None
    while done is None:
        running = search(config, resume=resume)
        resume = True
        for event in running:
            if isinstance(event, SearchDone):
                done = event
            notes += said([event])
            count += isinstance(event, SelectionStep)
            # Within forks, between them, and behind the last of a race.
            if isinstance(event, SelectionStep) and count % 41 == 0:
                running.close()  # type: ignore[attr-defined]
                break
    assert done.genotype == whole.genotype
    one, other = saved("whole"), saved("parts")
    assert one["races"]["outcomes"] == other["races"]["outcomes"]
    assert one["work"] == other["work"]
    assert one["races"]["losses"] == other["races"]["losses"] == []
    assert all(torch.equal(tensor, other["weights"][name]) for name, tensor in one["weights"].items())
    assert list(dict.fromkeys(notes)) == said(events)


def stopped_at(config: SearchConfig, stops: list[int]) -> SearchDone:
    """What a search finds that is stopped, and gone on with, at these steps of its races."""
    for number, stop in enumerate([*stops, None]):
        running = search(config, resume=number > 0)
        for event in running:
            if isinstance(event, SearchDone):
                return event
            if isinstance(event, SelectionStep) and event.step == stop:
                running.close()  # type: ignore[attr-defined]
                break
    raise AssertionError("a search ends with its result")


def test_races_with_noise_go_on_to_the_same_bits() -> None:
    """S4, whose `noise` draws numbers in every pass."""
    tiny = {**TINY, "dataset_portion": 0.02, "batch_size": 8, "init_channels": 1, "engine": "auto"}
    method = replace(METHOD, selection=replace(QUICK, steps=1, pictures=4, order_pictures=4, looks=0))
    settings = {**tiny, "search_space": "S4", "nodes": 1, "method": method}
    whole = stopped_at(SearchConfig(name="whole", **settings), [])
    parts = stopped_at(SearchConfig(name="parts", **settings), [17, 29])
    assert whole.genotype == parts.genotype
    one, other = saved("whole"), saved("parts")
    assert one["races"] == other["races"]
    assert one["races"]["outcomes"]
    assert one["work"] == other["work"]
    assert all(torch.equal(tensor, other["weights"][name]) for name, tensor in one["weights"].items())


def test_a_search_costs_what_the_law_of_the_method_says() -> None:
    # At this level all but the best of a race are dropped, so that no tie is measured.
    quick = replace(QUICK, rungs=2, looks=0, put_off=0.0, level=0.999)
    method = replace(METHOD, selection=quick)
    config = SearchConfig(name="it", method=method, **{**TINY, "search_space": "nas-bench-201"})
    list(search(config))
    validation = build(config).loaders.validation
    measured, ordered = (len(validation.at_least(pictures).index) for pictures in (20, 10))
    expected = 0.0
    for decided in range(3):
        # Three cells of three edges; `none` computes nothing, so that an undecided edge has four operations.
        undecided = 3 - decided
        active = 3 * (4 * undecided + decided)
        expected += 4 * undecided * (active - 3) * ordered / 3
        raced = active - 3 * 3
        expected += raced * (4 * 2 * 16 + 2 * 2 * 2 * 16 + (4 + 2) * measured / 3)
    assert saved("it")["work"]["selection"] / 3 == pytest.approx(expected, rel=1e-12)


def test_forks_of_a_short_search_are_short_and_it_says_so() -> None:
    method = replace(METHOD, selection=replace(QUICK, steps=50, share=1.0))
    *events, _ = search(SearchConfig(name="it", method=method, **{**TINY, "search_space": "nas-bench-201"}))
    texts = [event.text for event in events if isinstance(event, Note)]
    assert "forks are trained for 1 step each, not 50: the search was short" in texts


def test_the_genotype_is_what_the_races_have_kept() -> None:
    config = SearchConfig(name="it", method=METHOD, **TINY)
    *events, done = search(config)
    assert isinstance(done, SearchDone)
    state = build(config)
    state.restore(saved("it"))
    M = torch.zeros_like(state.bilevel.alphas.weights())
    for node, edge, kept in state.races.outcomes:
        if edge == -1:
            M[node, kept] = 0
        elif kept >= 0:
            M[node, edge] = F.one_hot(torch.tensor(kept), M.shape[-1]).float()
    assert done.genotype == derive(config.space, state.bilevel.alphas.split(M))
    # Ten edges of two kinds, of which each kind's second node loses one of three; the others are raced again.
    assert sum(" is removed" in text for text in said(events)) == 2
    assert sum(" keeps " in text for text in said(events)) == 10 + 8


def test_any_method_may_end_in_races_and_flags_set_them() -> None:
    words = ["--name", "it", "--dataset", "digits", "--method", "dadarts-lookahead"]
    assert main.search_config(words).method == dadarts_lookahead()
    more = [
        "--selection_steps",
        "7",
        "--selection_looks",
        "0",
        "--selection_none",
        "--selection_pictures",
        "9",
        "--selection_rungs",
        "3",
    ]
    # Steps that were asked for are not made fewer.
    expected = Race(rungs=3, steps=7, looks=0, none=True, pictures=9, share=0.0)
    assert main.search_config([*words, *more]).method.selection == expected
    words[-1] = "darts-first-order"
    assert main.search_config([*words, "--selection", "race"]).method == replace(darts_first_order(), selection=Race())


def test_the_setting_is_the_one_that_is_written_down() -> None:
    assert Race() == Race(**vars(Terms()))
    it = dadarts_lookahead().selection
    assert isinstance(it, Race)
    assert (it.steps, it.rungs, it.rate, it.put_off, it.looks, it.none) == (100, 2, 0.5, 1, 0, False)
    assert it.share == 1
    assert (it.pictures, it.order_pictures) == (4096, 1024)
    assert math.isclose(it.level, 0.5 * math.erfc(2 / math.sqrt(2)), rel_tol=1e-3)


def test_a_race_that_was_saved_before_there_were_rungs_has_one() -> None:
    saved = repr(Method(order="none", selection=Race())).replace(", rungs=1", "")
    assert "rungs" not in saved
    assert parse_method(saved) == Method(order="none", selection=Race())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--selection_steps", "0"], "selection_steps"),
        (["--selection_rungs", "0"], "selection_rungs"),
        (["--selection_looks", "-1"], "selection_looks"),
        (["--selection_pictures", "1"], "measure 2 to"),
        (["--selection_order", "random"], "selection_order does not go with"),
    ],
)
def test_a_race_that_cannot_be_run_is_refused_in_one_line(words: list[str], complaint: str) -> None:
    assert complaint in refusal(modern, "search", "--name", "it", *TINIEST, "--method", "dadarts-lookahead", *words)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda races: races["outcomes"].append((0, 0, 99)), "a race that cannot have ended so"),
        (lambda races: races["losses"].append(torch.zeros((3, 2), dtype=torch.float64)), "other forks"),
        (lambda races: races["losses"].append(torch.zeros((3, 2))), "races.losses"),
        (lambda races: races["outcomes"].append([0, 0, 0]), "not three whole numbers"),
        (lambda races: races.pop("losses"), "not outcomes and losses"),
    ],
)
def test_damaged_races_are_refused(change: Any, complaint: str) -> None:
    config = SearchConfig(name="it", method=METHOD, **TINY)
    first_race(config, "it")
    path = Path("runs/search/it/checkpoints/last.pt")
    settings, state = checkpoint.load(path, "search")
    change(state["races"])
    checkpoint.save(path, "search", settings, state)
    with pytest.raises(CheckpointError, match=complaint):
        list(search(config, resume=True))


def test_a_fork_that_diverges_ends_the_run_in_one_line_and_keeps_the_checkpoint() -> None:
    method = replace(METHOD, selection=replace(QUICK, steps=60, rate=100.0))
    config = SearchConfig(name="it", method=method, **{**TINY, "w_lr": 1e3, "w_grad_clip": 0.0, "w_lr_min": 1e3})
    with pytest.raises(RunError, match=r"the loss of a fork is \w+ in its step"):
        list(search(config))
    assert saved("it")["races"]["outcomes"]
