"""Searches and trainings say so when they are set up as what was seen to fail, or end as it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from dadarts.search_notes import decided_early
from tests.commands import DARTS_GENOTYPE, TINIEST, augment, modern, search, succeed, without_pictures

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
    err = succeed(search, "-name", "it", *TINIEST, "-first_order", *words).err
    assert unsaid not in err
    assert said is None or said in err


def test_dadarts_itself_is_not_warned_of() -> None:
    err = succeed(modern, "search", "-name", "it", *TINIEST).err
    assert "was seen to" not in err


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
    words = ["-name", "it", *TINIEST, "-first_order", "-alpha_lr", "0.05"]
    words[words.index("-epochs") + 1] = "5"
    monkeypatch.setattr("dadarts.search_notes.decided_early", lambda history: 1 if len(history) == 5 else None)
    assert "no choice has changed since epoch 1 of 5: the search was decided" in succeed(search, *words).err


def test_a_search_that_trains_no_alphas_is_not_told_to_train_them_longer() -> None:
    err = succeed(modern, "search", "-name", "it", *TINIEST, "-method", "random-ws", "-selection", "argmax").err
    assert "random draw" not in err


def test_weight_steps_of_sampled_discretizations_are_hard_passes() -> None:
    words = ["-topk_on_alphas", "-sample_on_weights", "-first_order"]
    assert TOP_K not in succeed(search, "-name", "it", *TINIEST, *words).err


@pytest.mark.parametrize(("length", "said"), [("16", True), ("8", True), ("7", False), ("0", False)])
def test_a_cutout_as_large_as_the_pictures_is_said(length: str, said: bool) -> None:
    words = ["-name", "it", "-dataset", "digits", "-genotype", DARTS_GENOTYPE, "-epochs", "1", "-init_channels", "2"]
    words += ["-layers", "1", "-device", "cpu", "-threads", "1", "-aux_weight", "0", "-dataset_portion", "0.1"]
    log = succeed(augment, *words, "-cutout_length", length).err
    assert ("nothing may be learnt; give 4 or less" in log) == said
