"""The original's technique flags spell methods, and every one of them changes something."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dadarts.cli.configs import search_command, search_config
from dadarts.cli.flags import Flag
from dadarts.cli.technique_notes import notes
from dadarts.cli.techniques import FLAGS_OF_METHOD, SPELLED, Techniques
from dadarts.errors import InputError
from dadarts.methods.catalogue import METHODS, combined, dadarts, darts, darts_first_order
from dadarts.methods.method import Method, Objective
from dadarts.methods.penalties import BetaDecay, DiscretizationLoss, NonePenalty
from dadarts.methods.relaxations import Hard, Relaxation, SampledTopK, Soft, TopK
from dadarts.methods.schedules import Constant, Linear
from dadarts.methods.techniques import Technique
from dadarts.methods.text import parse_method
from tests.commands import SEED_LINES, TINIEST, modern, result_of_search, succeed, without_pictures

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


def notes_of(techniques: Techniques) -> list[str]:
    """What is said where the user has given all that is set."""
    return notes(techniques, techniques.model_fields_set)


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
    "techniques", [some for n in range(6) for some in combinations(get_args(Technique), n)], ids="-".join
)
def test_any_techniques_make_the_method_that_their_flags_spell(techniques: tuple[Technique, ...]) -> None:
    flags = {flag: value for technique in techniques for flag, value in SPELLED[technique].items()}
    assert Techniques(**flags).method() == combined(techniques)


@pytest.mark.parametrize("name", METHODS)
def test_a_flag_beside_a_named_method_changes_one_thing_or_is_refused(name: str) -> None:
    values = {"name": "it", "dataset": "digits", "method": name, "finite_difference_epsilon": "0.5"}
    if name in FLAGS_OF_METHOD:
        assert search_config(values, "darts")[0].method == replace(
            search_config({**values, "finite_difference_epsilon": "0.01"}, "darts")[0].method, epsilon=0.5
        )
        return
    with pytest.raises(InputError) as refused:
        search_config(values, "darts")
    assert refused.value.marked == f"-finite_difference_epsilon does not go with -method {name}"


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
    assert notes_of(both) == [f"-topk_on_{step} and -hd_on_{step}: top-k is what acts, as in the original"]
    assert notes_of(Techniques(topk_on_alphas=True, hd_on_weights=True)) == []


def test_a_draw_on_weights_has_the_temperatures_of_top_k_and_wins_over_the_hard_pass() -> None:
    rising = {"linear_temperature_increase": True, "linear_temperature_max": 50.0}
    drawn = Techniques(sample_on_weights=True, **rising)
    assert drawn.method() == Method(weights=Objective(SampledTopK(Linear(0.0, 50.0), Linear(0.0, 50.0))))
    assert notes_of(drawn) == []
    both = Techniques(sample_on_weights=True, hd_on_weights=True, **rising)
    assert both.method() == drawn.method()
    assert notes_of(both) == ["-hd_on_weights and -sample_on_weights: the draw is what acts"]
    three = Techniques(sample_on_weights=True, topk_on_weights=True, **rising)
    assert three.method() == Techniques(topk_on_weights=True, **rising).method()
    assert notes_of(three) == ["-topk_on_weights and -sample_on_weights: top-k is what acts"]


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
    assert said in caught.value.marked


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


def without_what_no_pass_uses(method: Method) -> Method:
    """The method with all that its order and its levels of top-k have no use for at one value."""

    def levels(relaxation: Relaxation) -> Relaxation:
        if not isinstance(relaxation, TopK):
            return relaxation
        return replace(
            relaxation,
            temperature_edge=relaxation.temperature_edge if relaxation.edge else Constant(0.0),
            temperature_node=relaxation.temperature_node if relaxation.node != 0 else Constant(0.0),
        )

    single, second = method.order == "single-level", method.order == "second"
    return replace(
        method,
        weights=replace(method.weights, relax=levels(method.weights.relax)),
        alphas=replace(method.alphas, relax=Soft() if single else levels(method.alphas.relax)),
        look_ahead=levels(method.look_ahead) if second else Soft(),
        correction=levels(method.correction) if second and method.correction else None,
        epsilon=method.epsilon if second else 1.0,
    )


ORDERS: list[dict[str, bool]] = [{}, {"first_order": True}, {"single_level_optimization": True}]


@settings(max_examples=300)
@given(any_flags, st.sampled_from(ORDERS))
def test_exactly_the_flags_that_change_nothing_are_said_to_have_no_effect(
    flags: dict[str, Any], order: dict[str, bool]
) -> None:
    flags = {name: value for name, value in flags.items() if name not in ("first_order", "preset")} | order
    assume(not flags.get("topk_k_edge") == flags.get("topk_k_node") == 0)
    said = " ".join(notes_of(Techniques(**flags)))
    with_all = without_what_no_pass_uses(Techniques(**flags).method())
    for name, value in flags.items():
        without = {other: kept for other, kept in flags.items() if other != name}
        is_idle = with_all == without_what_no_pass_uses(Techniques(**without).method())
        if f"-{name} has no effect" in said:
            assert is_idle, name
        elif is_idle and value != Techniques.model_fields[name].default:
            assert f"-{name} and -" in said or f"and -{name}:" in said, name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--topk_temperature_edge 5", ["topk_temperature_edge", "-linear_temperature_increase is on"]),
        ("--topk_temperature_node 5", ["topk_temperature_node", "-linear_temperature_increase is on"]),
        ("--topk_temperature_edge 5 --linear_temperature_increase=False", []),
        ("--linear_temperature_increase=False --linear_temperature_max 5", ["linear_temperature_max", "is off"]),
        ("--dal_factor_max 3", ["dal_factor_max", "-linear_dal_factor_increase is off"]),
        ("--dal_factor 3 --linear_dal_factor_increase", ["dal_factor", "-linear_dal_factor_increase is on"]),
        ("--dal_factor_max 3 --linear_dal_factor_increase", []),
        ("--first_order --hd_on_virtualstep", ["hd_on_virtualstep", "second-order step"]),
        ("--single_level_optimization --topk_on_virtualstep", ["topk_on_virtualstep", "second-order step"]),
        ("--method beta-darts --finite_difference_epsilon 0.1", ["finite_difference_epsilon", "second-order step"]),
        ("--finite_difference_epsilon 0.1 --hd_on_virtualstep", []),
        ("--single_level_optimization --topk_on_alphas", ["topk_on_alphas", "one loss"]),
        ("--method darts --single_level_optimization --hd_on_alphas", ["hd_on_alphas", "one loss"]),
        ("--single_level_optimization", []),
        ("--first_order --hd_on_virtualstep=False", []),
        ("--topk_k_edge 0 --linear_temperature_increase=False --topk_temperature_edge 5", ["topk_temperature_edge"]),
        ("--hd_start 1", []),
        ("--hd_start 1 --hd_on_weights=False", ["hd_start", "no technique that it belongs to acts"]),
        ("--method darts --option 2", ["option", "no technique that it belongs to acts"]),
    ],
)
def test_a_flag_that_the_user_gave_and_that_does_nothing_is_said_so(words: str, said: list[str]) -> None:
    method = Flag(("method",), "run", "a method")
    command = search_command("dadarts search", method, method="dadarts")
    values = command.parse(["--name", "it", "--dataset", "digits", *words.split()])
    found = search_config(values, "dadarts")[1]
    assert len(found) == bool(said), found
    if said:
        assert found[0].startswith(f"-{said[0]} has no effect: ")
        assert all(part in found[0] for part in said)


@pytest.mark.parametrize("line", SEED_LINES.values())
def test_of_the_lines_on_the_original_s_page_nothing_is_said(line: str) -> None:
    values = search_command("search.py").parse(shlex.split(line)[2:])
    assert search_config(values, "darts")[1] == []
    assert "has no effect" not in " ".join(search_config(values, "dadarts")[1])


@pytest.mark.parametrize("name", FLAGS_OF_METHOD)
def test_of_what_a_named_method_sets_nothing_is_said(name: str) -> None:
    for more in ({}, {"first_order": "True"}, {"single_level_optimization": "True"}):
        if more and FLAGS_OF_METHOD[name].get("first_order"):
            continue
        values = {"name": "it", "dataset": "digits", "method": name, **more}
        assert search_config(values, "darts")[1] == []


def test_what_does_nothing_is_said_once_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without_pictures(monkeypatch)
    idle = ["--first_order", "--hd_on_virtualstep", "--topk_temperature_edge", "5"]
    outcome = succeed(modern, "search", "-name", "it", *TINIEST, *idle)
    log = Path("runs/search/it/log.txt").read_text()
    for flag in ("hd_on_virtualstep", "topk_temperature_edge"):
        assert outcome.err.count(f"note: --{flag} has no effect") == log.count(f"--{flag} has no effect") == 1
    succeed(modern, "search", "-name", "same", *TINIEST, "--first_order")
    assert result_of_search(Path("runs/search/it")) == result_of_search(Path("runs/search/same"))
