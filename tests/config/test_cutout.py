"""The side of cutout's square that the size of pictures calls for, and that a training keeps the one it began with."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.commands import (
    TINY_TRAINING,
    EntryPoint,
    augment,
    call,
    modern,
    refusal,
    result_of_training,
    stop_after,
    succeed,
    without_pictures,
)

place = TINY_TRAINING.index("-cutout_length")
WORDS = [*TINY_TRAINING[:place], *TINY_TRAINING[place + 2 :], "-aux_weight", "0"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def cutout_of(name: str) -> int:
    saved = json.loads(Path(f"runs/augment/{name}/config.json").read_text())["settings"]["cutout_length"]
    assert isinstance(saved, int)
    return saved


@pytest.mark.parametrize(("height", "width", "side"), [(8, 24, 4), (24, 13, 6), (32, 32, 16), (36, 48, 16)])
def test_it_is_half_of_the_shorter_side_and_at_most_the_customary_16(
    height: int, width: int, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (24, height, width), dtype=np.uint8)
    np.savez("mine.npz", x=x, y=np.arange(24) % 2)
    words = list(WORDS)
    words[words.index("digits")], words[words.index("-epochs") + 1] = "mine.npz", "200"
    del words[words.index("0.1") - 1 : words.index("0.1") + 1]
    with stop_after(1, signal.SIGINT, monkeypatch):
        err = call(modern, "train", "--name", "it", *words).err
    assert cutout_of("it") == side
    assert f"cutout of {side}x{side} pixels" in err
    assert "may be learnt" not in err


@pytest.mark.parametrize(
    ("entry", "words", "side"),
    [(augment, [], 16), (modern, ["--cutout_length", "3"], 3), (augment, ["-cutout_length", "auto"], 0)],
    ids=["the original's script keeps 16", "what is given is kept", "asked for by name, in two epochs"],
)
def test_what_is_given_and_the_originals_script_are_as_they_say(entry: EntryPoint, words: list[str], side: int) -> None:
    command = ["train"] if entry is modern else []
    succeed(entry, *command, "-name", "it", *WORDS, *words)
    assert cutout_of("it") == side


def test_a_training_that_goes_on_keeps_the_side_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    succeed(modern, "train", "--name", "whole", *WORDS, "--cutout_length", "16")
    with stop_after(3, signal.SIGINT, monkeypatch):
        assert modern(["train", "--name", "it", *WORDS, "--cutout_length", "16"]) == 130
    said = refusal(modern, "train", "--name", "it", *WORDS, "--cutout_length", "4", "--resume")
    assert "--cutout_length is 16 in the run and 4 here" in said
    succeed(modern, "train", "--name", "it", *WORDS, "--resume")
    assert result_of_training(Path("runs/augment/it")) == result_of_training(Path("runs/augment/whole"))


def test_what_is_no_side_is_refused() -> None:
    said = refusal(modern, "train", "--name", "it", *WORDS, "--cutout_length", "half")
    assert said == "dadarts: --cutout_length half: give a whole number from 0 to 1024 or auto"
