"""One configuration behind three entry points: the original's flags, the modern words, and Python."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from dadarts import load, main
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.published import PUBLISHED
from dadarts.cli import original
from dadarts.cli.techniques import FLAGS_OF_METHOD
from dadarts.compare.jobs import Protocol, jobs_of
from dadarts.config import SearchConfig, TrainConfig
from dadarts.errors import InputError
from dadarts.methods.catalogue import METHODS, dadarts, darts, darts_first_order
from dadarts.methods.method import Method, Objective
from dadarts.methods.penalties import DiscretizationLoss
from dadarts.methods.relaxations import Hard, TopK
from dadarts.methods.schedules import Constant, Linear
from dadarts.searching.rates import rates
from dadarts.training.recipe import recipe
from tests.commands import (
    BENCH_GENOTYPE,
    DARTS_GENOTYPE,
    SEED_LINES,
    SEED_TRAINING,
    augment,
    call,
    check_refusal,
    modern,
    refusal,
    search,
    succeed,
)

RISING = TopK(temperature_edge=Linear(0.0, 200.0), temperature_node=Linear(0.0, 200.0))
IN_PYTHON = {
    "Discretization at Validation Time": Method(weights=Objective(Hard())),
    "Differentiable TopK on alphas": Method(alphas=Objective(RISING)),
    "Differentiable TopK on alphas and weights": Method(weights=Objective(RISING), alphas=Objective(RISING)),
    "Discretization Additional Loss": Method(alphas=Objective(penalties=(DiscretizationLoss(),))),
    "DADARTS": dadarts(),
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def words_of(line: str) -> list[str]:
    """The words after ``python search.py``."""
    return shlex.split(line)[2:]


def double_dashes(words: list[str]) -> list[str]:
    return [f"-{word}" if word.startswith("-") else word for word in words]


def spelled_out(words: list[str]) -> list[str]:
    """Switches with their value, and -workers in one word."""
    switches = {"-hd_on_weights", "-topk_on_alphas", "-topk_on_weights", "-dal_on_alphas"}
    joined = " ".join(shlex.quote(word) for word in words).replace("-workers 4", "-workers=4")
    return [part for word in shlex.split(joined) for part in ([word, "True"] if word in switches else [word])]


@pytest.mark.parametrize("title", SEED_LINES)
def test_a_search_line_of_the_seed_means_the_same_at_all_entry_points(title: str) -> None:
    words = words_of(SEED_LINES[title])
    python = SearchConfig(name="some_name", dataset="cifar10", workers=4, method=IN_PYTHON[title])
    assert original.search_config(words) == python
    for form in (double_dashes(words), spelled_out(words), double_dashes(spelled_out(words))):
        assert original.search_config(form) == python
        modern_words = main.search_config([*form, "--method", "darts"])
        # 25,000 pictures of each half in batches of 64.
        assert settled(modern_words, steps=390) == python
        assert main.search_config([*form, "--method", "darts", *ORIGINAL_RATES]) == python
    assert original.search_config([*words, "-hd_on_virtualstep=False"]) == python


def settled(config: SearchConfig, steps: int) -> SearchConfig:
    """The configuration with the learning rates of a search of so many steps an epoch."""
    found = rates(config, steps)
    return config.model_copy(update={"w_lr": found.weights, "alpha_lr": found.alphas})


def test_the_training_line_of_the_seed_means_the_same_at_all_entry_points() -> None:
    words = words_of(SEED_TRAINING)
    genotype = words[words.index("-genotype") + 1]
    python = TrainConfig(name="some_name", dataset="cifar10", workers=4, genotype=Genotype.parse(genotype))
    assert str(python.genotype) == genotype
    for form in (words, double_dashes(words), spelled_out(words)):
        assert original.augment_config(form) == python
        modern_words = main.train_config(form)
        assert modern_words == python.model_copy(update=BY_LENGTH)
        # At 600 epochs of CIFAR's pictures, which have 32 pixels a side.
        assert modern_words.model_copy(update=recipe(modern_words, 32, 1000).settled) == python


def test_the_modern_search_is_dadarts_unless_told_otherwise() -> None:
    needed = ["--name", "some_name", "--dataset", "cifar10"]
    line = original.search_config(words_of(SEED_LINES["DADARTS"])).model_copy(update=BY_STEPS)
    assert main.search_config(needed) == main.search_config([*needed, "--method", "dadarts-lookahead"])
    assert main.search_config([*needed, "--method", "dadarts"]) == line
    assert main.search_config(needed) == SearchConfig.auto(name="some_name", dataset="cifar10")
    # Technique flags belong to the published method, which they change.
    flags = ["-dal_factor", "0.5"]
    assert main.search_config([*needed, *flags]) == main.search_config([*needed, "--method", "dadarts", *flags])
    assert original.search_config(["-name", "some_name", "-dataset", "cifar10"]).method == darts()
    assert main.search_config([*needed, "--method", "darts"]).method == darts()
    assert main.search_config([*needed, "--method=darts-first-order"]).method == darts_first_order()
    changed = main.search_config([*needed, "--dal_factor", "0.25", "--hd_on_weights=False"]).method
    assert (
        changed
        == SearchConfig(
            name="a",
            dataset="b",
            method=Method(alphas=Objective(RISING, (DiscretizationLoss(factor=Constant(0.25)),))),
        ).method
    )


@pytest.mark.parametrize("name", FLAGS_OF_METHOD)
def test_a_named_method_is_its_flags_at_the_original_entry(name: str) -> None:
    flags = [f"-{flag}={value}" for flag, value in FLAGS_OF_METHOD[name].items()]
    needed = ["-name", "a", "-dataset", "digits"]
    assert original.search_config([*needed, *flags]) == SearchConfig(name="a", dataset="digits", method=METHODS[name]())
    modern_words = main.search_config([*needed, "--method", name])
    assert original.search_config([*needed, *flags]).model_copy(update=BY_STEPS) == modern_words
    assert original.search_config([*needed, *flags]) == main.search_config([*needed, "--method", name, *ORIGINAL_RATES])


BY_LENGTH = dict.fromkeys(
    (
        *(
            "cutout_length",
            "drop_path_prob",
            "aux_weight",
            "lr",
            "schedule",
            "nesterov",
            "weight_decay",
            "decayed",
            "ema",
        ),
        *("label_smoothing", "mixup"),
    ),
    "auto",
)
"""What ``dadarts train`` leaves to its length and to the size of pictures, and ``dadarts search`` to its steps."""
BY_STEPS = {"w_lr": "auto", "alpha_lr": "auto"}
ORIGINAL_RATES = ["--w_lr", "0.025", "--alpha_lr", "3e-4"]


@pytest.mark.parametrize("word", ["auto", "0.5"])
def test_a_rate_is_a_number_or_left_to_the_steps_at_all_entry_points(word: str) -> None:
    needed = ["-name", "a", "-dataset", "digits", "-alpha_lr", word, "-w_lr", word]
    value = word if word == "auto" else float(word)
    python = SearchConfig(name="a", dataset="digits", alpha_lr=value, w_lr=value, method=darts())
    assert original.search_config(needed) == python == main.search_config([*needed, "-method", "darts"])
    assert jobs_of(Protocol({"alpha_lr": word}, None, Path()), ["darts"], [1], ["darts"], ["digits"])[
        0
    ].search.alpha_lr == (value)


def test_a_comparison_has_the_rates_of_the_original_unless_others_are_given() -> None:
    (job,) = jobs_of(Protocol({}, None, Path()), ["dadarts"], [1], ["darts"], ["digits"])
    assert (job.search.w_lr, job.search.alpha_lr) == (0.025, 3e-4)


@pytest.mark.parametrize("word", ["fast", "-1", "1e9", "nan", ""])
def test_a_rate_that_is_none_is_refused_with_what_is_one(word: str) -> None:
    said = refusal(modern, "search", "--name", "a", "--dataset", "digits", f"--alpha_lr={word}")
    assert "give a number from 0 to 1000 or auto" in said


SEARCH_FLAGS: list[tuple[str, str, Any]] = [
    ("-data_path /d", "data_path", Path("/d")),
    ("-dataset_portion 0.5", "dataset_portion", 0.5),
    ("-value_range nominal", "value_range", "nominal"),
    ("-flip both", "flip", "both"),
    ("-crop_padding 0", "crop_padding", 0),
    ("-seed 7", "seed", 7),
    ("-logger tensorboard", "logger", ("tensorboard",)),
    ("-epochs 3", "epochs", 3),
    ("-batch_size 8", "batch_size", 8),
    ("-init_channels 4", "init_channels", 4),
    ("-engine reference", "engine", "reference"),
    ("-sparse_tolerance 0", "sparse_tolerance", 0.0),
    ("-fork_jobs 2", "fork_jobs", 2),
    ("-checkpoint_activations", "checkpoint_activations", True),
    ("-plugin a.py,b", "plugin", ("a.py", "b")),
    ("-n_layers 5", "layers", 5),
    ("-layers 5", "layers", 5),
    ("-nodes 2", "nodes", 2),
    ("-stem_multiplier 1", "stem_multiplier", 1),
    ("-w_lr 0.1", "w_lr", 0.1),
    ("-w_lr_min 0.01", "w_lr_min", 0.01),
    ("-w_momentum 0.5", "w_momentum", 0.5),
    ("-w_weight_decay 1e-5", "w_weight_decay", 1e-5),
    ("-w_grad_clip 1", "w_grad_clip", 1.0),
    ("-nesterov", "nesterov", True),
    ("-alpha_lr 0.01", "alpha_lr", 0.01),
    ("-alpha_weight_decay 0", "alpha_weight_decay", 0.0),
    ("-search_space S2", "search_space", "S2"),
    ("-print_freq 9", "print_freq", 9),
    ("-workers 1", "workers", 1),
    ("-gpus 1", "gpus", "1"),
    ("-device cpu", "device", "cpu"),
    ("-threads 2", "threads", 2),
    ("-precision bf16", "precision", "bf16"),
    ("-checkpoint_minutes 0.5", "checkpoint_minutes", 0.5),
    ("-runs_dir r", "runs_dir", Path("r")),
    ("-cache_dir c", "cache_dir", Path("c")),
    ("-image_size 32", "image_size", 32),
    ("-hessian_eigenvalue", "hessian_eigenvalue", True),
    ("-validation_every 5", "validation_every", 5),
    ("-classes b,a", "classes", ("b", "a")),
    ("-test_path t", "test_path", Path("t")),
    ("-broken refuse", "broken", "refuse"),
    ("-value_range nominal", "value_range", "nominal"),
    ("-max_parameters 1.5M", "max_parameters", 1_500_000),
    ("-max_multiply_adds 100k", "max_multiply_adds", 100_000),
    ("-max_latency_ms 2.5", "max_latency_ms", 2.5),
    ("-costs t.csv", "costs", Path("t.csv")),
    ("-target_channels 8", "target_channels", 8),
    ("-target_layers 6", "target_layers", 6),
    ("-limit_rate 0", "limit_rate", 0.0),
]
ONLY_WITH: dict[str, tuple[str, dict[str, Any]]] = {
    "costs": ("-max_latency_ms 5", {"max_latency_ms": 5.0}),
    "target_channels": ("-max_parameters 9k", {"max_parameters": 9000}),
    "target_layers": ("-max_parameters 9k", {"max_parameters": 9000}),
}
"""What has a meaning beside another setting alone."""


@pytest.mark.parametrize(("words", "name", "value"), SEARCH_FLAGS)
def test_every_setting_of_a_search_is_a_flag_at_both_entry_points(words: str, name: str, value: Any) -> None:
    with_words, with_settings = ONLY_WITH.get(name, ("", {}))
    needed = ["-name", "a", "-dataset", "digits", *with_words.split()]
    python = SearchConfig(name="a", dataset="digits", **{name: value}, **with_settings, method=darts())
    assert getattr(python, name) == value
    assert original.search_config([*needed, *words.split()]) == python
    open_rates = {own: rule for own, rule in BY_STEPS.items() if own != name}
    modern_words = main.search_config([*needed, *double_dashes(words.split()), "--method", "darts"])
    assert modern_words == python.model_copy(update=open_rates)
    assert python != SearchConfig(name="a", dataset="digits", method=darts())


def test_no_setting_of_a_search_is_left_out_of_the_list() -> None:
    assert {name for _, name, _ in SEARCH_FLAGS} == set(SearchConfig.model_fields) - {"name", "dataset", "method"}


TRAIN_FLAGS: list[tuple[str, str, Any]] = [
    ("-lr 0.1", "lr", 0.1),
    ("-momentum 0.5", "momentum", 0.5),
    ("-weight_decay 0", "weight_decay", 0.0),
    ("-grad_clip 1", "grad_clip", 1.0),
    ("-aux_weight 0", "aux_weight", 0.0),
    ("-cutout_length 8", "cutout_length", 8),
    ("-class_weights balanced", "class_weights", "balanced"),
    ("-drop_path_prob 0.3", "drop_path_prob", 0.3),
    ("-schedule triangle", "schedule", "triangle"),
    ("-warm_up 0.5", "warm_up", 0.5),
    ("-nesterov", "nesterov", True),
    ("-decayed kernels", "decayed", "kernels"),
    ("-label_smoothing 0.2", "label_smoothing", 0.2),
    ("-ema 0.1", "ema", 0.1),
    ("-mixup 0.4", "mixup", 0.4),
    ("-valid_fraction 0.1", "valid_fraction", 0.1),
    ("-n_layers 5", "layers", 5),
    ("-init_channels 4", "init_channels", 4),
    ("-epochs 3", "epochs", 3),
    ("-batch_size 8", "batch_size", 8),
]


@pytest.mark.parametrize(("words", "name", "value"), TRAIN_FLAGS)
def test_every_setting_of_a_training_is_a_flag_at_both_entry_points(words: str, name: str, value: Any) -> None:
    needed = ["-name", "a", "-dataset", "digits", "-genotype", DARTS_GENOTYPE]
    python = TrainConfig(name="a", dataset="digits", genotype=DARTS_GENOTYPE, **{name: value})
    assert getattr(python, name) == value
    assert original.augment_config([*needed, *words.split()]) == python
    open_settings = {own: rule for own, rule in BY_LENGTH.items() if own != name}
    assert main.train_config([*needed, *double_dashes(words.split())]) == python.model_copy(update=open_settings)
    assert python != TrainConfig(name="a", dataset="digits", genotype=DARTS_GENOTYPE)


def test_no_setting_of_a_training_is_left_out_of_the_lists() -> None:
    listed = {name for _, name, _ in (*SEARCH_FLAGS, *TRAIN_FLAGS)}
    assert set(TrainConfig.model_fields) - {"name", "dataset", "genotype"} <= listed


UNSUPPORTED = (
    "topk_to_remove", "dropout_on_alphas", "dropout_on_weights", "variable_temperature", "zero_variable_temperature",
    "epsilon", "alphas_path", "mask_alphas", "prune_strategy", "project", "debugging",
)  # fmt: skip


@pytest.mark.parametrize("flag", UNSUPPORTED)
def test_a_flag_that_only_the_original_had_is_refused_as_such(flag: str) -> None:
    for typed, words in ((f"-{flag}", []), (f"-{flag}", ["1"]), (f"--{flag}=x", [])):
        said = refusal(search, "-name", "a", "-dataset", "digits", typed, *words)
        assert said == f"search.py: {typed.removesuffix('=x')} of the original is not supported here; leave it out"


@pytest.mark.parametrize("text", [DARTS_GENOTYPE, BENCH_GENOTYPE])
def test_a_genotype_may_be_given_as_text_as_a_file_or_as_a_search(text: str) -> None:
    genotype = Genotype.parse(text)
    Path("g.txt").write_text(f"  {genotype}\n")
    Path("g.json").write_text(genotype.to_json(space="x"))
    Path("odd name").write_text(str(genotype))
    Path("runs/search/found").mkdir(parents=True)
    Path("runs/search/found/genotype.txt").write_text(f"{genotype}\n")
    Path("elsewhere/search").mkdir(parents=True)
    Path("runs/search/found").rename("elsewhere/search/there")
    Path("runs/search/found").mkdir(parents=True)
    Path("runs/search/found/genotype.txt").write_text(f"{genotype}\n")
    for word in (text, "g.txt", "./g.json", str(Path("g.txt").absolute()), "odd name", "@found", genotype.to_json()):
        assert original.augment_config(["-name", "a", "-dataset", "digits", "-genotype", word]).genotype == genotype
    moved = ["-name", "a", "-dataset", "digits", "-genotype", "@there", "-runs_dir", "elsewhere"]
    assert main.train_config(moved).genotype == genotype


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("@nothing", "there is no genotype at runs/search/nothing/genotype.txt"),
        ("missing.json", "there is no file or folder missing.json"),
        ("missing", "not a genotype"),
        (".", "there is no genotype at genotype.txt"),
        ("", "genotype"),
        ("x" * 5000, "not a genotype"),
    ],
)
def test_a_genotype_that_is_nowhere_is_refused(word: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        original.augment_config(["-name", "a", "-dataset", "digits", "-genotype", word])
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_name_that_there_is_not_is_answered_with_those_that_there_are() -> None:
    nowhere = (
        "there are none in runs/search or runs/augment or runs/fit: make one with `dadarts search` or search.py, or"
    )
    assert nowhere in refusal(modern, "show", "@frist")
    untrained = "there are none in runs/augment or runs/fit: make one with `dadarts fit`, `dadarts train` or augment.py"
    assert untrained in refusal(modern, "export", "frist")
    for kind, file in (("search", "genotype.txt"), ("augment", "model.safetensors")):
        for name in ("first", "first.replaced-20260101-000000", *(f"other{number}" for number in range(6))):
            folder = Path("runs", kind, name)
            folder.mkdir(parents=True)
            (folder / file).touch()
    Path("runs/augment/trained").mkdir()
    few = "first, other0, other1, other2, other3 and 2 more, which `dadarts runs` lists"
    marked = few.replace("first", "@first").replace("other", "@other")
    training = ["train", "--name", "a", "--dataset", "digits", "--genotype"]
    published = ", ".join(PUBLISHED)
    for words in (["show"], training, ["oracle", "nas-bench-201"]):
        assert refusal(modern, *words, "@frist") == (
            "dadarts: @frist: there is no genotype at runs/search/frist/genotype.txt; did you mean @first? "
            f"In runs/search: {marked}"
        )
        assert (
            refusal(modern, *words, "zebra")
            == f"dadarts: not a genotype: 'zebra', nor a file, nor one of {published}; in runs/search: {marked}"
        )
    Path("runs/augment/trained/genotype.txt").write_text(DARTS_GENOTYPE)
    for word in ("@trained", "trained", "runs/augment/trained"):
        assert DARTS_GENOTYPE in succeed(modern, "show", word).out
    with pytest.raises(InputError, match="there is no trained network at frist or runs/augment/frist; ") as caught:
        load("frist")
    assert str(caught.value).endswith(f"did you mean first? In runs/augment: {few}")
    with pytest.raises(InputError, match=r"or give the runs_dir where it is$"):
        load("frist", runs_dir="elsewhere")


@pytest.mark.parametrize("word", ["@it", "runs/search/it"])
def test_the_genotype_of_a_search_that_has_not_ended_is_only_taken_from_its_file(word: str) -> None:
    folder = Path("runs/search/it")
    folder.mkdir(parents=True)
    settings = '{"name": "it", "dataset": "digits", "epochs": 2, "method": ""}'
    (folder / "config.json").write_text(f'{{"settings": {settings}, "versions": {{}}}}')
    training = ["-name", "a", "-dataset", "digits", "-genotype"]
    with pytest.raises(InputError, match=f"^{word} has not ended; end it with resume=True$"):
        original.augment_config([*training, word])
    (folder / "genotype.txt").write_text(DARTS_GENOTYPE)
    assert "there are none in runs/search" in refusal(modern, "show", "@ti")
    for it in ("it", "runs/search/it"):
        assert "is a search that has not ended: go on with it, with --resume" in refusal(modern, "export", it)
    with pytest.raises(InputError, match=f"^{word} has not ended; .* give runs/search/it/genotype.txt to train"):
        original.augment_config([*training, word])
    taken = original.augment_config([*training, "runs/search/it/genotype.txt"]).genotype
    (folder / "result.txt").write_text(DARTS_GENOTYPE)
    assert "did you mean @it? In runs/search: @it" in refusal(modern, "show", "@itt")
    assert refusal(modern, "export", "it").endswith("train what it found, with `dadarts train --genotype @it`")
    assert original.augment_config([*training, word]).genotype == taken == Genotype.parse(DARTS_GENOTYPE)
    # A training has its genotype from the beginning.
    Path("runs/augment").mkdir()
    folder = folder.rename("runs/augment/it")
    (folder / "result.txt").unlink()
    (folder / "config.json").write_text(f'{{"settings": {settings[:-1]}, "genotype": ""}}, "versions": {{}}}}')
    assert original.augment_config([*training, str(folder)]).genotype == taken


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_a_refusal_names_flags_with_the_dashes_that_they_were_typed_with(dashes: str) -> None:
    needed = [f"{dashes}name", "a", f"{dashes}dataset", "digits"]
    for entry, command in ((search, []), (modern, ["search"]), (augment, []), (modern, ["train"])):
        said = refusal(entry, *command, *needed, f"{dashes}epoch", "3")
        assert f" unknown flag {dashes}epoch. Did you mean '{dashes}epochs'?" in said
        said = refusal(entry, *command, *needed, f"{dashes}resume", f"{dashes}overwrite")
        assert f" {dashes}resume continues a run and {dashes}overwrite replaces it" in said
    assert f" {dashes}methods must be given" in refusal(modern, "compare", f"{dashes}dataset", "digits")


def test_a_technique_does_not_go_with_an_unknown_method() -> None:
    assert "Did you mean 'dadarts'" in refusal(
        modern, "search", "--name", "a", "--dataset", "digits", "--method", "dadart"
    )
    assert "-method" in refusal(search, "-name", "a", "-dataset", "digits", "-method", "darts")


def test_the_modern_command_answers_what_it_is_and_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert call(modern, "--version").out.strip() == version("dadarts")
    check_refusal(call(modern, "serach"))
    assert "Did you mean 'search'?" in call(modern, "serach").err
    empty = call(modern)
    assert empty.code == 2
    assert "usage: dadarts COMMAND" in empty.out
    assert json.loads(call(modern, "runs", "--json").out) == []
