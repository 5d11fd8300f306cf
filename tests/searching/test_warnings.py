"""Searches and trainings say so when they are set up as what was seen to fail, or end as it did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dadarts.config import SearchConfig
from dadarts.methods.alphas import Alphas
from dadarts.methods.catalogue import METHODS
from dadarts.methods.method import Method, Objective
from dadarts.methods.penalties import DiscretizationLoss
from dadarts.methods.relaxations import (
    RELAXATIONS,
    Dirichlet,
    Gibbs,
    Gumbel,
    Hard,
    Perturbed,
    Relaxation,
    TopK,
    UniformPath,
)
from dadarts.methods.schedules import Constant, Progress
from dadarts.searching.judging import decided_early
from dadarts.searching.notes import notes
from dadarts.seeds import generator
from tests.commands import DARTS_GENOTYPE, QUICKEST, augment, modern, search, succeed, without_pictures
from tests.nets import tiny_space

TOP_K = "top-k on alphas without hard passes or DAL"
FACTOR = "a DAL factor of 10 or more"


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


@pytest.mark.parametrize(
    ("words", "said", "unsaid"),
    [
        (["-topk_on_alphas"], TOP_K, FACTOR),
        (["-topk_on_alphas", "-hd_on_weights"], None, TOP_K),
        (["-topk_on_alphas", "-dal_on_alphas"], None, TOP_K),
        (["-dal_on_alphas", "-dal_factor", "10"], FACTOR, TOP_K),
        (["-dal_on_alphas", "-dal_factor", "9.9"], None, FACTOR),
        (["-dal_on_alphas", "-linear_dal_factor_increase", "-dal_factor_max", "20"], FACTOR, TOP_K),
    ],
)
def test_what_was_seen_to_fail_is_said_before_it_runs(words: list[str], said: str | None, unsaid: str) -> None:
    err = succeed(search, "-name", "it", *QUICKEST, *words).err
    assert unsaid not in err
    assert said is None or said in err


def test_a_discretization_loss_that_begins_after_the_end_is_none() -> None:
    for start, expected in ((49, FACTOR), (51, TOP_K)):
        loss = DiscretizationLoss(Constant(20.0), start=start)
        config = SearchConfig(name="it", dataset="digits", epochs=50, method=Method(alphas=Objective(TopK(), (loss,))))
        (said,) = notes(config)
        assert expected in said


PLAIN = "plain DARTS: "
SAID_OF = {
    "darts": {PLAIN},
    "darts-first-order": {PLAIN},
    "dadarts-topk": {TOP_K},
    "random": {"one uniform draw: "},
}
"""What is said of a method by its name alone; of all others nothing."""


@pytest.mark.parametrize("method", METHODS)
def test_of_every_method_that_is_said_which_is_true_of_it(method: str) -> None:
    config = SearchConfig(name="it", dataset="digits", epochs=50, method=METHODS[method](), init_channels=16)
    said = list(notes(config))
    assert {note for note in (PLAIN, TOP_K, FACTOR, "one uniform draw: ") if any(note in line for line in said)} == (
        SAID_OF.get(method, set())
    )
    assert len(said) == len(SAID_OF.get(method, ()))


@pytest.mark.parametrize("kind", RELAXATIONS.values())
def test_passes_are_discrete_where_every_weight_is_0_or_1(kind: type[Relaxation]) -> None:
    relaxation, progress = kind(), Progress(5, 10, key=3)
    alphas = Alphas(tiny_space("darts"), generator(1), 1.0, "dirichlet" if kind is Dirichlet else "softmax")
    M = relaxation(alphas.stacked(), alphas.candidates, progress).detach()
    assert relaxation.is_discrete(progress) == bool(((M == 0) | (M == 1)).all())


def test_passes_that_become_hard_after_the_end_are_not_hard() -> None:
    assert Hard(start=9).is_discrete(Progress(9, 10))
    assert not Hard(start=10).is_discrete(Progress(9, 10))


@pytest.mark.parametrize(
    ("weights", "said"),
    [(Gibbs(), False), (Gumbel(), False), (UniformPath(), False), (Hard(50), True), (Perturbed(), True)],
)
def test_top_k_on_alphas_is_warned_of_where_no_pass_is_discrete(weights: Relaxation, said: bool) -> None:
    method = Method(weights=Objective(weights), alphas=Objective(TopK()))
    config = SearchConfig(name="it", dataset="digits", epochs=50, method=method)
    assert any(TOP_K in line for line in notes(config)) == said
    without_penalty = replace(method, alphas=Objective(TopK(), (DiscretizationLoss(Constant(0.0)),)))
    config = SearchConfig(name="it", dataset="digits", epochs=50, method=without_penalty)
    assert any(TOP_K in line for line in notes(config)) == said


def test_a_search_whose_last_change_lies_in_its_first_tenth_was_decided_early() -> None:
    def decided(*changes: int) -> int | None:
        return decided_early([{"changed_choices": change} for change in changes])

    assert decided(3, 0, 0, 0, 0) == 1
    assert decided(3, 1, 0, 0, 0) is None
    assert decided(0, 0, 0, 0, 0) is None
    assert decided(3, 0, 0, 0) is None
    assert decided(*[1, 1], *[0] * 18) == 2
    assert decided(*[1, 1, 1], *[0] * 17) is None


def test_it_is_said_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["-name", "it", *QUICKEST, "-alpha_lr", "0.5"]
    words[words.index("-epochs") + 1] = "5"
    monkeypatch.setattr("dadarts.searching.judging.decided_early", lambda history: 1 if len(history) == 5 else None)
    assert "no choice has changed since epoch 1 of 5: the search was decided" in succeed(search, *words).err


def test_a_search_that_trains_no_alphas_is_not_told_to_train_them_longer() -> None:
    err = succeed(modern, "search", "-name", "it", *QUICKEST[:-1], "-method", "random-ws", "-selection", "argmax").err
    assert "random draw" not in err


def test_weight_steps_of_sampled_discretizations_are_hard_passes() -> None:
    words = ["-topk_on_alphas", "-sample_on_weights"]
    assert TOP_K not in succeed(search, "-name", "it", *QUICKEST, *words).err


@pytest.mark.parametrize(("length", "said"), [("16", True), ("8", True), ("7", False), ("0", False)])
def test_a_cutout_as_large_as_the_pictures_is_said(length: str, said: bool) -> None:
    words = ["-name", "it", "-dataset", "digits", "-genotype", DARTS_GENOTYPE, "-epochs", "1", "-init_channels", "2"]
    words += ["-layers", "1", "-device", "cpu", "-threads", "1", "-aux_weight", "0", "-dataset_portion", "0.1"]
    log = succeed(augment, *words, "-cutout_length", length).err
    assert ("nothing may be learnt; give 4 or less" in log) == said
