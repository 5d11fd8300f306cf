"""What a setting does not take is answered with what it takes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from dadarts.cli.flags import flags_of
from dadarts.cli.techniques import Techniques
from dadarts.config import SearchConfig, TrainConfig
from dadarts.config.refusal import accepted
from dadarts.errors import InputError
from tests.commands import DARTS_GENOTYPE

NEEDED = {"name": "it", "dataset": "digits"}


@pytest.mark.parametrize("given", ["-1", "nan", "inf", "1e400", "1001", "fast", -1, float("nan")])
def test_a_number_out_of_range_and_a_word_are_answered_alike(given: Any) -> None:
    with pytest.raises(InputError) as caught:
        SearchConfig(**NEEDED, w_lr=given)
    assert caught.value.marked == f"-w_lr {given}: give a number from 0 to 1000 or auto"


@pytest.mark.parametrize(
    ("model", "name", "given", "said"),
    [
        (SearchConfig, "epochs", "1.5", "-epochs 1.5: give a whole number from 1 to 1000000"),
        (SearchConfig, "epochs", "", "-epochs '': give a whole number from 1 to 1000000"),
        (SearchConfig, "epochs", "9" * 5000, f"-epochs {'9' * 60}...: give a whole number from 1 to 1000000"),
        (SearchConfig, "seed", 2**63, f"-seed {2**63}: give a whole number from 0 to {2**63 - 1}"),
        (SearchConfig, "threads", "0", "-threads 0: give a whole number from 1 to 1024"),
        (SearchConfig, "w_momentum", 1, "-w_momentum 1: give a number from 0 to below 1"),
        (SearchConfig, "dataset_portion", 0, "-dataset_portion 0: give a number above 0 and up to 1"),
        (SearchConfig, "device", "tpu", "-device tpu: give auto, cpu, cuda or mps"),
        (SearchConfig, "nesterov", "maybe", "-nesterov maybe: give True or False"),
        (Techniques, "sparsity", "0.5", "-sparsity 0.5: give a number from 1 to 4"),
        (Techniques, "preset", "modern", "-preset modern: give original"),
        (Techniques, "dal_target", "one", "-dal_target one: give none or zero"),
        (Techniques, "normal_none_penalty", "x", "-normal_none_penalty x: give a number from -1000000 to 1000000"),
        (TrainConfig, "cutout_length", "²", "-cutout_length ²: give a whole number from 0 to 1024 or auto"),
    ],
)
def test_the_answer_has_the_flag_what_was_given_and_what_is_accepted(
    model: type[BaseModel], name: str, given: Any, said: str
) -> None:
    needed: dict[str, Any] = {} if model is Techniques else dict(NEEDED)
    if model is TrainConfig:
        needed["genotype"] = DARTS_GENOTYPE
    with pytest.raises(InputError) as caught:
        model(**needed, **{name: given})
    assert caught.value.marked == said
    assert str(caught.value) == said.removeprefix("-"), "in Python a setting is no flag"


@pytest.mark.parametrize("model", [SearchConfig, TrainConfig, Techniques])
def test_every_switch_number_and_choice_can_say_what_it_takes(model: type[BaseModel]) -> None:
    silent = {flag.names[0] for flag in flags_of(model) if not accepted(model.model_fields[flag.names[0]])}
    assert silent <= {
        "name",
        "runs_dir",
        "gpus",
        "dataset",
        "data_path",
        "cache_dir",
        "search_space",
        "genotype",
        "test_path",
        "costs",
    }
    for name, field in model.model_fields.items():
        if accepted(field).startswith(("give a number", "give a whole number")):
            assert " to " in accepted(field), name


@pytest.mark.parametrize("name", ["resume", "overwrite"])
def test_how_a_run_begins_is_no_setting_and_the_answer_says_where_it_goes(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name} is no setting; give it to dadarts.search or dadarts.train"):
        SearchConfig(**NEEDED, **{name: True})
    with pytest.raises(InputError, match=f"^{name} is no setting"):
        TrainConfig(**NEEDED, genotype=DARTS_GENOTYPE, **{name: True})
