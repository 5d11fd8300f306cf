"""Who calls from Python reads of settings, who types a command reads of flags: one message, said in two ways."""

from __future__ import annotations

import pickle
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dadarts
from dadarts.cli import advice
from dadarts.cli.flags import as_typed
from dadarts.cli.techniques import Techniques
from dadarts.config import SearchConfig, TrainConfig
from dadarts.errors import CheckpointError, DadartsError, InputError, RunError, in_python, shortened
from dadarts.runs.events import Note
from tests.commands import COMMON, DARTS_GENOTYPE, QUICKEST, augment, call, modern, search, succeed, without_pictures

FLAG = re.compile(r"(^|[\s(\"'])--?[a-z]\w+")
SETTINGS = sorted({*SearchConfig.model_fields, *TrainConfig.model_fields, *Techniques.model_fields})


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        ("-batch_size 1: give 2, or -aux_weight 0", "batch_size 1: give 2, or aux_weight 0"),
        ("runs/a exists; -resume or give another -name", "runs/a exists; resume=True or give another name"),
        ("(see --method / -first_order)", "(see method / first_order)"),
        ("train it: `dadarts train --genotype @a -resume`", "train it: `dadarts train --genotype @a -resume`"),
        ("start it with `python -m torch --nproc_per_node 2`", "start it with `python -m torch --nproc_per_node 2`"),
        ("values from -3 to -1", "values from -3 to -1"),
        ("cat-dog/-left/x.png is damaged", "cat-dog/-left/x.png is damaged"),
        ("c++ -O3 -shared -fopenmp -fPIC -std=c++17 fails", "c++ -O3 -shared -fopenmp -fPIC -std=c++17 fails"),
    ],
)
def test_a_setting_loses_its_dash_and_nothing_else_does(marked: str, said: str) -> None:
    assert in_python(marked) == said
    assert str(InputError(marked)) == str(RunError(marked)) == Note(marked).text == said
    assert InputError(marked).marked == Note(marked).marked == marked


@given(st.sampled_from(SETTINGS), st.sampled_from(SETTINGS))
def test_every_setting_has_both_forms(first: str, second: str) -> None:
    error = InputError(f"-{first} 3: give 4, or -{second} below 2")
    assert str(error) == f"{first} 3: give 4, or {second} below 2"
    typed = as_typed(error.marked, [f"-{first}", "3"])
    assert typed == f"-{first} 3: give 4, or -{second} below 2"


@pytest.mark.parametrize(
    "make",
    [
        lambda: SearchConfig(name="it"),
        lambda: SearchConfig(name="it", dataset="digits", w_lr=-1),
        lambda: SearchConfig(name="it", dataset="digits", nesterov=True, w_momentum=0),
        lambda: SearchConfig(name="it", dataset="digits", method=dadarts.METHODS["pc-darts"](), init_channels=6),
        lambda: TrainConfig(name="it", dataset="digits", genotype="@none"),
        lambda: TrainConfig(name="it", dataset="digits", genotype=DARTS_GENOTYPE, batch_size=1),
        lambda: dadarts.load("nothing"),
        lambda: next(iter(dadarts.search(SearchConfig(name="it", dataset="digits"), resume=True))),
        lambda: next(iter(dadarts.search(SearchConfig(name="it", dataset="digits"), resume=True, overwrite=True))),
        lambda: next(iter(dadarts.search(SearchConfig(name="it", dataset="digits", batch_size=5000)))),
        lambda: next(iter(dadarts.search(SearchConfig(name="it", dataset="digits", gpus="0,1", device="cuda")))),
        lambda: next(iter(dadarts.search(SearchConfig(name="it", dataset="nowhere/at all")))),
    ],
)
def test_python_is_never_told_of_flags(make: Any) -> None:
    with pytest.raises(dadarts.InputError) as caught:
        make()
    text = re.sub(r"`[^`]*`", "", str(caught.value))
    assert not FLAG.search(text), text


def test_the_notes_of_a_run_name_settings_in_python_and_flags_on_a_command_line() -> None:
    values: dict[str, Any] = {name.lstrip("-"): value for name, value in zip(COMMON[::2], COMMON[1::2], strict=True)}
    config = TrainConfig(name="here", genotype=DARTS_GENOTYPE, cutout_length=16, **{**values, "epochs": 1})
    notes = [event for event in dadarts.train(config) if isinstance(event, Note)]
    (note,) = [note for note in notes if "cutout_length" in note.text]
    assert note.text.startswith("cutout_length 16 blanks")
    assert "-cutout_length" not in repr(note)
    words = ["-name", "there", "-genotype", DARTS_GENOTYPE, "-cutout_length", "16", *COMMON]
    assert "note: -cutout_length 16 blanks" in call(augment, *words).err


