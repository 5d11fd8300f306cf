"""PC-DARTS' supernet, of which a part of the channels is searched, against its paper's equations edge by edge."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dadarts.architecture.skeletons import Site
from dadarts.architecture.spaces import SPACES
from dadarts.architecture.supernet import PartialNode, Supernet
from dadarts.config import SearchConfig
from dadarts.engines.choose import pick_engine
from dadarts.engines.torch_engine import SharedSupernet
from dadarts.errors import InputError
from dadarts.methods.catalogue import pc_darts
from dadarts.methods.relaxations import Hard, Soft
from dadarts.methods.schedules import Progress
from dadarts.searching.bilevel import Bilevel
from tests.nets import (
    MIDWAY,
    build_alphas,
    build_batch,
    build_supernet,
    flat,
    macro_of,
    tiny_space,
    usual_optimizers,
)

Array = NDArray[np.float64]

PARTIAL = [name for name in SPACES if name != "nas-bench-macro"]


def shuffled(x_BCHW: Array, groups: int) -> Array:
    """Channel i of group g goes to place i * groups + g."""
    out = np.empty_like(x_BCHW)
    size = x_BCHW.shape[1] // groups
    for group in range(groups):
        for i in range(size):
            out[:, i * groups + group] = x_BCHW[:, group * size + i]
    return out


def pooled(x_BCHW: Array) -> Array:
    """Largest of every 2x2 square; at an odd border of what there is."""
    _, _, height, width = x_BCHW.shape
    rows = [
        [x_BCHW[:, :, i : i + 2, j : j + 2].max(axis=(2, 3)) for j in range(0, width, 2)] for i in range(0, height, 2)
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def by_hand(node: PartialNode, states: list[Tensor], p_EO: Array, share_E: Array, halving: Mapping[int, bool]) -> Array:
    """The paper's section 3.2 and 3.3: partial connection of every edge, then their sum by the edges' shares."""
    total: Array | float = 0.0
    operations = dict(node.named_children())
    for e, state in enumerate(states):
        inside, rest = state[:, : state.shape[1] // 4], state[:, state.shape[1] // 4 :].numpy()
        mixed: Array | float = 0.0
        for edge, column, name in node.places:
            if edge == e:
                with torch.no_grad():
                    mixed = mixed + p_EO[e, column] * operations[name](inside).numpy()
        through = np.concatenate([mixed, pooled(rest) if halving[e] else rest], axis=1)
        total = total + share_E[e] * shuffled(through, 4)
    return np.asarray(total)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (9, 13)])
def test_a_partial_node_equals_the_paper_s_sum_over_edges(stride: int, size: tuple[int, int]) -> None:
    space = tiny_space("darts")
    node = PartialNode(space, Site(0, "reduce", 8, input_stride=stride), 1, 4).double()
    draw = torch.Generator().manual_seed(0)
    smaller = tuple(-(-side // stride) for side in size)
    states = [torch.randn((2, 8, *at), generator=draw, dtype=torch.float64) for at in (size, size, smaller)]
    alphas = build_alphas(space, 3, activation="edges")
    M = alphas.mix(Soft(), MIDWAY)["reduce"][1].detach()
    share = M.sum(dim=-1)
    expected = by_hand(
        node, states, (M / share.unsqueeze(-1)).numpy(), share.numpy(), {0: stride == 2, 1: stride == 2, 2: False}
    )
    np.testing.assert_allclose(node(states, M).detach().numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", PARTIAL)
def test_a_partial_supernet_has_operations_of_a_quarter_of_the_width_and_gradients_everywhere(name: str) -> None:
    it, macro = tiny_space(name), macro_of(8, layers=3)
    partial, whole = (build_supernet(it, macro, channel_fraction=fraction) for fraction in (4, 1))
    own, full = ({key: weight.shape for key, weight in supernet.named_parameters()} for supernet in (partial, whole))
    assert own.keys() == full.keys()
    assert all(a == b or (a[0] * 4 == b[0] and a != b) for a, b in ((own[key], full[key]) for key in own))
    assert own != full
    alphas = build_alphas(it, activation="edges")
    batch = build_batch(macro)
    logits = partial(batch.images, alphas.mix(Soft(), MIDWAY), batch.key)
    gradients = torch.autograd.grad(logits.square().sum(), [*alphas.parameters()])
    assert logits.shape == (4, 3)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    # The share of a node's only edge is 1.
    assert [bool(gradient.any()) for gradient in gradients] == [len(p) > 1 or p.dim() > 1 for p in alphas.parameters()]


def test_an_edge_that_a_hard_pass_drops_gives_nothing_around_either() -> None:
    it = tiny_space("darts")
    node = PartialNode(it, Site(0, "normal", 8, input_stride=1), 1, 4).double()
    with torch.no_grad():
        M = build_alphas(it, 5, activation="edges").mix(Hard(), MIDWAY)["normal"][1]
    dropped = int(M.sum(dim=-1).argmin())
    assert M.sum(dim=-1).tolist().count(1.0) == 2
    draw = torch.Generator().manual_seed(1)
    states = [torch.randn((2, 8, 5, 5), generator=draw, dtype=torch.float64) for _ in range(3)]
    before = node(states, M)
    states[dropped] = states[dropped] + 1
    assert torch.equal(node(states, M), before)


def test_alphas_and_betas_stand_still_until_the_warm_up_ends() -> None:
    it, macro = tiny_space("connect-nas-bench"), macro_of(8)
    method = pc_darts()
    bilevel = Bilevel(build_supernet(it, macro, 1, 4), build_alphas(it, 1, activation="edges"), method)
    optimizers = usual_optimizers(bilevel)
    moved = []
    for epoch in range(5):
        alphas, w = flat(bilevel.alphas.nodes.parameters()), flat(bilevel.w)
        betas = flat(bilevel.alphas.betas)
        losses = optimizers.step(build_batch(macro, 1), build_batch(macro, 2), Progress(epoch, 5), 0.025)
        assert not torch.equal(w, flat(bilevel.w))
        pairs = (alphas, flat(bilevel.alphas.nodes.parameters())), (betas, flat(bilevel.alphas.betas))
        moved.append(tuple(not torch.equal(before, after) for before, after in pairs))
        assert (losses.valid_loss is None) == (epoch < 2)
    # 0.3 of 5 epochs: epochs 0 and 1 stand at 0 and 0.2.
    assert moved == [(False, False)] * 2 + [(True, True)] * 3


@pytest.mark.parametrize("name", PARTIAL)
def test_the_torch_engine_computes_partial_channels_alike(name: str) -> None:
    space = tiny_space(name)
    torch.manual_seed(0)
    supernet = Supernet(space, macro_of(8), channel_fraction=4).double()
    mixing = build_alphas(space).double().mix(Soft(), MIDWAY)
    images = build_batch(macro_of(8), 1).images.double()
    shared = SharedSupernet(supernet)(images, mixing, 1)
    torch.testing.assert_close(shared, supernet(images, mixing, 1), rtol=1e-12, atol=1e-12)


def test_partial_channels_are_computed_by_the_torch_engine_or_refused() -> None:
    supernet = Supernet(tiny_space("darts"), macro_of(8), channel_fraction=4)
    assert pick_engine("auto", supernet, torch.device("cpu")).name == "torch"
    with pytest.raises(InputError, match="partial channels"):
        pick_engine("native", supernet, torch.device("cpu"))


def test_a_number_of_channels_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(InputError, match=r"^init_channels 6: 1/4 of the channels"):
        SearchConfig(name="a", dataset="digits", init_channels=6, method=pc_darts())
    assert SearchConfig(name="a", dataset="digits", init_channels=8, method=pc_darts()).init_channels == 8
