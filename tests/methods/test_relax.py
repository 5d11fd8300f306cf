"""Relaxations against plain implementations, a node at a time, written from the equations alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from entmax import entmax_bisect
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.special import softmax as scipy_softmax
from torch import Tensor

from dadarts.architecture.discretization import discretize
from dadarts.architecture.spaces import SPACES, SearchSpace
from dadarts.methods.alphas import Alphas
from dadarts.methods.relaxations import AuxiliarySkip, Hard, Relaxation, Soft, TopK
from dadarts.methods.schedules import Constant, Linear, Progress
from tests.nets import MIDWAY, RELAXATIONS, build_alphas, build_supernet, macro_of, ragged_space, tiny_space

Vector = NDArray[np.float64]

TABLE: dict[str, SearchSpace] = {**{name: tiny_space(name) for name in SPACES}, "ragged": ragged_space()}


def top_k(x: Vector, k: int, temperature: float) -> Vector:
    """sigmoid(T x + t) with the t that scipy finds; ones where there is nothing to choose."""
    if len(x) <= k:
        return np.ones_like(x)
    z = temperature * (x - np.sort(x)[-k])
    solution: Vector = expit(z + brentq(lambda t: expit(z + t).sum() - k, -z.max() - 60, -z.min() + 60, xtol=1e-14))
    return solution


def plain_weights(alphas: Alphas, space: SearchSpace) -> dict[str, list[Vector]]:
    """Softmax of every edge's real candidates, by scipy, zeros at padding."""
    result: dict[str, list[Vector]] = {}
    for kind, parameters in alphas.nodes.items():
        result[kind] = []
        for alpha, rows in zip(parameters.parameters(), space.table(kind), strict=True):
            W = np.zeros(tuple(alpha.shape))
            for e, names in enumerate(rows):
                real = [o for o, name in enumerate(names) if name is not None]
                W[e, real] = scipy_softmax(alpha.detach().numpy()[e, real])
            result[kind].append(W)
    return result


def plain_top_k(W: Vector, names: list[list[str | None]], relaxation: TopK, space: SearchSpace) -> Vector:
    """Method section 4, for one node: loops, no masks, no batches."""
    E, O = W.shape  # noqa: E741
    banned = "none" if relaxation.masked and space.bans_none else ""
    places = [[o for o in range(O) if names[e][o] is not None and names[e][o] != banned] for e in range(E)]
    A = np.zeros((E, O)) if relaxation.edge else np.ones((E, O))
    if relaxation.edge:
        for e in range(E):
            A[e, places[e]] = top_k(W[e, places[e]], relaxation.edge, relaxation.temperature_edge(MIDWAY))
    competing = {1: W, 2: A, 3: W * A}[relaxation.option]
    k = space.edges if relaxation.node is None else relaxation.node
    B = np.ones((E, O))
    if k:
        B = np.zeros((E, O))
        flat = [(e, o) for e in range(E) for o in places[e]]
        values = np.array([competing[e, o] for e, o in flat])
        for (e, o), y in zip(flat, top_k(values, k, relaxation.temperature_node(MIDWAY)), strict=True):
            B[e, o] = y
    membership = B if relaxation.option == 2 else A * B
    real = np.array([[name is not None for name in row] for row in names])
    product: Vector = (W * membership) if relaxation.weighted else membership * real
    return product


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("option", [1, 2, 3])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("temperature", [0.0, 1.0, 60.0])
def test_top_k_mixing_equals_a_plain_implementation(
    name: str, option: int, masked: bool, weighted: bool, temperature: float
) -> None:
    relaxation = TopK(
        temperature_edge=Constant(temperature),
        temperature_node=Linear(0, 3 * temperature),
        option=option,
        masked=masked,
        weighted=weighted,
        node=None if TABLE[name].edges is not None else 2,
    )
    check_against_plain(name, relaxation)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize(
    "relaxation",
    [
        TopK(edge=0, node=2, temperature_node=Constant(30)),
        TopK(edge=0, node=1, option=3, temperature_node=Constant(30)),
        TopK(node=0, temperature_edge=Constant(30)),
        TopK(node=0, option=3, weighted=False, temperature_edge=Constant(30)),
        TopK(node=3, temperature_edge=Constant(5), temperature_node=Constant(7)),
        TopK(edge=0, node=2, option=2, temperature_node=Constant(30)),
        TopK(node=0, option=2, temperature_edge=Constant(30)),
        TopK(),
    ],
    ids=repr,
)
def test_levels_that_are_off_or_have_another_k_equal_a_plain_implementation(name: str, relaxation: TopK) -> None:
    check_against_plain(name, relaxation)


