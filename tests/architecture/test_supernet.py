"""The network that is searched under hard mixing weights is the discrete network, number for number."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dadarts.architecture.discretization import discretize
from dadarts.architecture.operations import Noise, Zero
from dadarts.architecture.skeletons import Cell
from dadarts.architecture.spaces import SPACES
from dadarts.architecture.supernet import Mixing, Supernet
from dadarts.methods.alphas import Alphas
from dadarts.methods.relaxations import Hard, Soft
from dadarts.seeds import generator
from tests.nets import (
    MIDWAY,
    build_alphas,
    build_batch,
    build_supernet,
    discrete_twin,
    macro_of,
    ragged_space,
    tiny_space,
)

BAR = 1e-10


def hard(search_space_name: str, seed: int) -> tuple[Mixing, Mixing]:
    """Hard mixing weights of random alphas as constants, and with the straight-through gradient."""
    alphas = build_alphas(tiny_space(search_space_name), seed)
    with torch.no_grad():
        fixed = alphas.mix(Hard(), MIDWAY)
    return fixed, alphas.mix(Hard(), MIDWAY)


@pytest.mark.parametrize("name", SPACES)
@given(
    seed=st.integers(0, 10**6),
    size=st.sampled_from([(8, 8), (9, 13), (11, 7), (12, 9)]),
    colours=st.sampled_from([1, 3]),
    layers=st.integers(1, 3),
    channels=st.integers(2, 3),
)
@settings(deadline=None, max_examples=6)
def test_the_hard_pass_equals_the_discrete_network_with_copied_weights(
    name: str, seed: int, size: tuple[int, int], colours: int, layers: int, channels: int
) -> None:
    macro = macro_of(channels, layers, (colours, *size))
    supernet = build_supernet(tiny_space(name), macro, seed)
    fixed, _ = hard(name, seed)
    batch = build_batch(macro, seed)
    with torch.no_grad():
        searched = supernet(batch.images, fixed, batch.key)
        discrete = discrete_twin(supernet, fixed)(batch.images, noise_key=batch.key)
    assert float(searched.std()) > 0
    torch.testing.assert_close(searched, discrete, rtol=0, atol=BAR)


@pytest.mark.parametrize("name", SPACES)
def test_equality_holds_behind_the_imagenet_stem(name: str) -> None:
    macro = macro_of(2, 1, (3, 97, 97))
    supernet = build_supernet(tiny_space(name), macro, 1)
    fixed, _ = hard(name, 1)
    batch = build_batch(macro, 1, size=2)
    with torch.no_grad():
        searched = supernet(batch.images, fixed, batch.key)
        discrete = discrete_twin(supernet, fixed)(batch.images, noise_key=batch.key)
    torch.testing.assert_close(searched, discrete, rtol=0, atol=BAR)


def test_the_imagenet_stem_begins_above_96_pixels() -> None:
    shapes = {side: macro_of(2, 1, (3, side, 120)) for side in (96, 97)}
    stems = {side: Supernet(tiny_space("S2"), macro).backbone for side, macro in shapes.items()}
    x = torch.randn(2, 3, 97, 120)
    assert stems[96].get_submodule("stem0")(x).shape[-2:] == (97, 120)
    assert stems[97].get_submodule("stem0")(x).shape[-2:] == (25, 30)


@pytest.mark.parametrize("name", SPACES)
def test_a_discrete_network_adds_only_batch_norm_to_the_weights_of_its_supernet(name: str) -> None:
    supernet = build_supernet(tiny_space(name), macro_of(layers=2), 0)
    fixed, _ = hard(name, 0)
    network = discrete_twin(supernet, fixed)
    shared = supernet.state_dict()
    norms = {path for path, module in network.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}
    for key, value in network.state_dict().items():
        if key in shared:
            assert torch.equal(value, shared[key])
        else:
            path, _, last = key.rpartition(".")
            assert path in norms
            assert last in {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


@pytest.mark.parametrize("name", SPACES)
def test_the_straight_through_pass_gives_the_logits_of_the_skipping_pass(name: str) -> None:
    macro = macro_of(layers=2)
    supernet = build_supernet(tiny_space(name), macro, 2)
    batch = build_batch(macro, 2)
    fixed, through = hard(name, 2)
    assert all(node.requires_grad for nodes in through.values() for node in nodes)
    skipping = supernet(batch.images, fixed, batch.key)
    computing_all = supernet(batch.images, through, batch.key)
    torch.testing.assert_close(computing_all, skipping, rtol=0, atol=0)


@pytest.mark.parametrize("name", SPACES)
def test_operations_that_were_not_chosen_get_zero_gradients_and_not_none(name: str) -> None:
    macro = macro_of(layers=3)
    supernet = build_supernet(tiny_space(name), macro, 3)
    batch = build_batch(macro, 3)
    fixed, through = hard(name, 3)
    parameters = list(supernet.parameters())

    def gradients(mixing: Mixing) -> tuple[Tensor, ...]:
        loss = torch.nn.functional.cross_entropy(supernet(batch.images, mixing, batch.key), batch.labels)
        return torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)

    kept = {key for key, _ in discrete_twin(supernet, fixed).named_parameters()}
    skipped = [key not in kept for key, _ in supernet.named_parameters()]
    assert any(skipped)
    for off, skipping, computing_all in zip(skipped, gradients(fixed), gradients(through), strict=True):
        torch.testing.assert_close(skipping, computing_all, rtol=0, atol=1e-12)
        assert not off or not bool(skipping.any())


@pytest.mark.parametrize("name", SPACES)
def test_only_chosen_operations_are_computed_where_mixing_needs_no_gradient(name: str) -> None:
    macro = macro_of(layers=3)
    supernet = build_supernet(tiny_space(name), macro, 4)
    batch = build_batch(macro, 4)
    fixed, through = hard(name, 4)
    ran: list[str] = []
    for path, module in supernet.named_modules():
        node, _, operation = path.rpartition(".")
        if ".nodes." in path and "-" in operation and node.rpartition(".")[2].isdigit():
            module.register_forward_hook(lambda module, inputs, output, path=path: ran.append(path))
    supernet(batch.images, fixed, batch.key)
    chosen, places = set(ran), len(ran)
    kept = {path for path, _ in discrete_twin(supernet, fixed).named_modules()}
    assert places == len(chosen) > 0
    assert chosen <= kept
    ran.clear()
    supernet(batch.images, through, batch.key)
    assert len(ran) > places


@pytest.mark.parametrize("name", SPACES)
def test_a_supernet_has_no_buffers_and_repeats_itself(name: str) -> None:
    macro = macro_of(layers=2)
    supernet = build_supernet(tiny_space(name), macro, 5)
    assert list(supernet.buffers()) == []
    batch = build_batch(macro, 5)
    alphas = build_alphas(tiny_space(name), 5)
    mixing = alphas.mix(Soft(), MIDWAY)
    first = supernet(batch.images, mixing, batch.key)
    supernet(batch.images + 3, mixing, batch.key)
    assert torch.equal(supernet(batch.images, mixing, batch.key), first)
    assert torch.equal(supernet.eval()(batch.images, mixing, batch.key), first)


@pytest.mark.parametrize("name", SPACES)
def test_a_node_is_the_weighted_sum_of_its_operations(name: str) -> None:
    it = tiny_space(name)
    supernet = build_supernet(it, macro_of(layers=1), 6)
    site_kind = "reduce" if it.syntax == "darts" else "normal"
    cell = next(module for module in supernet.modules() if isinstance(module, Cell))
    nodes = list(cell.get_submodule("nodes").children())
    number = min(1, len(nodes) - 1)  # a layer of a chain is a cell of one node
    node = nodes[number]
    draw = torch.Generator().manual_seed(6)
    sizes = [8, 8, 4] if it.syntax == "darts" else [8, 8]
    channels = 4 if it.syntax == "darts" else 2
    states = [torch.randn(4, channels, side, side, generator=draw, dtype=torch.float64) for side in sizes]
    names = it.table(site_kind)[number]
    mixing = torch.rand(len(names), it.columns, generator=draw, dtype=torch.float64)
    expected = sum(
        mixing[e, o] * node.get_submodule(f"{e}-{name}")(states[e])
        for e, row in enumerate(names)
        for o, name in enumerate(row)
        if name not in (None, "none")
    )
    torch.testing.assert_close(node(states, mixing), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(node(states, mixing.requires_grad_()), expected, rtol=0, atol=1e-12)
    zeros = node(states, torch.zeros_like(mixing))
    assert zeros.shape == node(states, mixing).shape
    assert not bool(zeros.any())


def test_noise_is_one_draw_for_a_batch_and_an_edge_and_differs_between_them() -> None:
    macro = macro_of(layers=2)
    it = tiny_space("S4")
    supernet = build_supernet(it, macro, 7)
    batch = build_batch(macro, 7)
    only_noise = {
        kind: tuple(torch.tensor([[0.0, 1.0]] * (n + 2), dtype=torch.float64) for n in range(it.nodes))
        for kind in it.kinds
    }
    one, again, other = (supernet(batch.images, only_noise, key) for key in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    noises = [module for module in supernet.modules() if isinstance(module, Noise)]
    draws = [module(torch.zeros(1, 1, 4, 4)) for module in noises]
    assert all(not torch.equal(a[..., :2, :2], b[..., :2, :2]) for a, b in pairwise(draws))


def test_a_ragged_space_has_an_equal_discrete_network_too() -> None:
    macro = macro_of(layers=3)
    it = ragged_space()
    for seed in range(5):
        supernet = build_supernet(it, macro, seed)
        alphas = build_alphas(it, seed)
        with torch.no_grad():
            fixed = alphas.mix(Hard(), MIDWAY)
            batch = build_batch(macro, seed)
            searched = supernet(batch.images, fixed, batch.key)
            discrete = discrete_twin(supernet, fixed)(batch.images, noise_key=batch.key)
        torch.testing.assert_close(searched, discrete, rtol=0, atol=BAR)


def test_reductions_stand_at_a_third_and_two_thirds_of_the_layers() -> None:
    for layers in (1, 2, 3, 8, 20):
        supernet = Supernet(tiny_space("S2"), macro_of(2, layers))
        kinds = [module.site.kind for module in supernet.modules() if isinstance(module, Cell)]
        where = {number for number, kind in enumerate(kinds) if kind == "reduce"}
        assert where == {layers // 3, 2 * layers // 3}


def test_a_zero_operation_adds_nothing_and_has_no_weights() -> None:
    supernet = Supernet(tiny_space("darts"), macro_of())
    assert not any("none" in key for key in supernet.state_dict())
    assert not list(Zero(1).parameters())


@pytest.mark.parametrize("name", SPACES)
def test_alphas_start_small_and_padded_places_get_no_weight(name: str) -> None:
    it = SPACES[name].build(SPACES[name].nodes)
    alphas = Alphas(it, generator(0))
    values = torch.cat([alpha.detach().flatten() for alpha in alphas.parameters()])
    assert float(values.std()) == pytest.approx(1e-3, rel=0.25)
    W = alphas.weights()
    present = alphas.candidates.present
    assert not bool(W[~present].any())
    rows = W.sum(dim=-1)[present.any(dim=-1)]
    torch.testing.assert_close(rows, torch.ones_like(rows))
    D = discretize(W, it.rule, present)
    kept = D.any(dim=-1).sum(dim=-1)
    edges = present.any(dim=-1).sum(dim=-1)
    assert torch.equal(kept, edges if it.edges is None else torch.full_like(kept, it.edges))