def test_a_command_that_quotes_an_error_still_says_flags() -> None:
    assert "give a number from 0" in (err := call(search, "-name", "a", "-dataset", "digits", "-w_lr", "x").err)
    assert "-w_lr x" in err
    Path("runs/search/half").mkdir(parents=True)
    settings = '{"name": "half", "dataset": "digits", "epochs": 2}'
    Path("runs/search/half/config.json").write_text(f'{{"settings": {settings}, "versions": {{}}}}')
    assert "end it with -resume" in call(augment, "-name", "a", "-dataset", "digits", "-genotype", "@half").err


@pytest.mark.parametrize("kind", [InputError, CheckpointError, RunError])
def test_an_error_is_one_line_of_at_most_500_characters_with_both_ends_kept(kind: type[DadartsError]) -> None:
    said = kind("the folder " + "x\n" * 5000 + "\x1b[0m is none: give another")
    for line in (str(said), said.marked, str(kind(said)), str(pickle.loads(pickle.dumps(said)))):  # noqa: S301
        assert 490 <= len(line) <= 500
        assert line.isprintable()
        assert line.startswith("the folder x x")
        assert line.endswith("is none: give another")


def test_a_short_error_says_what_it_was_given() -> None:
    assert str(InputError("é: give another")) == "é: give another"
    assert shortened("x" * 500, 500) == "x" * 500
    assert shortened("caf\udce9\x1b\n\ud800") == r"caf\xe9\x1b \ud800"


def test_the_end_of_a_run_says_what_follows_to_who_uses_the_modern_command(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    where = ["--runs_dir", "my runs"]
    found = succeed(modern, "search", "--name", "it", *QUICKEST, *where)
    advice = shlex.split(found.err.splitlines()[-1].removeprefix("train it: "))
    assert advice[:2] == ["dadarts", "train"]
    size = "a training of a size like this search's; without these flags a training has 600 epochs, 36 channels and 20"
    assert found.err.splitlines()[-2].startswith(size)
    assert found.err.splitlines()[-3] == "watch it: tensorboard --logdir 'my runs/search/it/tensorboard'"
    words = [word.lstrip("-") for word in advice[2:]]
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "name": "it", "runs_dir": "my runs", "dataset": "digits", "genotype": "@it",
        "epochs": "4", "init_channels": "4", "layers": "3",
    }  # fmt: skip
    small = ["--dataset_portion", "0.1", "--batch_size", "32"]
    trained = succeed(modern, *advice[1:], *small, "--device", "cpu", "--aux_weight", "0", "--workers", "0")
    assert trained.err.splitlines()[-1] == "use it: dadarts predict it PICTURES --runs_dir 'my runs'"
    assert trained.err.splitlines()[-2] == "watch it: tensorboard --logdir 'my runs/augment/it/tensorboard'"
    assert "train it" not in succeed(search, "-name", "other", *QUICKEST).err


def test_only_after_a_small_search_a_small_training_is_advised() -> None:
    sizes = advice.sizes_of_training
    assert sizes(SearchConfig(name="a", dataset="digits")) == {}
    laptop = SearchConfig(name="a", dataset="digits", epochs=15, init_channels=8, layers=4)
    assert sizes(laptop) == {"epochs": 30, "init_channels": 16, "layers": 6}
    for space in ("nas-bench-201", "nas-bench-macro"):
        small = sizes(SearchConfig(name="a", dataset="digits", search_space=space, init_channels=2))
        assert small["layers"] <= laptop.space.train_size.layers
    limited = SearchConfig(
        name="a", dataset="digits", layers=2, target_channels=4, target_layers=3, max_parameters="1M"
    )
    assert sizes(limited) == {"init_channels": 4, "layers": 3}


def test_events_say_themselves_as_the_command_line_does(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)
    values: dict[str, Any] = {name.lstrip("-"): value for name, value in zip(COMMON[::2], COMMON[1::2], strict=True)}
    config = TrainConfig.auto(name="here", genotype=DARTS_GENOTYPE, cutout_length=2, **values)
    told = [line for event in dadarts.train(config) for line in str(event).splitlines()]
    words = ["--name", "there", "--genotype", DARTS_GENOTYPE, "--cutout_length", "2", *COMMON, "-print_freq", "1"]
    said = succeed(modern, "train", *words).err.splitlines()

    def without_times(line: str) -> str:
        return re.sub(r"  [\d,]+ images/s.*|(?<= )-+(?=[a-z])|-+(?=crop|flip|cutout|batch|dataset)", "", line)

    lasting = [without_times(line) for line in told if re.match(r"read|training|note|epoch \d/\d  (step|loss)", line)]
    assert len(lasting) > 4
    assert lasting == [without_times(line) for line in said if re.match(r"read|training on|note: (\d|for)|epoch", line)]
    assert re.fullmatch(r"runs/augment/here: test accuracy \d+\.\d\d%", told[-1])
