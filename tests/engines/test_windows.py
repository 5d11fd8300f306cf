"""Every engine computes whatever operations a space names, with any window: exactly, or as torch does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dadarts.architecture.norms import BatchNorm, batch_norm, pool_norm
from dadarts.architecture.operations import OPS, DilConv, FactorizedReduce, Operation, ReLUConvBN, SepConv
from dadarts.architecture.spaces import SearchSpace, Size, space
from dadarts.architecture.supernet import Forward, MixedNode, Supernet
from dadarts.engines.native import Window
from dadarts.engines.native.decompose import Chain, Identity, Other, Pool, Projection, term_of
from dadarts.engines.parts import pool_of
from dadarts.methods.relaxations import Soft
from tests.engines.test_fused import (
    FORMS,
    Form,
    assert_close,
    both,
    cast,
    check_every_form,
    check_every_form_of_a_hard_pass,
    form_named,
    gradients,
    of_four_channels,
)
from tests.nets import MIDWAY, build_alphas, native_kernels

ODD = (1, 9, 13)


class Louder(nn.Identity):
    """A user's own operation that looks like a skip connection."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


class Doubled(SepConv):
    """A user's own operation that looks like a separable convolution."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return out + 1


class Shifted(FactorizedReduce):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(x)
        return out.roll(1, dims=1)


def softened(operation: nn.Sequential) -> nn.Module:
    operation[0] = nn.Softplus()
    return operation


class Cropped(nn.Module):
    """A user's pool whose output is cut to the size that operations have."""

    def __init__(self, window: nn.Module, stride: int) -> None:
        super().__init__()
        self.window, self.stride = window, stride

    def forward(self, x: Tensor) -> Tensor:
        height, width = (-(-size // self.stride) for size in x.shape[2:])
        out: Tensor = self.window(x)
        return out[:, :, :height, :width]


def own(build: Any) -> Operation:
    return Operation(lambda c, s, affine: build(c, s), False, "own")


OWN: Mapping[str, Operation] = {
    **{name: OPS[name] for name in OPS if name not in ("none", "noise")},
    "avg_pool_5x5": own(lambda c, s: pool_of_five(nn.AvgPool2d, c, s, count_include_pad=False)),
    "max_pool_5x5": own(lambda c, s: pool_of_five(nn.MaxPool2d, c, s)),
    "max_pool_7x7_raw": own(lambda c, s: nn.MaxPool2d(7, s, 3)),
    "avg_pool_raw": own(lambda c, s: nn.AvgPool2d(3, s, 1, count_include_pad=False)),
    "avg_pool_padded": own(lambda c, s: nn.Sequential(nn.AvgPool2d(3, s, 1), pool_norm(c, False))),
    "avg_pool_divided": own(lambda c, s: nn.AvgPool2d(3, s, 1, count_include_pad=False, divisor_override=7)),
    "max_pool_wide": own(lambda c, s: nn.Sequential(nn.MaxPool2d((3, 5), s, (1, 2)), pool_norm(c, False))),
    "max_pool_ceil": own(lambda c, s: Cropped(nn.MaxPool2d(3, s, 1, ceil_mode=True), s)),
    "max_pool_other_eps": own(lambda c, s: nn.Sequential(nn.MaxPool2d(3, s, 1), nn.BatchNorm2d(c, 0.5, affine=False,
                                                                                               track_running_stats=False))),
    "max_pool_affine": own(lambda c, s: nn.Sequential(nn.MaxPool2d(3, s, 1), BatchNorm(c, track_running_stats=False))),
    "max_pool_then_conv": own(lambda c, s: nn.Sequential(nn.MaxPool2d(3, s, 1), nn.Conv2d(c, c, 1, bias=False))),
    "max_pool_then_two": own(lambda c, s: nn.Sequential(nn.MaxPool2d(3, s, 1), pool_norm(c, False), nn.Tanh())),
    "sep_conv_9x9": own(lambda c, s: SepConv(c, 9, s, False)),
    "dil_conv_7x7": own(lambda c, s: DilConv(c, 7, s, False)),
    "sep_conv_soft": own(lambda c, s: softened(SepConv(c, 3, s, False))),
    "conv_soft": own(lambda c, s: softened(ReLUConvBN(c, c, 1, s, False))),
    "sep_conv_biased": own(lambda c, s: nn.Sequential(
        nn.ReLU(), nn.Conv2d(c, c, 3, s, 1, groups=c), nn.Conv2d(c, c, 1, bias=False), batch_norm(c, False))),
    "sep_conv_reflecting": own(lambda c, s: nn.Sequential(
        nn.ReLU(), nn.Conv2d(c, c, 3, s, 1, groups=c, bias=False, padding_mode="reflect"),
        nn.Conv2d(c, c, 1, bias=False), batch_norm(c, False))),
    "grouped": own(lambda c, s: nn.Sequential(
        nn.ReLU(), nn.Conv2d(c, c, 3, s, 1, groups=2, bias=False), nn.Conv2d(c, c, 1, groups=2, bias=False),
        batch_norm(c, False))),
    "dilated_by_three": own(lambda c, s: nn.Sequential(
        nn.ReLU(), nn.Conv2d(c, c, 3, s, 3, dilation=3, groups=c, bias=False), nn.Conv2d(c, c, 1, bias=False),
        batch_norm(c, False))),
    "doubled": own(lambda c, s: Doubled(c, 3, s, False)),
    "louder": own(lambda c, s: Louder() if s == 1 else Shifted(c, c, False)),
    "nothing_added": own(lambda c, s: nn.Sequential() if s == 1 else nn.Sequential(FactorizedReduce(c, c, False))),
}  # fmt: skip
"""All operations of ours, and a user's, most of which look like one of ours and are none."""


def pool_of_five(kind: Any, channels: int, stride: int, **options: Any) -> nn.Module:
    return nn.Sequential(kind(5, stride, 2, **options), pool_norm(channels, False))


def space_of(*names: str) -> SearchSpace:
    cell = ((names,) * 2, (names,) * 3)
    return SearchSpace("own", "darts", OWN, 2, {"normal": cell, "reduce": cell}, 2, True, Size(4, 3), Size(4, 3))


@pytest.mark.parametrize("name", [name for name in OWN if name not in space("darts").candidates["normal"][0][0]])
def test_any_operation_is_computed_as_the_readable_supernet_does(name: str) -> None:
    familiar = ("max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3")
    check_every_form(space_of(*dict.fromkeys((name, *familiar))), ODD, Soft())


def test_all_of_them_at_once_are_computed_in_both_precisions() -> None:
    search_space = space_of(*OWN)
    exact, *fast_exact = passes_of(search_space, torch.float64)
    reference, *single = passes_of(search_space, torch.float32)
    for fast in fast_exact:
        assert_close(fast, exact, exact.norm().item())
    for fast in single:
        assert 0 < (fast - exact).norm() <= 3 * (reference - exact).norm()


def passes_of(search_space: SearchSpace, dtype: torch.dtype) -> list[Tensor]:
    """Logits and gradients of the readable supernet and of every form, each as one vector."""
    supernet = of_four_channels(search_space, ODD).to(dtype)
    alphas = build_alphas(search_space).to(dtype)
    inputs = [*alphas.parameters(), *supernet.parameters()]
    found = []
    for forward in (supernet, *(form_named(name)(supernet) for name in FORMS)):
        logits, gradient = gradients(cast(forward, dtype), alphas.mix(Soft(), MIDWAY), inputs, ODD)
        found.append(torch.cat([part.double().flatten() for part in (logits, *gradient)]))
    return found


def test_a_hard_pass_chooses_among_them() -> None:
    check_every_form_of_a_hard_pass(space_of(*OWN), ODD)


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("sep_conv_3x3", Chain),
        ("sep_conv_5x5", Chain),
        ("dil_conv_3x3", Chain),
        ("dil_conv_5x5", Chain),
        ("avg_pool_3x3", Pool),
        ("max_pool_3x3", Pool),
        ("nor_conv_1x1", Projection),
        ("nor_conv_3x3", Other),
        ("sep_conv_7x7", Other),
        ("conv_7x1_1x7", Other),
    ],
)
def test_kernels_still_compute_what_they_can(name: str, term: type) -> None:
    assert type(term_of(OPS[name].build(4, 1, False))) is term
    assert type(term_of(OPS["skip_connect"].build(4, 1, False))) is Identity
    assert type(term_of(OPS["skip_connect"].build(4, 2, False))) is Projection


