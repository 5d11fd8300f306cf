"""The learning rates that a number of steps calls for, and that a run keeps those that it began with."""

from __future__ import annotations

import json
import shutil
import signal
from math import isclose, sqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dadarts.config import SearchConfig
from dadarts.methods.catalogue import METHODS
from dadarts.methods.method import Method
from dadarts.pacing import counted
from dadarts.searching.rates import rates
from tests.commands import (
    QUICKEST,
    TINIEST,
    column,
    modern,
    refusal,
    result_of_search,
    search,
    stop_after,
    succeed,
    without_pictures,
)

BY_RULE: dict[str, Any] = {"name": "a", "dataset": "digits", "w_lr": "auto", "alpha_lr": "auto"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


@pytest.mark.parametrize(
    ("epochs", "steps", "weights", "alphas"),
    [
        (50, 390, 0.025, 3e-4),  # the original's search of CIFAR-10
        (600, 390, 0.025, 3e-4),
        (50, 195, 0.025 * sqrt(2), 6e-4),
        (10, 195, 0.025 * sqrt(10), 3e-3),
        (8, 11, 0.1, 0.02),  # the demonstration, whose rates were found by hand
        (1, 1, 0.1, 0.02),
    ],
)
def test_the_way_that_alphas_can_go_is_that_of_a_full_search(
    epochs: int, steps: int, weights: float, alphas: float
) -> None:
    found = rates(SearchConfig(**BY_RULE, epochs=epochs), steps)
    assert isclose(found.weights, weights)
    assert isclose(found.alphas, alphas)
    assert f"{counted(epochs * steps, 'step')} that train alphas" in found.note


@given(st.integers(1, 1000), st.integers(1, 10_000))
def test_rates_stay_between_the_originals_and_their_bounds(epochs: int, steps: int) -> None:
    found = rates(SearchConfig(**BY_RULE, epochs=epochs), steps)
    assert 0.025 <= found.weights <= 0.1
    assert 3e-4 <= found.alphas <= 0.02
    longer = rates(SearchConfig(**BY_RULE, epochs=epochs + 1), steps)
    assert (longer.weights, longer.alphas) <= (found.weights, found.alphas)


@pytest.mark.parametrize(("batch", "weights"), [(16, 0.05), (32, 0.1 / sqrt(2)), (64, 0.1), (256, 0.1), (2, 0.025)])
def test_small_batches_bound_the_rate_of_weights(batch: int, weights: float) -> None:
    assert isclose(rates(SearchConfig(**BY_RULE, epochs=8, batch_size=batch), 11).weights, weights)


def test_steps_that_train_no_alphas_do_not_count() -> None:
    def of(method: Method) -> float:
        return rates(SearchConfig(**BY_RULE, epochs=12, method=method), 100).alphas

    assert isclose(of(METHODS["darts"]()), 5.85 / 1200)
    # A warm-up of two thirds leaves 4 of 12 epochs; restarts share the epochs.
    assert isclose(of(METHODS["dadarts-plus"]()), 5.85 / 400)
    assert isclose(of(Method(restarts=3)), 5.85 / 400)
    # 2 of 4 epochs lie at or after a half.
    assert isclose(of(Method(restarts=3, warm_up=0.5)), 0.02)
    # Where nothing trains alphas there is nothing to make up for.
    assert of(METHODS["random-ws"]()) == 3e-4
    assert "alpha_lr" not in rates(SearchConfig(**BY_RULE, method=METHODS["random-ws"]()), 100).note


def test_rates_that_are_given_are_kept() -> None:
    found = rates(SearchConfig(**{**BY_RULE, "w_lr": 0.3}, epochs=1), 1)
    assert (found.weights, found.alphas) == (0.3, 0.02)
    assert "w_lr 0" not in found.note
    given_both = rates(SearchConfig(name="a", dataset="digits", epochs=1), 1)
    assert (given_both.weights, given_both.alphas, given_both.note) == (0.025, 3e-4, "")


def settings_of(name: str) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(Path(f"runs/search/{name}/config.json").read_text())["settings"]
    return settings


def test_a_search_says_and_saves_the_rates_of_its_steps() -> None:
    # 71 pictures of each half in batches of 16: 4 steps in each of 2 epochs.
    err = succeed(modern, "search", "--name", "it", *TINIEST, "--method", "dadarts").err
    assert "note: -w_lr 0.05 for 8 steps, -alpha_lr 0.02 for 8 steps that train alphas (a full search has " in err
    assert (settings_of("it")["w_lr"], settings_of("it")["alpha_lr"]) == (0.05, 0.02)
    assert column(Path("runs/search/it"), "weight_lr")[0] == 0.05
    given_rates = ["--w_lr", "0.05", "--alpha_lr", "0.02", "--method", "dadarts"]
    succeed(modern, "search", "--name", "same", *TINIEST, *given_rates)
    assert result_of_search(Path("runs/search/same")) == result_of_search(Path("runs/search/it"))
    succeed(search, "-name", "old", *QUICKEST)
    assert (settings_of("old")["w_lr"], settings_of("old")["alpha_lr"]) == (0.025, 3e-4)


def test_a_stopped_search_goes_on_with_the_rates_that_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    succeed(modern, "search", "--name", "whole", *QUICKEST)
    with stop_after(1, signal.SIGINT, monkeypatch):
        assert modern(["search", "--name", "it", *QUICKEST]) == 130
    shutil.copytree("runs", "copied")
    # With its name alone and with its whole command.
    for words in (["--runs_dir", "runs"], ["--runs_dir", "copied", *QUICKEST]):
        succeed(modern, "search", "--name", "it", *words, "--resume")
        assert result_of_search(Path(words[1], "search/it")) == result_of_search(Path("runs/search/whole"))


def test_a_search_that_began_with_other_rates_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    original = ["--w_lr", "0.025", "--alpha_lr", "3e-4"]
    with stop_after(1, signal.SIGINT, monkeypatch):
        assert modern(["search", "--name", "it", *QUICKEST, *original]) == 130
    said = refusal(modern, "search", "--name", "it", *QUICKEST, "--alpha_lr", "0.02", "--resume")
    assert "--alpha_lr is 0.0003 in the run and 0.02 here" in said
    # The rule is what was settled when the run began.
    succeed(modern, "search", "--name", "it", *QUICKEST, "--resume")
    assert (settings_of("it")["w_lr"], settings_of("it")["alpha_lr"]) == (0.025, 3e-4)