def check_against_plain(name: str, relaxation: TopK) -> None:
    space = TABLE[name]
    alphas = build_alphas(space, seed=len(name))
    mixing = alphas.mix(relaxation, MIDWAY)
    weights = plain_weights(alphas, space)
    for kind in space.kinds:
        for M, W, names in zip(mixing[kind], weights[kind], space.table(kind), strict=True):
            expected = plain_top_k(W, [list(row) for row in names], relaxation, space)
            np.testing.assert_allclose(M.detach().numpy(), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("sparsity", [1.0, 1.5, 2.0])
def test_soft_mixing_is_softmax_or_entmax_of_each_edge(name: str, sparsity: float) -> None:
    space = TABLE[name]
    alphas = build_alphas(space, 1, sparsity=sparsity)
    mixing = alphas.mix(Soft(), MIDWAY)
    for kind, parameters in alphas.nodes.items():
        for alpha, M, names in zip(parameters.parameters(), mixing[kind], space.table(kind), strict=True):
            for e, row in enumerate(names):
                real = [o for o, operation in enumerate(row) if operation is not None]
                line = alpha.detach()[e, real]
                expected = line.softmax(0) if sparsity == 1 else entmax_bisect(line[None], alpha=sparsity)[0]
                torch.testing.assert_close(M.detach()[e, real], expected, rtol=0, atol=1e-9)
                assert float(M.detach()[e].sum()) == pytest.approx(1)


@pytest.mark.parametrize("name", TABLE)
def test_edges_with_shares_of_their_own_are_weighted_by_them(name: str) -> None:
    space = TABLE[name]
    alphas = build_alphas(space, 1, activation="edges")
    mixing = alphas.mix(Soft(), MIDWAY)
    betas = iter(alphas.betas)
    for kind, nodes in plain_weights(alphas, space).items():
        for W, M in zip(nodes, mixing[kind], strict=True):
            beta = next(betas)
            # PC-DARTS: softmax over the edges of a node, then over the operations of an edge.
            expected = scipy_softmax(beta.detach().numpy())[:, None] * W
            np.testing.assert_allclose(M.detach().numpy(), expected, rtol=1e-12, atol=1e-15)
            (gradient,) = torch.autograd.grad(M[0].sum(), beta, retain_graph=True)
            share = scipy_softmax(beta.detach().numpy())
            np.testing.assert_allclose(gradient.numpy(), share[0] * (np.eye(len(share))[0] - share), atol=1e-12)
    assert torch.equal(alphas.weights(), Soft()(alphas.stacked(), alphas.candidates, MIDWAY))


def test_copies_of_nodes_keep_their_edges_shares() -> None:
    alphas = build_alphas(TABLE["darts"], 2, activation="edges")
    many = alphas.candidates.repeated(3)
    W = many.weights(alphas.stacked().repeat(3, 1, 1))
    assert torch.equal(W, alphas.weights().repeat(3, 1, 1))


@pytest.mark.parametrize("name", TABLE)
def test_sigmoids_of_an_edge_s_operations_do_not_compete(name: str) -> None:
    space = TABLE[name]
    alphas = build_alphas(space, 1, activation="sigmoid")
    mixing = alphas.mix(Soft(), MIDWAY)
    for kind, parameters in alphas.nodes.items():
        for alpha, M, names in zip(parameters.parameters(), mixing[kind], space.table(kind), strict=True):
            real = np.array([[operation is not None for operation in row] for row in names])
            np.testing.assert_allclose(M.detach().numpy(), expit(alpha.detach().numpy()) * real, rtol=1e-12)
    raised = alphas.stacked().detach()
    raised[0, 0, 0] += 1
    change = Soft()(raised, alphas.candidates, MIDWAY) - Soft()(alphas.stacked(), alphas.candidates, MIDWAY)
    assert torch.nonzero(change).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("relaxation", RELAXATIONS, ids=repr)
def test_every_relaxation_gives_finite_weights_and_gradients_and_nothing_at_padding(
    name: str, relaxation: Relaxation
) -> None:
    if relaxation == TopK(option=2, weighted=False) and TABLE[name].edges is None:
        relaxation = replace(relaxation, node=1)  # with neither W nor a node level there is no alpha in M
    alphas = build_alphas(TABLE[name], 2)
    present = alphas.candidates.present
    for epoch in (0, 1):
        leaf = alphas.stacked().detach().requires_grad_()
        M = relaxation(leaf, alphas.candidates, Progress(epoch, 2))
        assert M.shape == leaf.shape
        limit = 2 if isinstance(relaxation, AuxiliarySkip) else 1
        assert bool(((M >= 0) & (limit >= M)).all())
        assert not bool(M[~present].any())
        weighing = torch.linspace(1, 2, M.numel(), dtype=torch.float64).view_as(M)
        (gradient,) = torch.autograd.grad((M * weighing).sum(), leaf)
        assert bool(gradient.isfinite().all())
        assert bool(gradient.any()) or epoch == 0
        assert not bool(gradient[~present].any())
        with torch.no_grad():
            assert torch.equal(relaxation(leaf, alphas.candidates, Progress(epoch, 2)), M)


@pytest.mark.parametrize("name", TABLE)
def test_hard_mixing_is_exactly_the_discretization_of_w(name: str) -> None:
    for seed in range(10):
        alphas = build_alphas(TABLE[name], seed)
        M = Hard()(alphas.stacked(), alphas.candidates, MIDWAY)
        D = discretize(alphas.weights(), alphas.candidates.rule, alphas.candidates.present)
        assert torch.equal(M, D.to(M.dtype))


@pytest.mark.parametrize("name", TABLE)
def test_the_straight_through_gradient_is_that_of_w(name: str) -> None:
    alphas = build_alphas(TABLE[name], 3)
    constant = torch.randn(alphas.stacked().shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    through, soft = (
        torch.autograd.grad(
            (relaxation(alphas.stacked(), alphas.candidates, MIDWAY) * constant).sum(), [*alphas.parameters()]
        )
        for relaxation in (Hard(), Soft())
    )
    assert any(bool(g.any()) for g in soft)
    for hard_gradient, soft_gradient in zip(through, soft, strict=True):
        assert torch.equal(hard_gradient, soft_gradient)


def test_a_hard_pass_is_soft_until_its_start_and_hard_from_then_on() -> None:
    alphas = build_alphas(TABLE["darts"], 4)
    hard = alphas.mix(Hard(), MIDWAY)
    soft = alphas.mix(Soft(), MIDWAY)
    for epoch in range(5):
        mixing = alphas.mix(Hard(start=3), Progress(epoch, 5))
        expected = soft if epoch < 3 else hard
        for kind in mixing:
            assert all(torch.equal(a, b) for a, b in zip(mixing[kind], expected[kind], strict=True))


def clear_alphas(space: SearchSpace, seed: int, gap: float) -> Alphas:
    """Alphas whose W has no near ties, neither on an edge nor between the best operations of a node."""
    alphas = build_alphas(space, seed, scale=1.0)
    open_W = alphas.weights().detach().masked_fill(~alphas.candidates.open, -1)
    padding = torch.full_like(open_W[..., :1], -2)
    leading = torch.cat((open_W, padding), dim=-1).topk(2, dim=-1).values
    real = leading[..., 0] >= 0
    assume(bool((leading[..., 0] - leading[..., 1])[real].min() > gap))
    if space.edges is not None:
        best = torch.cat((leading[..., 0], padding[:, :1, 0]), dim=-1).sort(dim=-1, descending=True).values
        assume(bool((best[:, space.edges - 1] - best[:, space.edges]).min() > gap))
    return alphas


@pytest.mark.parametrize("name", TABLE)
@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=10)
def test_the_support_of_option_3_tends_to_that_of_the_discretization(name: str, seed: int) -> None:
    alphas = clear_alphas(TABLE[name], seed, gap=0.002)
    W = alphas.weights().detach()
    D = discretize(W, alphas.candidates.rule, alphas.candidates.present)
    distances = []
    for temperature in (1e2, 1e3, 1e5):
        relaxation = TopK(option=3, temperature_edge=Constant(temperature), temperature_node=Constant(temperature))
        distances.append(float((relaxation(alphas.stacked().detach(), alphas.candidates, MIDWAY) - W * D).abs().max()))
    assert distances[2] < 1e-9
    assert distances[2] <= distances[1] + 1e-12


def test_option_1_may_put_both_places_on_one_edge_and_option_3_may_not() -> None:
    alphas = build_alphas(TABLE["S3"], 0)
    with torch.no_grad():
        for alpha in alphas.parameters():
            alpha.copy_(torch.tensor([[2.0, 1.9, -5.0]] + [[0.1, 0.0, 0.2]] * (alpha.shape[0] - 1)))
    sharp = {
        option: TopK(option=option, temperature_edge=Constant(1e3), temperature_node=Constant(1e3)) for option in (1, 3)
    }
    D = alphas.mix(Hard(), MIDWAY)
    supports = {option: alphas.mix(relaxation, MIDWAY)["normal"][0] > 1e-3 for option, relaxation in sharp.items()}
    assert supports[1].int().tolist() == [[1, 0, 0], [0, 0, 0]]
    assert torch.equal(supports[3], D["normal"][0] > 0.5)


@pytest.mark.parametrize("name", TABLE)
def test_option_2_without_its_node_level_is_w(name: str) -> None:
    alphas = build_alphas(TABLE[name], 9)
    W = alphas.weights()
    hot = Constant(80.0)
    M = TopK(node=0, option=2, temperature_edge=hot)(alphas.stacked(), alphas.candidates, MIDWAY)
    assert torch.equal(M, W)
    default = TopK(option=2, temperature_edge=hot)(alphas.stacked(), alphas.candidates, MIDWAY)
    assert torch.equal(default, W) == (TABLE[name].edges is None)


@pytest.mark.parametrize("option", [1, 3])
def test_the_node_level_of_nas_bench_201_is_all_ones_by_default(option: int) -> None:
    alphas = build_alphas(TABLE["nas-bench-201"], 5)
    hot = Constant(80.0)
    default = alphas.mix(TopK(option=option, temperature_edge=hot, temperature_node=hot), MIDWAY)
    off = alphas.mix(TopK(option=option, node=0, temperature_edge=hot), MIDWAY)
    other = alphas.mix(TopK(option=option, node=1, temperature_edge=hot, temperature_node=hot), MIDWAY)
    assert all(torch.equal(a, b) for a, b in zip(default["normal"], off["normal"], strict=True))
    assert not torch.equal(default["normal"][-1], other["normal"][-1])


@pytest.mark.parametrize("option", [1, 2, 3])
def test_a_banned_operation_takes_no_part_in_a_masked_competition(option: int) -> None:
    alphas = build_alphas(TABLE["darts"], 6)
    with torch.no_grad():
        for alpha in alphas.parameters():
            alpha[:, -1] = 5.0
    for masked in (True, False):
        mixing = alphas.mix(TopK(option=option, masked=masked), MIDWAY)
        column = torch.cat([node[:, -1] for nodes in mixing.values() for node in nodes])
        assert bool((column == 0).all()) == masked


def test_the_temperature_follows_the_progress_of_the_run() -> None:
    alphas = build_alphas(TABLE["darts"], 7)
    rising = TopK(temperature_edge=Linear(0, 200), temperature_node=Linear(0, 200))

    def same(a: TopK, b: TopK, epoch: int) -> bool:
        one, two = (alphas.mix(relaxation, Progress(epoch, 50)) for relaxation in (a, b))
        pairs: list[tuple[Tensor, Tensor]] = [p for kind in one for p in zip(one[kind], two[kind], strict=True)]
        return all(torch.equal(x, y) for x, y in pairs)

    for epoch in (0, 10, 49):
        fixed = Constant(200 * epoch / 50)
        assert same(rising, TopK(temperature_edge=fixed, temperature_node=fixed), epoch)
    assert not same(rising, TopK(), 10)


def test_the_inexact_gradient_changes_gradients_and_no_number() -> None:
    alphas = build_alphas(TABLE["darts"], 8)
    hot = Constant(50.0)
    gradients = []
    values = []
    for exact in (True, False):
        relaxation = TopK(temperature_edge=hot, temperature_node=hot, exact_gradient=exact)
        M = relaxation(alphas.stacked(), alphas.candidates, MIDWAY)
        values.append(M.detach())
        gradients.append(torch.autograd.grad(M.square().sum(), [*alphas.parameters()])[0])
    assert torch.equal(values[0], values[1])
    assert not torch.allclose(gradients[0], gradients[1])


@pytest.mark.parametrize("name", TABLE)
def test_an_auxiliary_skip_adds_beta_at_skip_connections_and_fades(name: str) -> None:
    space = TABLE[name]
    alphas = build_alphas(space, 10)
    weights = plain_weights(alphas, space)
    for epoch, beta in ((0, 1.0), (2, 0.75), (7, 0.125)):
        mixing = alphas.mix(AuxiliarySkip(), Progress(epoch, 8))
        for kind in space.kinds:
            for M, W, names in zip(mixing[kind], weights[kind], space.table(kind), strict=True):
                skips = np.array([[operation == "skip_connect" for operation in row] for row in names])
                np.testing.assert_allclose(M.detach().numpy(), W + beta * skips, rtol=0, atol=1e-12)


def test_an_auxiliary_skip_of_stride_1_is_the_identity_beside_the_mixture() -> None:
    space = tiny_space("S2")
    node = build_supernet(space, macro_of(layers=3)).get_submodule("backbone.cells.0.nodes.0")
    states = [torch.randn(2, 2, 4, 4, dtype=torch.float64) for _ in range(2)]
    W = build_alphas(space, 11).weights().detach()[0, :2]
    skips = torch.zeros_like(W)
    skips[:, 1] = 0.6
    torch.testing.assert_close(node(states, W + skips), node(states, W) + 0.6 * (states[0] + states[1]))
