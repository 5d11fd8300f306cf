"""The original's technique flags spell methods, and every one of them changes something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dadarts.bilevel import Method, Objective
from dadarts.errors import InputError
from dadarts.method_text import parse_method
from dadarts.methods import METHODS, dadarts, darts, darts_first_order
from dadarts.penalties import BetaDecay, DiscretizationLoss, NonePenalty
from dadarts.relax import Hard, Soft, TopK
from dadarts.relax_sampled import SampledTopK
from dadarts.schedules import Constant, Linear
from dadarts.techniques import FLAGS_OF_METHOD, Techniques

WHERE_IT_ACTS: dict[str, dict[str, Any]] = {
    "topk": {"topk_on_alphas": True},
    "temperature": {"topk_on_alphas": True},
    "linear_temperature_max": {"topk_on_alphas": True, "linear_temperature_increase": True},
    "linear_temperature_increase": {"topk_on_alphas": True},
    "option": {"topk_on_alphas": True},
    "justtopk": {"topk_on_alphas": True},
    "dal_factor_max": {"dal_on_alphas": True, "linear_dal_factor_increase": True},
    "dal": {"dal_on_alphas": True},
    "linear_dal": {"dal_on_alphas": True},
    "hd_start": {"hd_on_weights": True},
    "sample": {},
    "alpha_warm_up": {},
    "preset": {"topk_on_alphas": True, "dal_on_alphas": True},
}
OTHER_VALUES: dict[str, Any] = {
    "preset": "original",
    "genotype_to_retain": "best",
    "dal_target": "zero",
    "option": 2,
    "topk_k_edge": 2,
    "topk_k_node": 3,
    "hd_start": 4,
    "dal_starting_epoch": 4,
    "sparsity": 1.5,
}


@pytest.mark.parametrize("name", Techniques.model_fields)
def test_no_technique_flag_is_without_effect(name: str) -> None:
    longest = max((prefix for prefix in WHERE_IT_ACTS if name.startswith(prefix)), key=len, default=None)
    setting = WHERE_IT_ACTS[longest] if longest is not None and not name.startswith(("topk_on", "dal_on")) else {}
    default = Techniques.model_fields[name].default
    other = OTHER_VALUES.get(name, (not default) if isinstance(default, bool) else 0.375)
    assert other != default
    assert Techniques(**setting, **{name: other}).method() != Techniques(**setting).method()


def test_without_flags_it_is_plain_darts() -> None:
    assert Techniques().method() == darts() == Method()


@pytest.mark.parametrize("name", FLAGS_OF_METHOD)
def test_every_named_method_that_flags_can_spell_is_what_they_spell(name: str) -> None:
    assert Techniques(**FLAGS_OF_METHOD[name]).method() == METHODS[name]()


@pytest.mark.parametrize(
    ("name", "method"), [("dadarts", dadarts), ("darts", darts), ("darts-first-order", darts_first_order)]
)
def test_a_named_method_is_the_function_of_its_name(name: str, method: Callable[[], Method]) -> None:
    assert METHODS[name] is method


def test_dadarts_is_its_three_techniques() -> None:
    rising = Linear(0.0, 200.0)
    assert dadarts() == Method(
        weights=Objective(Hard()),
        alphas=Objective(TopK(temperature_edge=rising, temperature_node=rising), (DiscretizationLoss(),)),
    )


@pytest.mark.parametrize("step", ["weights", "alphas", "virtualstep"])
def test_each_technique_acts_in_the_step_that_its_flag_names(step: str) -> None:
    for flag, relaxation in ((f"hd_on_{step}", Hard()), (f"topk_on_{step}", TopK())):
        method = Techniques(**{flag: True}).method()
        found = {"weights": method.weights.relax, "alphas": method.alphas.relax, "virtualstep": method.look_ahead}
        assert found == {name: relaxation if name == step else Soft() for name in found}


@pytest.mark.parametrize("step", ["weights", "alphas", "virtualstep"])
def test_top_k_wins_over_hard_discretization_in_one_pass_and_it_is_said(step: str) -> None:
    both = Techniques(**{f"topk_on_{step}": True, f"hd_on_{step}": True})
    assert both.method() == Techniques(**{f"topk_on_{step}": True}).method()
    assert both.notes() == [f"-topk_on_{step} and -hd_on_{step}: top-k is what acts, as in the original"]
    assert Techniques(topk_on_alphas=True, hd_on_weights=True).notes() == []


def test_a_draw_on_weights_has_the_temperatures_of_top_k_and_wins_over_the_hard_pass() -> None:
    rising = {"linear_temperature_increase": True, "linear_temperature_max": 50.0}
    drawn = Techniques(sample_on_weights=True, **rising)
    assert drawn.method() == Method(weights=Objective(SampledTopK(Linear(0.0, 50.0), Linear(0.0, 50.0))))
    assert drawn.notes() == []
    both = Techniques(sample_on_weights=True, hd_on_weights=True, **rising)
    assert both.method() == drawn.method()
    assert both.notes() == ["-hd_on_weights and -sample_on_weights: the draw is what acts"]
    three = Techniques(sample_on_weights=True, topk_on_weights=True, **rising)
    assert three.method() == Techniques(topk_on_weights=True, **rising).method()
    assert three.notes() == ["-topk_on_weights and -sample_on_weights: top-k is what acts"]


def test_the_original_preset_restores_five_things_and_nothing_else() -> None:
    flags: dict[str, Any] = {
        "topk_on_alphas": True,
        "topk_on_weights": True,
        "dal_on_alphas": True,
        "hd_on_virtualstep": True,
        "bdarts": True,
        "linear_temperature_increase": True,
    }
    ours = Techniques(**flags).method()
    original = Techniques(**flags, preset="original").method()
    top_k = ours.alphas.relax
    assert isinstance(top_k, TopK)
    theirs = replace(top_k, masked=False, exact_gradient=False)
    assert original == replace(
        ours,
        correction=theirs,
        weights=replace(ours.weights, relax=theirs),
        alphas=Objective(theirs, (DiscretizationLoss(target="zero", kinds=("normal",)), BetaDecay())),
    )
    assert Techniques(preset="original").method() == replace(darts(), correction=Soft())
    assert Techniques(preset="original", dal_on_alphas=True, dal_target="none").method().alphas.penalties == (
        DiscretizationLoss(target="none", kinds=("normal",)),
    )


def test_temperatures_are_constant_or_rise_on_both_levels() -> None:
    fixed = Techniques(topk_on_alphas=True, topk_temperature_edge=3, topk_temperature_node=7).method().alphas.relax
    assert fixed == TopK(temperature_edge=Constant(3.0), temperature_node=Constant(7.0))
    flags: dict[str, Any] = {"linear_temperature_increase": True, "linear_temperature_max": 50, "topk_k_edge": 0}
    rising = Techniques(topk_on_alphas=True, **flags).method().alphas.relax
    assert rising == TopK(edge=0, temperature_edge=Linear(0.0, 50.0), temperature_node=Linear(0.0, 50.0))


def test_the_discretization_loss_has_its_schedule_start_and_place() -> None:
    late = Techniques(dal_on_weights=True, dal_factor=0.5, dal_starting_epoch=3, dal_target="zero").method()
    assert late.weights.penalties == (DiscretizationLoss(Constant(0.5), 3, "zero"),)
    assert late.alphas.penalties == ()
    rising = Techniques(dal_on_alphas=True, linear_dal_factor_increase=True, dal_factor_max=4).method()
    assert rising.alphas.penalties == (DiscretizationLoss(Linear(0.0, 4.0)),)


def test_penalties_on_none_and_beta_are_part_of_the_architecture_step() -> None:
    method = Techniques(bdarts=True, normal_none_penalty=2, reduce_none_penalty=-3).method()
    assert method == Method(
        alphas=Objective(Soft(), (BetaDecay(), NonePenalty("normal", 2.0), NonePenalty("reduce", -3.0)))
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"first_order": True, "single_level_optimization": True}, "exclude each other"),
        ({"first_order": True, "amended_hessian": True}, "-amended_hessian"),
        ({"single_level_optimization": True, "amended_hessian": True}, "-amended_hessian"),
        ({"option": 4}, "-option 4"),
        ({"preset": "modern"}, "-preset modern"),
        ({"genotype_to_retain": "top3"}, "-genotype_to_retain top3"),
        ({"sparsity": 0.5}, "-sparsity 0.5"),
        ({"hd_on_weight": True}, "Did you mean 'hd_on_weights'?"),
    ],
)
def test_flags_that_cannot_be_meant_are_refused(flags: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        Techniques(**flags)
    assert said in str(caught.value)


positive = st.floats(0, 1e6)
any_flags = st.fixed_dictionaries(
    {},
    optional={
        **{
            name: st.booleans()
            for name, field in Techniques.model_fields.items()
            if field.annotation is bool and name not in ("single_level_optimization", "amended_hessian")
        },
        "preset": st.sampled_from([None, "original"]),
        "genotype_to_retain": st.sampled_from(["top2", "top2_with_none", "best", "all"]),
        "dal_target": st.sampled_from([None, "none", "zero"]),
        "option": st.integers(1, 3),
        "topk_k_edge": st.integers(0, 9),
        "topk_k_node": st.none() | st.integers(0, 9),
        "hd_start": st.integers(0, 99),
        "dal_starting_epoch": st.integers(0, 99),
        "sparsity": st.floats(1, 4),
        "alpha_warm_up": st.floats(0, 0.99),
        "finite_difference_epsilon": st.floats(1e-12, 1e3),
        "normal_none_penalty": st.floats(-1e6, 1e6),
        "reduce_none_penalty": st.floats(-1e6, 1e6),
        **dict.fromkeys(("topk_temperature_edge", "topk_temperature_node", "linear_temperature_max"), positive),
        **dict.fromkeys(("dal_factor", "dal_factor_max"), positive),
    },
)


@settings(max_examples=50)
@given(any_flags)
def test_a_method_is_read_back_from_its_repr(flags: dict[str, Any]) -> None:
    method = Techniques(**flags).method()
    assert parse_method(repr(method)) == method
