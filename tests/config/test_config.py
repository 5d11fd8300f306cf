"""A configuration is checked once, has the documented defaults, and survives being saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.architecture.genotype import random_genotype
from dadarts.architecture.spaces import SPACES, space
from dadarts.config import SearchConfig, TrainConfig
from dadarts.config.run import ENVIRONMENT
from dadarts.errors import InputError
from dadarts.methods.catalogue import METHODS, dadarts, darts
from dadarts.methods.penalties import DiscretizationLoss
from dadarts.methods.schedules import Progress
from tests.commands import BENCH_GENOTYPE, DARTS_GENOTYPE

NEEDED = {"name": "a", "dataset": "digits"}


def test_the_defaults_of_a_search_are_the_documented_ones() -> None:
    config = SearchConfig(**NEEDED)
    expected = {
        "epochs": 50, "batch_size": 64, "seed": 42, "init_channels": 16, "layers": 8, "nodes": 4, "stem_multiplier": 3,
        "search_space": "darts", "w_lr": 0.025, "w_lr_min": 0.001, "w_momentum": 0.9, "w_weight_decay": 3e-4,
        "w_grad_clip": 5.0, "nesterov": False, "alpha_lr": 3e-4, "alpha_weight_decay": 1e-3, "dataset_portion": 1.0,
        "print_freq": 50, "runs_dir": Path("runs"), "data_path": Path("datasets"), "device": "auto",
    }  # fmt: skip
    assert {name: getattr(config, name) for name in expected} == expected
    assert config.method.alphas.penalties == (DiscretizationLoss(target="none"),)


def test_the_defaults_of_a_training_are_the_documented_ones() -> None:
    config = TrainConfig(**NEEDED, genotype=DARTS_GENOTYPE)
    expected = {
        "epochs": 600, "batch_size": 96, "lr": 0.025, "momentum": 0.9, "weight_decay": 3e-4, "grad_clip": 5.0,
        "init_channels": 36, "layers": 20, "aux_weight": 0.4, "cutout_length": 16, "drop_path_prob": 0.2,
        "valid_fraction": 0.0, "seed": 42,
    }  # fmt: skip
    assert {name: getattr(config, name) for name in expected} == expected
    assert config.has_auxiliary_head
    assert not TrainConfig(**NEEDED, genotype=DARTS_GENOTYPE, aux_weight=0).has_auxiliary_head


def test_sizes_follow_from_the_space() -> None:
    assert (lambda it: (it.nodes, it.init_channels, it.layers))(
        SearchConfig(**NEEDED, search_space="nas-bench-201")
    ) == (3, 16, 5)
    assert (lambda it: (it.nodes, it.init_channels, it.layers))(
        SearchConfig(**NEEDED, search_space="nas-bench-macro")
    ) == (8, 32, 1)
    config = SearchConfig(**NEEDED, nodes=2, layers=3)
    assert (config.nodes, config.layers, config.space) == (2, 3, space("darts", 2))
    trained = TrainConfig(**NEEDED, genotype=BENCH_GENOTYPE)
    assert (trained.init_channels, trained.layers, trained.has_auxiliary_head) == (16, 5, False)


def test_the_target_of_the_discretization_loss_follows_from_the_space() -> None:
    targets = {
        name: pull.target
        for name in SPACES
        if (pull := SearchConfig(**NEEDED, search_space=name, method=dadarts()).method.pull(Progress(0, 1)))
    }
    assert targets == {
        "darts": "none", "nas-bench-201": "zero", "connect-nas-bench": "none", "S1": "zero", "S2": "zero",
        "S3": "none", "S4": "zero", "nas-bench-macro": "zero",
    }  # fmt: skip


numbers = st.floats(0, 1e3)
search_settings = st.fixed_dictionaries(
    {"name": st.from_regex(r"[a-zé][\w .-]{0,20}[a-z]", fullmatch=True), "dataset": st.sampled_from(["digits", "a b"])},
    optional={
        "search_space": st.sampled_from(["darts", "nas-bench-201", "S2", "S3", "S4"]),
        "epochs": st.integers(1, 10**6),
        "batch_size": st.integers(2, 10**6),
        "nodes": st.integers(1, 16),
        "layers": st.integers(1, 1000),
        "init_channels": st.integers(1, 4096),
        "seed": st.integers(0, 2**63 - 1),
        "threads": st.none() | st.integers(1, 1024),
        "image_size": st.none() | st.integers(1, 4096),
        "dataset_portion": st.floats(1e-9, 1),
        "flip": st.none() | st.sampled_from(["none", "horizontal", "vertical", "both"]),
        "crop_padding": st.none() | st.integers(0, 4096),
        "w_lr": numbers,
        "alpha_lr": numbers,
        "w_grad_clip": st.floats(0, 1e9),
        "w_momentum": st.floats(0.1, 0.999),
        "nesterov": st.booleans(),
        "hessian_eigenvalue": st.booleans(),
        "validation_every": st.integers(1, 10**6),
        "fork_jobs": st.none() | st.integers(1, 256),
        "gpus": st.none() | st.sampled_from(["0", "1"]),
        "data_path": st.sampled_from([Path("x"), Path("/a/b c")]),
        "cache_dir": st.none() | st.just(Path("c")),
        "method": st.sampled_from([darts(), dadarts(), dadarts(1.5, 1e-7)]),
    },
)


@settings(max_examples=40)
@given(search_settings)
def test_a_search_configuration_survives_json(values: dict[str, Any]) -> None:
    config = SearchConfig(**values)
    again = SearchConfig(**json.loads(json.dumps(config.to_json())))
    assert again == config
    assert again.differences(config.to_json()) == []


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(SPACES)),
    st.integers(0, 2**32),
    st.fixed_dictionaries(
        {},
        optional={
            "lr": numbers,
            "momentum": st.floats(0, 0.999),
            "aux_weight": numbers,
            "drop_path_prob": st.floats(0, 0.99),
            "cutout_length": st.integers(0, 1024),
            "class_weights": st.sampled_from(["none", "balanced"]),
            "valid_fraction": st.floats(0, 0.9),
            "layers": st.integers(1, 1000),
        },
    ),
)
def test_a_training_configuration_survives_json(name: str, seed: int, values: dict[str, Any]) -> None:
    config = TrainConfig(**NEEDED, genotype=random_genotype(space(name), seed), **values)
    again = TrainConfig(**json.loads(json.dumps(config.to_json())))
    assert again == config
    assert str(again.genotype) == str(config.genotype)


def test_a_configuration_cannot_be_changed() -> None:
    config = SearchConfig(**NEEDED)
    with pytest.raises(ValueError, match="frozen"):
        config.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "meant"),
    [("epoch", "epochs"), ("lerning_rate", "w_lr"), ("momentum", "w_momentum"), ("num_worker", "workers")],
)
def test_the_nearest_setting_is_all_that_an_unknown_one_is_answered_with(given: str, meant: str) -> None:
    with pytest.raises(InputError) as refused:
        SearchConfig(**NEEDED, **{given: 1})
    assert str(refused.value) == f"unknown setting '{given}'. Did you mean '{meant}'?"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "a"}, "-dataset must be given"),
        ({"dataset": "digits"}, "-name must be given"),
        ({**NEEDED, "epoch": 3}, "Did you mean 'epochs'?"),
        ({**NEEDED, "name": ""}, "-name"),
        ({**NEEDED, "name": "../x"}, "no slash"),
        ({**NEEDED, "name": "a/b"}, "no slash"),
        ({**NEEDED, "name": "a\\b"}, "no slash"),
        ({**NEEDED, "name": "."}, "no leading dot"),
        ({**NEEDED, "name": "a\nb"}, "-name"),
        ({**NEEDED, "name": "é" * 101}, "1 to 200 bytes"),
        ({**NEEDED, "dataset": " "}, "-dataset"),
        ({**NEEDED, "search_space": "dart"}, "Did you mean 'darts'?"),
        ({**NEEDED, "search_space": "S1", "nodes": 3}, "S1 is defined for 4 nodes"),
        ({**NEEDED, "nodes": 17}, "-nodes 17"),
        ({**NEEDED, "nodes": "two"}, "-nodes two"),
        ({**NEEDED, "nesterov": True, "w_momentum": 0}, "-nesterov needs -w_momentum"),
        ({**NEEDED, "device": "tpu"}, "-device tpu"),
        ({**NEEDED, "method": 3}, "expected a Method, its name or its repr"),
        ({**NEEDED, "method": "dart"}, "unknown method 'dart'. Did you mean 'darts'?"),
        ({**NEEDED, "method": "Method(order=open('x'))"}, "unknown part of a method 'open'"),
        ({**NEEDED, "method": "Soft()"}, "not a method"),
    ],
)
def test_a_search_that_cannot_be_meant_is_refused_in_one_line(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        SearchConfig(**settings)
    assert said in caught.value.marked
    assert "\n" not in str(caught.value).strip()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "-genotype must be given"),
        ({"genotype": 7}, "-genotype must be a Genotype"),
        (
            {"genotype": "Genotype()"},
            "a genotype has the fields normal, normal_concat, reduce, reduce_concat; this one lacks",
        ),
        ({"genotype": DARTS_GENOTYPE, "batch_size": 1}, "-batch_size 1"),
        ({"genotype": DARTS_GENOTYPE, "drop_path_prob": 1}, "-drop_path_prob 1"),
        ({"genotype": DARTS_GENOTYPE, "valid_fraction": 1}, "-valid_fraction 1"),
    ],
)
def test_a_training_that_cannot_be_meant_is_refused_in_one_line(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        TrainConfig(**NEEDED, **settings)
    assert said in caught.value.marked
    assert "\n" not in str(caught.value).strip()


def test_differences_name_what_decides_numbers_and_nothing_else() -> None:
    config = SearchConfig(**NEEDED)
    other = SearchConfig(**NEEDED, seed=1, workers=0, data_path="elsewhere", checkpoint_minutes=1, method=darts())
    weights, relaxation, penalties, seed = config.differences(other.to_json())
    assert seed == "-seed is 1 in the run and 42 here"
    assert weights == "-hd_on_weights / -topk_on_weights: Soft() in the run and Hard(start=0) here"
    assert relaxation.startswith("-hd_on_alphas / -topk_on_alphas: Soft() in the run and TopK(")
    assert penalties.startswith("-dal_on_alphas / -bdarts / a none penalty: () in the run and (DiscretizationLoss(")
    assert set(SearchConfig.model_fields) > ENVIRONMENT


@pytest.mark.parametrize("name", METHODS)
def test_a_method_may_be_given_as_its_name_or_its_text(name: str) -> None:
    method = METHODS[name]()
    assert SearchConfig(**NEEDED, method=name) == SearchConfig(**NEEDED, method=method)
    assert SearchConfig(**NEEDED, method=repr(method)) == SearchConfig(**NEEDED, method=method)


@pytest.mark.parametrize(
    ("given_classes", "classes"),
    [("b,a", ("b", "a")), ('"a,b", c', ("a,b", "c")), (["x", "y"], ("x", "y")), (("x", "y"), ("x", "y")), (None, None)],
)
def test_classes_are_a_list_of_names_in_text_or_in_python(given_classes: Any, classes: tuple[str, ...] | None) -> None:
    config = SearchConfig(**NEEDED, classes=given_classes)
    assert config.classes == classes
    assert SearchConfig(**config.to_json()) == config


@pytest.mark.parametrize(
    "given_classes", ["a", "a,a", "a,,b", "", ("a", 3), [["a"], "b"], 5, "caf\udce9,b", "x" * 200_000]
)
def test_classes_that_are_no_names_are_refused(given_classes: Any) -> None:
    with pytest.raises(InputError, match=r"^classes ") as refused:
        SearchConfig(**NEEDED, classes=given_classes)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("setting", ["dataset", "test_path", "data_path", "cache_dir", "runs_dir", "name"])
def test_a_path_that_no_json_can_hold_is_refused(setting: str) -> None:
    with pytest.raises(InputError, match="bytes that are no UTF-8"):
        SearchConfig(**NEEDED | {setting: "caf\udce9"})


def test_a_run_of_before_there_were_choices_goes_on() -> None:
    config = SearchConfig(**NEEDED)
    before = {name: value for name, value in config.to_json().items() if name not in ("classes", "test_path", "broken")}
    assert config.differences(before) == []
    assert SearchConfig(**NEEDED, classes="a,b").differences(before) == [
        "-classes is None in the run and ['a', 'b'] here"
    ]


@pytest.mark.parametrize("runs_dir", [0, 0.5, [], {}])
def test_a_runs_dir_that_is_no_path_is_refused_beside_a_genotype(runs_dir: Any) -> None:
    with pytest.raises(InputError, match="runs_dir"):
        TrainConfig(name="it", dataset="digits", genotype=DARTS_GENOTYPE, runs_dir=runs_dir)
