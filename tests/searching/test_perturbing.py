"""What is missed most, and in which order: per-picture losses by hand, and a mixture whose best operation is known."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import inf, isclose, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dadarts.architecture.genotype import derive
from dadarts.architecture.spaces import space
from dadarts.config import SearchConfig
from dadarts.errors import CheckpointError
from dadarts.methods.catalogue import METHODS, fixed_alpha
from dadarts.methods.method import Method
from dadarts.methods.missed import most_missed, surest, z
from dadarts.methods.perturbation import Decision, decisions_of, keep, place_of, without_each
from dadarts.methods.selection import Perturbation
from dadarts.methods.text import parse_method
from dadarts.runs import checkpoint, evaluation
from dadarts.runs.events import Note, SearchDone
from dadarts.searching import diagnostics
from dadarts.searching.loop import search
from dadarts.searching.paired import harms
from dadarts.searching.state import SearchState, build
from dadarts.seeds import generator
from tests.commands import TINIEST, modern, refusal, succeed, without_pictures
from tests.nets import build_alphas

TINY: dict[str, Any] = {
    **{"dataset": "digits", "epochs": 2, "init_channels": 2, "layers": 1, "batch_size": 16, "workers": 0},
    **{"device": "cpu", "threads": 1, "dataset_portion": 0.1, "search_space": "nas-bench-201", "nodes": 2},
    **{"engine": "reference"},
}
SUREST = Perturbation(0, order="surest", by="loss", renormalise=True)


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def harm(*pairs: tuple[float, float]) -> Tensor:
    """Loss and wrong of every picture."""
    return torch.tensor(pairs, dtype=torch.float64)


def test_what_is_missed_most_is_judged_by_loss_or_by_accuracy() -> None:
    # Without 0 two pictures are lost narrowly, without 1 one is lost widely; without 2 nothing happens.
    without = {
        0: harm((0.8, 1), (0.8, 1), (0.1, 0), (0.1, 0)),
        1: harm((4.0, 1), (0.2, 0), (0.1, 0), (0.1, 0)),
        2: harm((0.3, 0), (0.2, 0), (0.1, 0), (0.1, 0)),
    }
    by_loss, by_accuracy = most_missed(without, 1, "loss"), most_missed(without, 1, "accuracy")
    assert (by_loss.kept, by_loss.dropped, by_loss.top1) == ((1,), (0, 2), 0.75)
    assert (by_accuracy.kept, by_accuracy.dropped, by_accuracy.top1) == ((0,), (1, 2), 0.5)
    # d of losses: 3.2, -0.6, 0, 0; of wrong ones, the most missed against the next: 0, 1, 0, 0.
    d = np.array([3.2, -0.6, 0, 0])
    assert isclose(by_loss.z, d.mean() / (d.std(ddof=1) / 2))
    assert isclose(by_accuracy.z, 0.25 / (0.5 / 2))


def test_among_equally_many_wrong_the_loss_decides_and_among_equals_the_first() -> None:
    equal = harm((1.0, 1), (0.5, 0))
    assert most_missed({4: equal, 7: harm((2.0, 1), (0.5, 0))}, 1, "accuracy").kept == (7,)
    for by in ("loss", "accuracy"):
        found = most_missed({4: equal, 7: equal.clone()}, 1, "loss" if by == "loss" else "accuracy")
        assert (found.kept, found.z) == ((4,), 0.0)


def test_of_a_node_the_edges_that_are_missed_most_stay_and_the_last_of_them_says_how_surely() -> None:
    losses = {edge: harm(*[(loss, 0), (loss + 1, 0)]) for edge, loss in enumerate((1.0, 4.0, 2.0, 3.0))}
    found = most_missed(losses, 2, "loss")
    assert (found.kept, found.dropped, found.z) == ((1, 3), (2, 0), inf)
    assert most_missed(losses, 4, "loss").z == inf
    assert most_missed(losses, 4, "loss").dropped == ()


def test_the_surest_decision_is_that_of_the_largest_difference_in_standard_errors() -> None:
    draw = torch.Generator().manual_seed(3)
    base = torch.rand(400, 2, generator=draw, dtype=torch.float64)

    def pair(mean: float, noise: float) -> dict[int, Tensor]:
        moved = base + mean + noise * torch.randn(400, 1, generator=draw, dtype=torch.float64)
        return {0: base, 1: moved}

    found = [most_missed(pair(*one), 1, "loss") for one in ((0.5, 10.0), (0.1, 0.1), (0.2, 1.0))]
    assert surest(found) == 1
    # z is of the size of sqrt(400) mean / noise.
    assert abs(found[1].z - 20) < 3
    assert z(torch.zeros(1), torch.zeros(1)) == 0.0
    # A place without a choice is the surest of all.
    assert surest([*found, most_missed({3: base}, 1, "loss")]) == 3


def test_an_operation_that_is_left_out_hands_its_weight_to_the_others_of_its_edge() -> None:
    candidates = build_alphas(space("nas-bench-201"), 1).candidates
    M = torch.tensor([0.4, 0.3, 0.2, 0.1, 0.0]).expand(candidates.present.shape).clone() * candidates.present
    decision = Decision(0, 1, 0)
    plain, scaled = (without_each(M, candidates, decision, renormalise) for renormalise in (False, True))
    assert list(plain) == list(scaled) == [0, 1, 2, 3, 4]
    assert torch.equal(plain[0][1, 0], torch.tensor([0.0, 0.3, 0.2, 0.1, 0.0]))
    torch.testing.assert_close(scaled[0][1, 0], torch.tensor([0.0, 0.3, 0.2, 0.1, 0.0]) / 0.6)
    torch.testing.assert_close(scaled[3][1, 0], torch.tensor([0.4, 0.3, 0.2, 0.0, 0.0]) / 0.9)
    for found in (plain, scaled):
        for left in found.values():
            changed = (left != M).any(dim=-1).nonzero().tolist()
            assert changed in ([], [[1, 0]])
    # An edge of one operation has nothing to hand on.
    alone = torch.zeros_like(M)
    alone[1, 0, 2] = 1
    assert not without_each(alone, candidates, decision, True)[2].any()
    alone[1, 0, 3] = 1e-42
    torch.testing.assert_close(without_each(alone, candidates, decision, True)[2][1, 0, 3], torch.tensor(1.0))


def test_the_losses_of_every_picture_are_those_of_the_readable_supernet() -> None:
    state = build(SearchConfig(name="it", method=fixed_alpha(), **TINY))
    alphas = state.bilevel.alphas
    mixings = {
        "all": alphas.split(alphas.weights().detach()),
        "hard": alphas.split(diagnostics.choices(alphas).float()),
    }
    found = scored(state, mixings)
    for name, mixing in mixings.items():
        expected = []
        for batch in state.loaders.validation.epoch(0):
            with torch.no_grad():
                logits = state.bilevel.supernet(batch.images, mixing, batch.key)
            loss = F.cross_entropy(logits, batch.labels, reduction="none")
            expected.append(torch.stack([loss, (logits.argmax(1) != batch.labels).float()], dim=1))
        torch.testing.assert_close(found[name], torch.cat(expected).double())
        whole = evaluation.scores_of(diagnostics.evaluate_mixings(state.bilevel, state.loaders.validation, mixings))
        loss, wrong = found[name].mean(dim=0).tolist()
        assert isclose(loss, whole[name].loss, rel_tol=1e-5)
        assert isclose(1 - wrong, whole[name].top1, rel_tol=1e-9)


def scored(state: SearchState, mixings: Any, pictures: int = 10**6) -> Any:
    running = harms(state.bilevel, state.loaders.validation.at_least(pictures), mixings)
    while True:
        try:
            next(running)
        except StopIteration as end:
            return end.value


def test_a_selection_may_look_at_the_first_batches_alone() -> None:
    loader = build(SearchConfig(name="it", method=fixed_alpha(), **TINY)).loaders.validation
    few = loader.at_least(20)
    assert 20 <= len(few.index) < 20 + loader.batch_size
    assert set(few.index.tolist()) < set(loader.index.tolist())
    assert loader.at_least(10**6) is loader


def plain_search(state: SearchState, config: SearchConfig) -> Tensor:
    """The selection of surest edges by plain loops over the readable supernet, nothing of it tuned."""
    alphas, table = state.bilevel.alphas, config.space.table("normal")
    M = alphas.weights().detach().clone()
    left = {(node, edge) for node, rows in enumerate(table) for edge in range(len(rows))}
    while left:
        found = {}
        for node, edge in sorted(left):
            losses = {}
            for column in range(5):
                changed = M.clone()
                changed[node, edge, column] = 0
                changed[node, edge] *= M[node, edge].sum() / changed[node, edge].sum()
                losses[column] = np.concatenate(list(pictures(state, changed)))
            first, second = sorted(losses, key=lambda column: -losses[column].mean())[:2]
            d = losses[first] - losses[second]
            found[node, edge] = (d.mean() / (d.std(ddof=1) / sqrt(len(d))), first)
        node, edge = max(found, key=lambda place: found[place][0])
        M[node, edge] = F.one_hot(torch.tensor(found[node, edge][1]), 5)
        left.remove((node, edge))
    return M


def pictures(state: SearchState, M: Tensor) -> Any:
    for batch in state.loaders.validation.epoch(0):
        with torch.no_grad():
            logits = state.bilevel.supernet(batch.images, state.bilevel.alphas.split(M), batch.key)
        yield F.cross_entropy(logits, batch.labels, reduction="none").double().numpy()


def test_the_surest_edge_first_equals_plain_loops() -> None:
    config = SearchConfig(name="it", method=replace(fixed_alpha(), selection=SUREST), **{**TINY, "w_lr": 0.1})
    *events, done = search(config)
    assert isinstance(done, SearchDone)
    state = build(config)
    state.restore(checkpoint.load(Path("runs/search/it/checkpoints/last.pt"), "search")[1])
    expected = plain_search(state, config)
    assert done.genotype == derive(config.space, state.bilevel.alphas.split(expected))
    said = [event.text for event in events if isinstance(event, Note) and event.text.startswith("selection ")]
    assert [text.split(":")[0] for text in said] == [f"selection {n}/3" for n in range(1, 4)]
    assert all("standard errors before the next" in text for text in said)


@pytest.mark.parametrize(("renormalise", "chosen"), [(True, True), (False, False)])
def test_a_none_that_is_truly_best_is_chosen_where_edges_are_renormalised(renormalise: bool, chosen: bool) -> None:
    it = space("nas-bench-201")
    alphas = build_alphas(it, 1)
    none = it.table("normal")[0][0].index("none")
    M = alphas.candidates.present / 5
    for decision in decisions_of(alphas.candidates, partial(generator, 1)):
        without = without_each(M, alphas.candidates, decision, renormalise)
        losses = {name: loss_of(left, none) for name, left in without.items()}
        keep(M, decision, most_missed(losses, 1, "loss"))
    found = derive(it, alphas.split(M))
    assert found.operations() == ["none"] * 6 if chosen else "none" not in found.operations()
    # In truth the closed cell is the best of all with one operation on every edge.
    everywhere = [F.one_hot(torch.tensor(column), 5) * alphas.candidates.present for column in range(5)]
    assert min(range(5), key=lambda column: float(loss_of(everywhere[column].float(), none).mean())) == none


def loss_of(M: Tensor, none: int) -> Tensor:
    """What two pictures lose: for every weight that is missing of 1/5, and for the square of what an edge lets through.

    Of an edge of a mixture without one of its five operations: 0.2 + 0.5 * 0.6 ** 2 = 0.38, and 0.32 without `none`;
    renormalised 0.2 + 0.5 * 0.75 ** 2 = 0.48, and 0.5 without `none`. Of one operation alone: 0.6 + 0.5, of `none` 0.8.
    """
    edges = M.sum(dim=-1) > 0
    through = M.clone()
    through[..., none] = 0
    missing = (0.2 - M).clamp_min(0)
    missing[..., none] = 0
    lost = ((missing.sum(dim=-1) + 0.5 * through.sum(dim=-1) ** 2) * edges).sum()
    return harm((float(lost), 0), (float(lost) + 1, 0))


def test_the_papers_selection_is_written_as_it_was_and_others_can_be_read_back() -> None:
    assert repr(Perturbation(1)) == "Perturbation(epochs=1)"
    for selection in (Perturbation(), SUREST, Perturbation(pictures=7), Perturbation(3, by="loss")):
        method = Method(selection=selection)
        assert parse_method(repr(method)) == method
    assert parse_method(repr(Method()).replace("Argmax()", "Perturbation(epochs=1)")).selection == Perturbation(1)


def test_fixed_alpha_has_the_new_ways_and_the_flag_has_the_papers() -> None:
    from dadarts import main

    words = ["--name", "it", "--dataset", "digits", "--method", "fixed-alpha"]

    def selection(*more: str) -> Any:
        return main.search_config([*words, *more]).method.selection

    assert selection() == METHODS["fixed-alpha"]().selection == replace(SUREST, epochs=5, pictures=4096)
    assert selection("--selection", "perturbation", "--selection_epochs", "1") == Perturbation(1)
    same_cure = ("--selection_order", "surest", "--selection_by", "loss")
    cured = selection("--selection", "perturbation", "--selection_epochs", "1", *same_cure)
    assert cured == Perturbation(1, order="surest", by="loss"), "the baseline of docs/methods/fixed-alpha.md"
    every = ["--selection_order", "random", "--selection_by", "accuracy", "--selection_renormalise", "False"]
    assert selection(*every, "--selection_pictures", "0") == Perturbation()
    darts_pt = ["--name", "it", "--dataset", "digits", "--method", "darts", "--selection", "perturbation"]
    assert main.search_config(darts_pt).method.selection == Perturbation()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--selection_order", "first"], "give random or surest"),
        (["--selection_by", "luck"], "give accuracy or loss"),
        (["--selection_pictures", "1"], "measure 2 to"),
        (["--selection", "argmax", "--selection_renormalise"], "selection_renormalise does not go with"),
    ],
)
def test_a_way_that_there_is_not_is_refused(words: list[str], said: str) -> None:
    assert said in refusal(modern, "search", "--name", "it", *TINIEST, "--method", "fixed-alpha", *words)


def test_a_selection_of_the_old_kind_goes_on_from_a_checkpoint_without_places() -> None:
    config = SearchConfig(name="it", method=replace(fixed_alpha(), selection=Perturbation(0)), **TINY)
    stop_at_the_second_decision(config)
    rewrite(lambda saved: saved.pop("settled_places"))
    *_, done = search(config, resume=True)
    assert isinstance(done, SearchDone)
    *_, whole = search(config.model_copy(update={"name": "whole"}))
    assert isinstance(whole, SearchDone)
    assert done.genotype == whole.genotype


def test_places_that_are_not_of_as_many_decisions_are_refused() -> None:
    config = SearchConfig(name="it", method=replace(fixed_alpha(), selection=SUREST), **TINY)
    stop_at_the_second_decision(config)
    rewrite(lambda saved: saved["settled_places"].zero_())
    with pytest.raises(CheckpointError, match="other decisions than their number says"):
        list(search(config, resume=True))


def stop_at_the_second_decision(config: SearchConfig) -> None:
    events = search(config)
    for event in events:
        if isinstance(event, Note) and event.text.startswith("selection 2/"):
            events.close()  # type: ignore[attr-defined]
            return


def rewrite(change: Any) -> None:
    path = Path("runs/search/it/checkpoints/last.pt")
    settings, saved = checkpoint.load(path, "search")
    assert saved["decided"] == 2
    assert int(saved["settled_places"].sum()) == 2
    change(saved)
    checkpoint.save(path, "search", settings, saved)


def test_a_place_of_a_node_is_behind_those_of_its_edges() -> None:
    assert place_of(Decision(0, 2, 1)) == (2, 1)
    assert place_of(Decision(0, 2)) == (2, -1)


def test_edges_of_nodes_are_kept_by_the_surest_too() -> None:
    words = [*TINIEST, "--method", "fixed-alpha", "--selection_epochs", "0"]
    err = succeed(modern, "search", "--name", "it", *words).err
    assert "selection 12/12: " in err
    assert err.count(" keeps edges ") == 2
