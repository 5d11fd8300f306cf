"""What a sparse pass leaves out makes no difference, and leaves out most where choices are clear."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.functional import jacobian

from dadarts.architecture.spaces import SearchSpace
from dadarts.architecture.supernet import Idle
from dadarts.engines.native.engine import FusedSupernet
from dadarts.engines.sparsity import negligible
from dadarts.methods.alphas import Alphas
from dadarts.methods.method import Method, Objective
from dadarts.methods.relaxations import Hard, Relaxation, Soft, TopK
from dadarts.methods.schedules import Constant
from dadarts.searching.bilevel import Bilevel, Inner
from tests.nets import (
    MIDWAY,
    RELAXATIONS,
    build_alphas,
    build_batch,
    build_supernet,
    every_space,
    macro_of,
    native_kernels,
    ragged_space,
    tiny_space,
)

TOLERANCE = 1e-6


def top_k(temperature: float, option: int = 1) -> TopK:
    hot = Constant(temperature)
    return TopK(option=option, temperature_edge=hot, temperature_node=hot)


def left_out(alphas: Alphas, relaxation: Relaxation, tolerance: float = TOLERANCE) -> Tensor:
    mixing_NEO = relaxation(alphas.stacked(), alphas.candidates, MIDWAY)
    return negligible(mixing_NEO, alphas, relaxation, MIDWAY, tolerance)


@pytest.mark.parametrize("search_space", [*map(tiny_space, every_space()), ragged_space()], ids=lambda s: s.name)
def test_operations_that_say_so_have_channels_of_mean_square_at_most_one(search_space: SearchSpace) -> None:
    names = {name for cell in search_space.candidates.values() for node in cell for edge in node for name in edge}
    x = 100 * torch.randn((4, 6, 9, 7), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    normed = {name for name in names if search_space.ops[name].normed}
    for name in normed:
        for stride in (1, 2):
            y = search_space.ops[name].build(6, stride, False).double()(x)
            assert y.square().mean(dim=(0, 2, 3)).max() <= 1
    assert "skip_connect" not in normed


@pytest.mark.parametrize("relaxation", [*RELAXATIONS, top_k(200), top_k(200, 2), top_k(200, 3)], ids=repr)
@pytest.mark.parametrize("name", ["darts", "nas-bench-201"])
def test_what_is_left_out_is_the_largest_set_below_the_bound(name: str, relaxation: Relaxation) -> None:
    alphas = build_alphas(tiny_space(name), scale=2.0)
    tolerance = 1e-3
    found = left_out(alphas, relaxation, tolerance)
    candidates, stacked = alphas.candidates, alphas.stacked().detach()
    mixing = relaxation(stacked, candidates, MIDWAY)
    whole = jacobian(  # type: ignore[no-untyped-call]
        lambda alpha: relaxation(alpha, candidates, MIDWAY), stacked
    )
    for node in range(len(stacked)):
        weights = mixing[node].abs() / mixing[node].abs().max()
        # alpha of other nodes plays no part in this node's mixing weights.
        slopes = whole[node].flatten(2).norm(dim=2)
        measure = torch.maximum(weights, slopes / slopes.max())[candidates.normed[node]].sort().values
        expected = int((measure.cumsum(0) < tolerance).sum())
        assert int(found[node].sum()) == expected
        assert not (found[node] & ~candidates.normed[node]).any()
        assert weights[found[node]].sum() < tolerance
        assert slopes[found[node]].sum() < tolerance * slopes.max()


def passes(
    search_space: SearchSpace, relaxation: Relaxation, alphas: Alphas, idle: Idle | None
) -> tuple[Tensor, Tensor]:
    """Logits and the gradient of alpha of the readable supernet."""
    macro = macro_of(channels=4, layers=3, image_shape=(3, 8, 8))
    supernet, batch = build_supernet(search_space, macro), build_batch(macro)
    logits = supernet(batch.images, alphas.mix(relaxation, MIDWAY), batch.key, idle)
    gradient = torch.autograd.grad(F.cross_entropy(logits, batch.labels), list(alphas.parameters()))
    return logits.detach(), torch.cat([g.flatten() for g in gradient])


@pytest.mark.parametrize("name", ["darts", "nas-bench-201", "S2"])
@pytest.mark.parametrize("temperature", [50.0, 200.0])
def test_logits_and_alpha_gradients_change_by_the_tolerance_at_most(name: str, temperature: float) -> None:
    search_space, relaxation = tiny_space(name), top_k(temperature)
    alphas = build_alphas(search_space, seed=1, scale=4.0)
    found = left_out(alphas, relaxation)
    assert found.any()
    dense = passes(search_space, relaxation, alphas, None)
    sparse = passes(search_space, relaxation, alphas, alphas.split(found))
    # The bound holds for one node; nodes add up, and batch norms of small batches enlarge what reaches them.
    for ours, theirs in zip(sparse, dense, strict=True):
        assert (ours - theirs).norm() <= 20 * TOLERANCE * theirs.norm()


def test_a_rising_temperature_leaves_out_more() -> None:
    alphas = build_alphas(tiny_space("darts"), scale=1.0)
    shares = [int(left_out(alphas, top_k(temperature)).sum()) for temperature in (1, 50, 200)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    # 40 places of two nodes in two kinds of cells may be left out, 30 of which D does not choose.
    assert shares[-1] > 30


def test_an_entry_about_to_be_chosen_is_kept_for_its_derivative() -> None:
    alphas = build_alphas(tiny_space("darts"), scale=0.0)
    first = next(alphas.parameters())
    with torch.no_grad():
        first[0, 0], first[0, 1] = 1.0, 0.9
    relaxation = top_k(800.0)
    with torch.no_grad():
        by_weight = left_out(alphas, relaxation, 1e-3)
    by_both = left_out(alphas, relaxation, 1e-3)
    assert by_weight[0, 0, 1]
    assert not by_both[0, 0, 1]


@pytest.mark.parametrize("relaxation", RELAXATIONS, ids=repr)
def test_a_tolerance_of_zero_leaves_out_nothing(relaxation: Relaxation) -> None:
    assert not left_out(build_alphas(tiny_space("darts"), scale=3.0), relaxation, 0.0).any()


def test_straight_through_and_soft_passes_are_dense() -> None:
    alphas = build_alphas(tiny_space("darts"))
    assert not left_out(alphas, Hard()).any()
    assert not left_out(alphas, Soft()).any()


@pytest.mark.parametrize("name", every_space())
def test_the_fast_form_leaves_out_what_the_readable_one_does(name: str) -> None:
    search_space, relaxation = tiny_space(name), top_k(200)
    macro = macro_of(channels=4, layers=1, image_shape=(3, 8, 8))
    supernet, batch = build_supernet(search_space, macro), build_batch(macro)
    alphas = build_alphas(search_space, scale=2.0)
    idle = alphas.split(left_out(alphas, relaxation, 1e-3))
    inputs = [*alphas.parameters(), *supernet.parameters()]
    found = []
    for forward in (supernet, FusedSupernet(supernet, native_kernels())):
        logits = forward(
            batch.images.contiguous(memory_format=torch.channels_last), alphas.mix(relaxation, MIDWAY), 0, idle
        )
        loss = F.cross_entropy(logits, batch.labels)
        found.append([logits, *torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)])
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("order", ["second", "first", "single-level"])
def test_a_step_of_the_search_changes_by_the_tolerance_at_most(order: str) -> None:
    search_space, macro = tiny_space("darts"), macro_of(channels=4, image_shape=(3, 8, 8))
    hot = top_k(200)
    method = Method(Objective(hot), Objective(hot), look_ahead=hot, order=order)  # type: ignore[arg-type]
    gradients = []
    for tolerance in (0.0, TOLERANCE):
        bilevel = Bilevel(
            build_supernet(search_space, macro), build_alphas(search_space, scale=2.0), method, tolerance=tolerance
        )
        train, valid = build_batch(macro, 0), build_batch(macro, 1)
        if order == "single-level":
            gradient, _, _ = bilevel.single_level_gradient(train, MIDWAY)
        else:
            inner = Inner(0.025, 0.9, 3e-4, [torch.zeros_like(w) for w in bilevel.w])
            gradient, _ = bilevel.architecture_gradient(train, valid, MIDWAY, inner)
        gradients.append(torch.cat([g.flatten() for g in gradient]))
    dense, sparse = gradients
    assert not torch.equal(dense, sparse)
    assert (dense - sparse).norm() <= 100 * TOLERANCE * dense.norm()
