"""What operations cost: at all places that networks have, by the same function, kept for this machine."""

from __future__ import annotations

import errno
import io
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dadarts import files
from dadarts.architecture.genotype import random_genotype
from dadarts.architecture.network import FixedNode, LoneNode, Network
from dadarts.architecture.operations import NONE
from dadarts.architecture.places import Place, places_of, places_of_genotype
from dadarts.architecture.skeletons import Macro, Site
from dadarts.architecture.spaces import SPACES, space
from dadarts.cli.profile import _progress
from dadarts.cli.show import show
from dadarts.cli.shown_run import Pictures
from dadarts.engines.native.network import FusedNode
from dadarts.engines.profile import (
    Cost,
    Profile,
    Scale,
    cost,
    keep,
    kept,
    probe,
    profiled,
    table,
)
from dadarts.engines.profile.fit import fitted
from dadarts.engines.profile.probe import probes
from tests.commands import modern, refusal, succeed
from tests.data.samples import write_classes
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

    def costs_of_networks(networks: list[Network], batch: int, done: Callable[[], None]) -> list[Cost]:
        # As much as the sum of their operations, and 1, 2 and 3 seconds.
        totals = [sum(place.channels * times for place, times in recorded_places(each).items()) for each in networks]
        return [Cost(1 + 1e-6 * total, 2 + 1e-5 * total, 3 + 1e-4 * total) for total in totals]

    monkeypatch.setattr(probe, "SMALL", 3)
    monkeypatch.setattr(table, "cost_of", cost_of)
    monkeypatch.setattr(table, "costs_of_networks", costs_of_networks)
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
    assert astuple(profile.rest) == pytest.approx((1, 2, 3), rel=1e-4)
    genotype = random_genotype(scale().space, 3)
    added = sum(place.channels * times for place, times in places_of_genotype(genotype, scale().macro).items())
    expected = Cost(1, 2, 3).plus(Cost(1e-6, 1e-5, 1e-4), added)
    assert astuple(profile.of(genotype, scale().macro)) == pytest.approx(astuple(expected), rel=1e-4)
    with pytest.raises(KeyError):
        profile.of(genotype, replace(scale().macro, channels=3))


@pytest.mark.parametrize("name", SPACES)
def test_a_probe_has_the_places_that_it_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SMALL", 2)
    macro = replace(MACRO, layers=4)
    found = probes(space(name), macro)
    for each in (found[0], found[-1]):
        assert recorded_places(each.network) == each.places
        assert each.network.macro == each.macro
    assert found[-1].macro == macro
    assert set(found[0].places) <= set(places_of(space(name), macro))
    # Small probes could be of every place.
    assert set(places_of(space(name), found[0].macro)) == set(places_of(space(name), macro))
    assert found[0].places != found[1].places


def test_whole_networks_correct_what_operations_cost_alone() -> None:
    own, macro = scale().space, scale().macro
    found = probes(own, macro)
    places = places_of(own, macro)
    truth = {place: Cost(*[1e-5 * (1 + number % 7)] * 3) for number, place in enumerate(places)}
    # Alone they seem to cost half as much, or half more.
    alone = {place: truth[place].plus(truth[place], (-0.5, 0.5)[number % 2]) for number, place in enumerate(places)}
    rest = Cost(2e-4, 2e-4, 2e-4)
    measured = [_summed(truth, probe.places, rest) for probe in found]
    costs, rests = fitted(alone, found, measured)
    errors = {}
    for way, by in (("alone", alone), ("together", costs)):
        others = [places_of_genotype(random_genotype(own, seed), macro) for seed in range(100, 120)]
        pairs = [(_summed(by, each, rests[macro]), _summed(truth, each, rest)) for each in others]
        errors[way] = max(abs(found.forward / true.forward - 1) for found, true in pairs)
    assert errors["together"] < errors["alone"] / 2
    assert all(cost.forward >= 0 for cost in costs.values())


def _summed(costs: dict[Place, Cost], places: Counter[Place], rest: Cost) -> Cost:
    for place, times in places.items():
        rest = rest.plus(costs[place], times)
    return rest


def test_what_was_measured_is_kept_for_the_same_question(quick: list[Place], cache: Path) -> None:
    assert kept(scale()) is None
    profile = profiled(scale())
    keep(scale(), profile)
    assert kept(scale()) == profile
    assert kept(scale(batch=3)) is None
    (file,) = cache.iterdir()
    for damaged in ("", "[]", '{"operations": [{}], "rest": {}}', file.read_text()[:-9]):
        file.write_text(damaged)
        assert kept(scale()) is None


def test_a_measurement_takes_time(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_ROUNDS", "_ROUNDS_OF_NETWORKS"):
        monkeypatch.setattr(cost, name, 2)
    monkeypatch.setattr(probe, "SMALL", 3)
    told: list[tuple[int, int]] = []
    profile = profiled(scale(), lambda done, of: told.append((done, of)))
    assert [done for done, _ in told] == list(range(1, told[0][1] + 1))
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


def test_show_finds_what_was_measured_in_other_batches_and_of_other_classes(
    quick: list[Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_classes(Path("own"), 8, size=(8, 8, 3))
    sizes = ("--init_channels", "2", "--layers", "1")
    words = ("--search_space", "nas-bench-201", "--dataset", "own", *sizes)
    succeed(modern, "profile", *words, "--batch_size", "4", "--threads", "1")
    genotype = random_genotype(space("nas-bench-201"), 1)
    found = show(genotype, dataset=Pictures("theirs", (3, 8, 8), 7), init_channels=2, layers=1)
    assert found.prediction_us is not None
    assert found.prediction_in == "batches of 4, with 1 thread"
    succeed(modern, "profile", *words, "--batch_size", "16", "--threads", "1")
    again = show(genotype, dataset=Pictures("theirs", (3, 8, 8), 7), init_channels=2, layers=1)
    assert again.prediction_in == "batches of 16, with 1 thread"
    assert show(genotype, dataset=Pictures("theirs", (3, 9, 8), 7), init_channels=2, layers=1).prediction_us is None


@pytest.mark.parametrize("is_full", [False, True])
def test_it_says_that_it_measures_and_prints_what_it_cannot_keep(
    quick: list[Place], cache: Path, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    def full(temporary: Path, path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    if is_full:
        monkeypatch.setattr(files, "put", full)
    else:
        cache.write_text("not a folder")
    outcome = succeed(modern, "profile", *TINY)
    first, second = outcome.err.splitlines()
    assert "measuring" in first
    assert "not kept" in second
    assert str(cache) in second
    assert "nor_conv_3x3" in outcome.out


def test_on_a_terminal_a_bar_grows(quick: list[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with _progress() as progress:
        progress(1, 4)
        progress(4, 4)
    assert "measuring" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


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