def test_what_nodes_share_is_computed_once_for_equal_pools_only() -> None:
    calls: list[tuple[int, ...]] = []
    supernet, fast = both(shared_form(), space_of("max_pool_3x3", "max_pool_5x5", "sep_conv_3x3"), ODD, layers=1)
    pools = [m for node in nodes_of(supernet) for m in node.modules() if isinstance(m, nn.MaxPool2d)]
    for each in pools:
        each.register_forward_hook(lambda m, _, out: calls.append((m.kernel_size, *out.shape)))
    with torch.no_grad():
        mixing = build_alphas(supernet.space).mix(Soft(), MIDWAY)
        fast(torch.randn(2, *ODD, dtype=torch.float64), mixing)
    # Three states are read; each gives one pool of either size, whoever reads it.
    assert sorted(kernel for kernel, *_ in calls) == [3, 3, 3, 5, 5, 5]
    assert len(pools) == 10


def nodes_of(supernet: Supernet) -> list[MixedNode]:
    return [module for module in supernet.modules() if isinstance(module, MixedNode)]


def shared_form() -> Form:
    from dadarts.engines.torch_engine import SharedSupernet

    def build(supernet: Supernet) -> Forward:
        return SharedSupernet(supernet)

    return build


def test_pools_of_other_windows_are_refused_by_the_kernels_rather_than_miscomputed() -> None:
    kernels = native_kernels()
    x = torch.randn(2, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    for window in (Window(5), Window(3, dilation=2)):
        with pytest.raises(ValueError, match="pools are 3 wide"):
            kernels.average_forward(window, x, None)
        with pytest.raises(ValueError, match="pools are 3 wide"):
            kernels.maximum_forward(window, x, None)
        with pytest.raises(ValueError, match="pools are 3 wide"):
            kernels.average_backward(window, x, x)
        with pytest.raises(ValueError, match="pools are 3 wide"):
            kernels.maximum_backward(window, x, x.byte(), x)


def test_facts_tell_pools_apart() -> None:
    names = [name for name in OWN if "pool" in name]
    facts = [pool_of(OWN[name].build(4, stride, False)) for name in names for stride in (1, 2)]
    known = [each for each in facts if each is not None]
    assert len(set(known)) == len(known) == 2 * (len(names) - 4)
