"""What operations cost: at all places that networks have, by the same function, kept for this machine."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dadarts.architecture.genotype import random_genotype
from dadarts.architecture.network import FixedNode, LoneNode, Network
from dadarts.architecture.operations import NONE
from dadarts.architecture.places import Place, places_of, places_of_genotype
from dadarts.architecture.skeletons import Macro, Site
from dadarts.architecture.spaces import SPACES, space
from dadarts.engines.native.network import FusedNode
from dadarts.engines.profile import (
    Cost,
    Profile,
    Scale,
    cost,
    kept,
    profiled,
    table,
)
from tests.commands import modern, refusal, succeed
from tests.nets import native_kernels

MACRO = Macro(4, 3, (3, 9, 8), 4)
TINY = ("--search_space", "nas-bench-201", "--dataset", "digits", "--init_channels", "2", "--layers", "1")


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    # Not the whole cache, where the compiled kernels are.
    monkeypatch.setattr(table, "_folder", lambda: tmp_path / "costs")
    return tmp_path / "costs"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, cache: Path) -> list[Place]:
    """Costs without a clock: microseconds, one, ten and a hundred for each channel; and what was asked."""
    asked: list[Place] = []

    def cost_of(space: object, place: Place, batch: int) -> Cost:
        asked.append(place)
        return Cost(1e-6 * place.channels, 1e-5 * place.channels, 1e-4 * place.channels)

    monkeypatch.setattr(table, "cost_of", cost_of)
    monkeypatch.setattr(table, "cost_of_network", lambda network, batch: Cost(1, 1, 1))
    return asked


def recorded_places(network: Network) -> Counter[Place]:
    """What the operations of a network say themselves, when pictures go through it."""
    found: Counter[Place] = Counter()
    for node in network.modules():
        if not isinstance(node, FixedNode):
            continue
        for _, edge in node.edges:
            name = edge.split("-")[1]

            def note(module: nn.Module, given: tuple[Tensor], out: Tensor, name: str = name) -> None:
                c, h, w = given[0].shape[1:]
                stride = 2 if out.shape[2] < h else 1
                found[Place(name, (c, h, w), out.shape[1], stride)] += 1

            node.get_submodule(edge).register_forward_hook(note)
    network.eval()(torch.zeros((1, *network.macro.image_shape)))
    return found


@pytest.mark.parametrize("name", SPACES)
def test_the_places_of_a_genotype_are_where_its_network_has_operations(name: str) -> None:
    genotype = random_genotype(space(name), 0)
    assert places_of_genotype(genotype, MACRO) == recorded_places(Network(genotype, MACRO))


@pytest.mark.parametrize("name", SPACES)
def test_every_genotype_s_places_are_among_those_of_its_space(name: str) -> None:
    places = places_of(space(name), MACRO)
    assert len(set(places)) == len(places)
    assert {place.operation for place in places} == {
        operation for cell in space(name).candidates.values() for node in cell for edge in node for operation in edge
    } - {NONE}
    for seed in range(5):
        assert set(places_of_genotype(random_genotype(space(name), seed), MACRO)) <= set(places)


@pytest.mark.parametrize("name", ["darts", "nas-bench-201", "nas-bench-macro"])
def test_what_is_timed_is_the_node_itself(name: str) -> None:
    kernels = native_kernels()
    own = space(name)
    for place in places_of(own, MACRO):
        site = Site(0, own.kinds[0], place.channels, place.stride)
        torch.manual_seed(0)
        node = LoneNode(own, site, (place.operation, place.operation)).double()
        node.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = torch.randn((3, *place.inputs), dtype=torch.float64).contiguous(memory_format=torch.channels_last)
        x.requires_grad_()
        wanted = [x, *node.parameters()]
        results = []
        for form in (node, FusedNode(node, kernels)):
            out = form(x)
            weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
            results.append([out.detach(), *torch.autograd.grad((out * weights).sum(), wanted)])
        for plain, fused in zip(*results, strict=True):
            torch.testing.assert_close(fused, plain, rtol=1e-10, atol=1e-10)


def scale(batch: int = 2) -> Scale:
    return Scale(space("nas-bench-201"), Macro(2, 1, (1, 8, 8), 10), batch, 1)


def test_a_network_costs_the_sum_of_its_operations_and_the_rest(quick: list[Place]) -> None:
    profile = profiled(scale())
    assert isinstance(profile, Profile)
    first = places_of_genotype(random_genotype(scale().space, 0), scale().macro)
    own = sum(place.channels * times for place, times in first.items())
    assert astuple(profile.rest) == pytest.approx((1 - 1e-6 * own, 1 - 1e-5 * own, 1 - 1e-4 * own))
    other = random_genotype(scale().space, 3)
    added = sum(place.channels * times for place, times in places_of_genotype(other, scale().macro).items())
    expected = profile.rest.plus(Cost(1e-6, 1e-5, 1e-4), added)
    assert astuple(profile.of(other, scale().macro)) == pytest.approx(astuple(expected))
    with pytest.raises(KeyError):
        profile.of(other, replace(scale().macro, channels=3))


def test_what_was_measured_is_kept_for_the_same_question(quick: list[Place], cache: Path) -> None:
    assert kept(scale()) is None
    profile = profiled(scale())
    assert kept(scale()) == profile
    assert kept(scale(batch=3)) is None
    (file,) = cache.iterdir()
    for damaged in ("", "[]", '{"operations": [{}], "rest": {}}', file.read_text()[:-9]):
        file.write_text(damaged)
        assert kept(scale()) is None


def test_a_measurement_takes_time(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_ROUNDS", 2)
    profile = profiled(scale())
    assert isinstance(profile, Profile)
    assert list(profile.operations) == places_of(scale().space, scale().macro)
    dense = [cost for place, cost in profile.operations.items() if place.operation == "nor_conv_3x3"]
    assert all(cost.training > 0 for cost in dense)
    assert profile.rest.training > 0


def test_it_is_measured_once_and_printed_as_a_table_or_json(quick: list[Place]) -> None:
    text = succeed(modern, "profile", *TINY).out
    asked = len(quick)
    assert asked == len(places_of(space("nas-bench-201"), Macro(2, 1, (1, 8, 8), 10)))
    assert text.splitlines()[1].split()[:3] == ["operation", "of", "stride"]
    assert any(line.split()[:6] == ["nor_conv_3x3", "2x8x8", "1", "2.0", "20.0", "200.0"] for line in text.splitlines())
    found: dict[str, Any] = json.loads(succeed(modern, "profile", *TINY, "--json").out)
    assert len(quick) == asked
    assert found["space"] == "nas-bench-201"
    assert len(found["seconds_per_picture"]["operations"]) == asked
    succeed(modern, "profile", *TINY, "--again")
    assert len(quick) == 2 * asked


def test_show_says_what_a_prediction_costs_where_it_was_measured(quick: list[Place], tmp_path: Path) -> None:
    sizes = ("--dataset", "digits", "--init_channels", "2", "--layers", "1", "--runs_dir", str(tmp_path))
    genotype = random_genotype(space("nas-bench-201"), 1)
    assert "prediction_us" not in succeed(modern, "show", str(genotype), *sizes).out
    succeed(modern, "profile", *TINY)
    shown = json.loads(succeed(modern, "show", str(genotype), *sizes, "--json").out)
    profile = kept(Scale(space("nas-bench-201"), Macro(2, 1, (1, 8, 8), 10), 32, 1))
    assert profile is not None
    assert shown["prediction_us"] == round(1e6 * profile.of(genotype, Macro(2, 1, (1, 8, 8), 10)).prediction, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--dataset", "cifar"), "data set"),
        (("--search_space", "darst"), "search space"),
        (("--layers", "0"), "layers"),
        (("--search_space", "nas-bench-macro", "--nodes", "3"), "8 layers"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(words: tuple[str, ...], said: str) -> None:
    assert said in refusal(modern, "profile", *words)
