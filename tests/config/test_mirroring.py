"""Which mirrors and crops a run shows is a setting, said in its first line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dadarts.config import SearchConfig, TrainConfig
from tests.commands import (
    BENCH_GENOTYPE,
    COMMON,
    QUICKEST,
    ROOT,
    TINIEST,
    EntryPoint,
    Outcome,
    augment,
    column,
    modern,
    refusal,
    search,
    succeed,
    without_pictures,
)

QUICK = [
    *("-epochs", "3", "-batch_size", "16", "-init_channels", "4", "-layers", "1", "-workers", "0", "-lr", "0.1"),
    *("-device", "cpu", "-threads", "1", "-cutout_length", "0", "-drop_path_prob", "0", "-aux_weight", "0"),
    *("-genotype", BENCH_GENOTYPE),
]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


def write_bars(upright: bool) -> None:
    """Bars at the left or the right, or where `upright` at the top or the bottom: the class is the side."""
    draw = np.random.default_rng(0)
    bars = draw.normal(60, 15, (160, 16, 16))
    bars[:, :, :5] += 120
    y = np.arange(160) % 2
    x = np.where(y[:, None, None] == 1, bars[:, :, ::-1], bars).clip(0, 255).astype(np.uint8)
    np.savez("bars.npz", x=x.transpose(0, 2, 1) if upright else x, y=y)


def what_was_read(outcome: Outcome) -> str:
    """The first line of the run; on a busy machine, others say before that what is waited for."""
    return next(line for line in outcome.err.splitlines() if line.startswith("read "))


@pytest.mark.parametrize(
    ("flip", "upright", "is_learnt"),
    [
        (None, False, False),
        ("none", False, True),
        ("vertical", False, True),
        ("vertical", True, False),
    ],
)
def test_classes_that_are_mirrors_of_each_other_are_learnt_where_pictures_are_not_mirrored_so(
    flip: str | None, upright: bool, is_learnt: bool
) -> None:
    write_bars(upright)
    words = [] if flip is None else ["-flip", flip]
    outcome = succeed(augment, "-name", "it", "-dataset", "bars.npz", *QUICK, *words)
    trained = column(Path("runs/augment/it"), "train_top1")[-1]
    if is_learnt:
        assert (trained, float(outcome.last_line)) == (1.0, 1.0)
    else:
        assert trained < 0.75
    first = what_was_read(outcome)
    expected = {None: "horizontal", "both": "horizontal and vertical", "none": "none"}.get(flip, flip)
    assert (f", {expected} mirroring (-flip none" in first) == (flip != "none")


@pytest.mark.parametrize(
    ("entry", "words"), [(search, QUICKEST), (augment, [*COMMON, "-genotype", BENCH_GENOTYPE, "-cutout_length", "0"])]
)
def test_a_search_and_a_training_say_the_same_augmentation_first(entry: EntryPoint, words: list[str]) -> None:
    def first_line(name: str, *more: str) -> str:
        return what_was_read(succeed(entry, "-name", name, *words, *more))

    # A mirrored digit is no digit: as ever, they are not mirrored unless one asks for it.
    assert first_line("plain").endswith("; augmented by shifts of up to 1 pixel (-crop_padding)")
    assert "shifts of up to 3 pixels (-crop_padding), horizontal and vertical mirroring" in first_line(
        "more", "-crop_padding", "3", "-flip", "both"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["-crop_padding", "8"],
            "-crop_padding 8: a picture of 8x8 pixels may be shifted out of sight; give 4 or less",
        ),
        (["-crop_padding", "-1"], "-crop_padding -1"),
        (["-flip", "diagonal"], "-flip diagonal"),
    ],
)
def test_what_cannot_be_done_to_pictures_is_refused(words: list[str], said: str) -> None:
    assert said in refusal(search, "-name", "it", *TINIEST, *words)


@pytest.mark.parametrize(
    "config",
    [SearchConfig(name="a", dataset="digits"), TrainConfig(name="a", dataset="digits", genotype=BENCH_GENOTYPE)],
)
def test_a_run_from_before_these_settings_goes_on_with_their_defaults_only(config: SearchConfig | TrainConfig) -> None:
    saved = json.loads(json.dumps(config.to_json()))
    for name in ("flip", "crop_padding"):
        del saved[name]
    assert config.differences(saved) == []
    assert type(config)(**saved) == config
    changed = config.model_copy(update={"flip": "none", "crop_padding": 2})
    assert [text.split()[0] for text in changed.differences(saved)] == ["-flip", "-crop_padding"]


def test_a_training_that_reads_a_data_set_otherwise_than_its_search_did_says_so() -> None:
    write_bars(upright=False)
    shutil.copytree(ROOT / "tests/data/runs-before/search/finished", "runs/search/first")
    config = Path("runs/search/first/config.json")
    saved = json.loads(config.read_text())
    saved["settings"] |= {"dataset": "bars.npz", "flip": "none", "crop_padding": None, "classes": ["1", "0"]}
    config.write_text(json.dumps(saved))
    words = [*QUICK[:-2], "-epochs", "1", "-genotype", "@first"][2:]
    data = ("-name", "other", "-dataset", f"{Path.cwd()}/bars.npz")
    outcome = succeed(augment, *data, *words, "-crop_padding", "1")
    said = [line for line in outcome.err.splitlines() if "was run on this data set with" in line]
    assert len(said) == 1
    assert "@first was run on this data set with -flip none and no -crop_padding and -classes 1,0, and" in said[0]


def settings_of(name: str) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(Path(f"runs/augment/{name}/config.json").read_text())["settings"]
    return settings


def test_a_training_reads_a_data_set_as_its_search_did_unless_it_is_told_otherwise() -> None:
    write_bars(upright=False)
    shutil.copytree(ROOT / "tests/data/runs-before/search/finished", "runs/search/first")
    config = Path("runs/search/first/config.json")
    saved = json.loads(config.read_text())
    saved["settings"] |= {"dataset": "bars.npz", "flip": "none", "crop_padding": 2, "test_path": None}
    config.write_text(json.dumps(saved))
    words = ["--dataset", "bars.npz", "--epochs", "1", "--genotype", "@first"]
    words += [f"-{word}" if word[:1] == "-" else word for word in QUICK[2:-2]]

    outcome = succeed(modern, "train", "--name", "it", *words)
    said = "note: pictures are read as @first has read them: --flip none, --crop_padding 2; a flag that is given wins"
    assert outcome.err.splitlines().count(said) == 1
    assert "shifts of up to 2 pixels" in outcome.err
    assert (settings_of("it")["flip"], settings_of("it")["crop_padding"]) == ("none", 2)
    assert "was run on this data set with" not in outcome.err
    again = succeed(modern, "train", "--name", "it", *words, "--resume")
    assert again.last_line == outcome.last_line

    told = succeed(modern, "train", "--name", "told", *words, "--flip", "horizontal", "--crop_padding", "1").err
    assert "has read them" not in told
    assert "was run on this data set with --flip none and --crop_padding 2" in told
    assert (settings_of("told")["flip"], settings_of("told")["crop_padding"]) == ("horizontal", 1)

    original = succeed(augment, "-name", "original", *words)
    assert "has read them" not in original.err
    assert settings_of("original")["flip"] is None
    # As a training of before it took anything over: it goes on with what it has begun with.
    resumed = succeed(modern, "train", "--name", "original", *words, "--resume")
    assert resumed.last_line == original.last_line

    np.savez("others.npz", **np.load("bars.npz"))
    words[1] = "others.npz"
    assert "has read them" not in succeed(modern, "train", "--name", "elsewhere", *words).err
