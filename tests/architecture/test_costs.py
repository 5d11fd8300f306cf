"""Parameters and multiply-adds, against torch's own counter over the whole network."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dadarts.architecture import costs
from dadarts.architecture.costs import Costs, count_costs
from dadarts.architecture.counting import count_parameters, multiply_adds
from dadarts.architecture.genotype import CellGenotype, Genotype, random_genotype
from dadarts.architecture.network import Network
from dadarts.architecture.operations import OPS, Operation
from dadarts.architecture.places import Place
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SPACES, SearchSpace, space


def counted_by_torch(genotype: Genotype, macro: Macro, device: str = "meta") -> Costs:
    with torch.device(device):
        network = Network(genotype, macro).eval()
        picture = torch.empty((1, *macro.image_shape))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(picture)
    return Costs(count_parameters(network), counter.get_total_flops() // 2)


@pytest.mark.parametrize("macro", [Macro(3, 4, (2, 9, 13), 7), Macro(2, 3, (3, 97, 98), 5)], ids=["odd", "ImageNet"])
@pytest.mark.parametrize("name", SPACES)
def test_costs_are_those_that_torch_counts_over_the_whole_network(name: str, macro: Macro) -> None:
    for seed in range(2):
        genotype = random_genotype(space(name), seed)
        assert count_costs(genotype, macro) == counted_by_torch(genotype, macro)


def one_of_each(names: list[str]) -> Genotype:
    nodes = tuple(((name, 0), (name, 1)) for name in names)
    cell = CellGenotype(nodes, tuple(range(2, 2 + len(nodes))))
    return Genotype({"normal": cell, "reduce": cell}, "darts")


def test_every_operation_costs_what_torch_counts() -> None:
    genotype, macro = one_of_each(list(OPS)), Macro(3, 3, (3, 9, 10), 4)
    assert count_costs(genotype, macro) == counted_by_torch(genotype, macro)


@pytest.mark.parametrize("name", SPACES)
def test_counting_needs_nothing_of_torch_that_takes_seconds_to_import(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("torch._dynamo", "torch.fx.experimental.symbolic_shapes"):
        monkeypatch.setitem(sys.modules, module, None)
    asked: list[str] = []
    inner = costs._costs_on

    def noted(device: str, space: SearchSpace, place: Place) -> Costs:
        asked.append(device)
        return inner(device, space, place)

    monkeypatch.setattr(costs, "_costs_on", noted)
    for seed in range(3):
        count_costs(random_genotype(space(name), seed), Macro(4, 2, (3, 33, 32), 10))
    assert set(asked) == {"meta"}


class Attention(nn.Module):
    """Products of matrices that no layer spells."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.mixed = nn.Parameter(torch.empty(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        rows = x.flatten(2)
        scores = torch.einsum("bci,bcj->bij", rows, rows).softmax(2)
        out = torch.einsum("bij,bcj,cd->bdi", scores, rows, self.mixed)
        return out.reshape(x.shape)


class OfNumbers(nn.Module):
    """What cannot be asked for a shape alone."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x) * float(np.float32(x.detach().abs().max()))
        return out


@pytest.mark.parametrize("made", [Attention, OfNumbers])
def test_an_operation_from_outside_costs_what_its_pass_does(
    made: type[Attention | OfNumbers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPS, "own", Operation(lambda channels, stride, affine: made(channels, stride), False, "own"))
    genotype, macro = one_of_each(["own", "max_pool_3x3"]), Macro(4, 3, (3, 9, 8), 10)
    state = torch.get_rng_state()
    found = count_costs(genotype, macro)
    assert torch.equal(torch.get_rng_state(), state)
    assert found == counted_by_torch(genotype, macro, "cpu")
    assert found.multiply_adds > count_costs(one_of_each(["max_pool_3x3"] * 2), macro).multiply_adds


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)), kernel=st.integers(1, 4), stride=st.integers(1, 3),
    ceils=st.booleans(), dilation=st.integers(1, 2), data=st.data(),
)  # fmt: skip
def test_shapes_that_are_answered_are_those_that_torch_computes(
    size: tuple[int, int], kernel: int, stride: int, ceils: bool, dilation: int, data: st.DataObject
) -> None:
    padding = data.draw(st.integers(0, kernel // 2))
    layers: list[nn.Module] = [
        nn.Conv2d(2, 4, kernel, stride, padding, dilation, groups=2, bias=data.draw(st.booleans())),
        nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceils),
        nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceils),
        nn.MaxPool2d((kernel, 1), ceil_mode=ceils),
    ]
    for layer in layers:
        x = torch.zeros(1, 2, *size)
        try:
            expected = layer(x).shape
        except RuntimeError:
            # No window fits.
            continue
        shapes: list[torch.Size] = []
        layer.register_forward_hook(partial(_note, shapes))
        multiply_adds(layer.to("meta"), x.to("meta"))
        assert shapes == [expected]


def _note(shapes: list[torch.Size], module: nn.Module, given: object, out: Tensor) -> None:
    shapes.append(out.shape)
