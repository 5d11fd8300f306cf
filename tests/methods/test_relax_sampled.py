"""Relaxations that draw, against NumPy written from the equations, and against what they must be on average."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.special import softmax as scipy_softmax
from scipy.stats import beta
from torch import Tensor

from dadarts.architecture.discretization import discretize
from dadarts.architecture.spaces import SPACES, SearchSpace
from dadarts.engines.native.engine import FusedSupernet
from dadarts.engines.sparsity import negligible
from dadarts.methods.alphas import Alphas
from dadarts.methods.catalogue import METHODS
from dadarts.methods.relaxations import Dirichlet, Gumbel, Perturbed, Relaxation, SampledTopK, UniformPath
from dadarts.methods.resolve import resolve
from dadarts.methods.schedules import Constant, Linear, Progress
from dadarts.searching.bilevel import Bilevel
from dadarts.seeds import generator
from tests.nets import (
    MIDWAY,
    build_alphas,
    build_batch,
    build_supernet,
    flat,
    macro_of,
    native_kernels,
    ragged_space,
    side_by_side,
    tiny_space,
    usual_optimizers,
)

Vector = NDArray[np.float64]

TABLE: dict[str, SearchSpace] = {**{name: tiny_space(name) for name in SPACES}, "ragged": ragged_space()}
DRAWING: tuple[Relaxation, ...] = (
    Gumbel(),
    Dirichlet(),
    Perturbed(),
    SampledTopK(Constant(1.0), Constant(1.0)),
    UniformPath(),
)
METHODS_THAT_DRAW = ["gdas", "drnas", "sdarts-rs"]


def keyed(key: int) -> Progress:
    return MIDWAY._replace(key=key)


def rows_of(alphas: Alphas) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """(node, edge) of every edge that exists, and its columns."""
    for node, edge in np.argwhere(alphas.candidates.present.any(dim=-1).numpy()):
        yield (node, edge), np.flatnonzero(alphas.candidates.present[node, edge].numpy()).tolist()


def drawn_often(relaxation: Relaxation, alphas: Alphas, keys: int = 20, each: int = 1000) -> Vector:
    """Draws of some keys, each for many copies of the nodes: (keys * each, N, E, O)."""
    leaf, candidates = side_by_side(alphas, each)
    with torch.no_grad():
        found = [relaxation(leaf, candidates, keyed(key)).view(each, *alphas.stacked().shape) for key in range(keys)]
    return torch.cat(found).numpy()


def drawn(relaxation: Relaxation, alphas: Alphas, progress: Progress) -> tuple[Vector, Tensor, Tensor]:
    """Mixing weights as an array, as a tensor, and the alpha that it can be differentiated by."""
    leaf = alphas.stacked().detach().requires_grad_()
    M = relaxation(leaf, alphas.candidates, progress)
    return M.detach().numpy(), M, leaf


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("tau", [0.3, 1.0, 10.0])
def test_gumbel_equals_a_hand_computation_forward_and_backward(name: str, tau: float) -> None:
    alphas = build_alphas(TABLE[name], 1)
    values, M, leaf = drawn(Gumbel(Constant(tau)), alphas, keyed(11))
    u = torch.rand(leaf.shape, generator=generator(11, "gumbel"), dtype=torch.float64).numpy()
    alpha = leaf.detach().numpy()
    assert not values[~alphas.candidates.present.numpy()].any()
    for (node, edge), columns in rows_of(alphas):
        # GDAS, equations 4 to 6: h~ of log p + o, h its argmax.
        p = scipy_softmax(alpha[node, edge, columns])
        soft = scipy_softmax((np.log(p) - np.log(-np.log(u[node, edge, columns]))) / tau)
        h = (soft == soft.max()).astype(float)
        assert values[node, edge, columns].tolist() == h.tolist()
        # Equation 7: only the sampled operation is computed, so only its entry has a gradient.
        winner = int(soft.argmax())
        for column, own in zip(columns, h, strict=True):
            (gradient,) = torch.autograd.grad(M[node, edge, column], leaf, retain_graph=True)
            expected = np.zeros(alpha.shape)
            if own:
                expected[node, edge, columns] = soft[winner] * (np.eye(len(soft))[winner] - soft) / tau
            np.testing.assert_allclose(gradient.numpy(), expected, rtol=0, atol=1e-12)


def test_gumbel_samples_each_operation_as_often_as_its_softmax() -> None:
    alphas = build_alphas(tiny_space("nas-bench-201"), 2)
    samples = drawn_often(Gumbel(), alphas)
    p = alphas.weights().detach().numpy()
    deviation = np.sqrt(p * (1 - p) / len(samples))
    assert (np.abs(samples.mean(axis=0) - p) <= 5 * deviation + 1e-12).all()


@pytest.mark.parametrize("name", TABLE)
def test_gumbel_without_a_key_keeps_the_best_operation_of_every_edge(name: str) -> None:
    alphas = build_alphas(TABLE[name], 3)
    values, _, leaf = drawn(Gumbel(), alphas, MIDWAY)
    for (node, edge), columns in rows_of(alphas):
        best = leaf.detach().numpy()[node, edge, columns].argmax()
        assert values[node, edge, columns].tolist() == np.eye(len(columns))[best].tolist()


def test_tau_falls_linearly_from_10() -> None:
    alphas = build_alphas(tiny_space("darts"), 4)
    for epoch in (0, 10, 49):
        at = Progress(epoch, 50, key=3)
        fixed = Gumbel(Constant(10 + (0.1 - 10) * epoch / 50))
        gradients = []
        for relaxation in (Gumbel(), fixed):
            _, M, leaf = drawn(relaxation, alphas, at)
            gradients.append(torch.autograd.grad(M.square().sum(), leaf)[0])
        torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-15)
    assert Gumbel().temperature == Linear(10.0, 0.1)


def test_a_sparse_step_leaves_out_what_gumbel_did_not_sample() -> None:
    alphas = build_alphas(tiny_space("darts"), 5)
    values, _, _ = drawn(Gumbel(), alphas, keyed(1))
    mixing_NEO = Gumbel()(alphas.stacked(), alphas.candidates, keyed(1))
    left_out = negligible(mixing_NEO, alphas, Gumbel(), keyed(1), 1e-6).numpy()
    expected = (values == 0) & alphas.candidates.normed.numpy()
    assert (left_out == expected).all()


def beta_slope(x: float, own: float, total: float) -> float:
    """``-(dF / dc_j) / f`` of Beta(c_j, sum c - c_j) at x, where c_j moves and the others stand."""
    step = 1e-6 * own
    moved = [beta.cdf(x, own + sign * step, total - own) for sign in (1, -1)]
    return float(-(moved[0] - moved[1]) / (2 * step) / beta.pdf(x, own, total - own))


@pytest.mark.parametrize("name", TABLE)
def test_the_gradient_of_a_dirichlet_draw_equals_the_paper_s_equation(name: str) -> None:
    alphas = build_alphas(TABLE[name], 1)
    values, M, leaf = drawn(Dirichlet(), alphas, keyed(12))
    alpha = leaf.detach().numpy()
    c = np.where(alpha > 0, alpha + 1, np.exp(alpha))
    slope_of_c = np.where(alpha > 0, 1, np.exp(alpha))
    rows = list(rows_of(alphas))
    for (node, edge), columns in rows[:: max(1, len(rows) // 3)]:
        x, own = values[node, edge, columns], c[node, edge, columns]
        assert x.sum() == pytest.approx(1, rel=1e-12)
        for place, column in enumerate(columns):
            (gradient,) = torch.autograd.grad(M[node, edge, column], leaf, retain_graph=True)
            expected = np.zeros(alpha.shape)
            for other, its in enumerate(columns):
                # The pathwise derivative of arXiv 1806.01851; nothing moves where an edge has one operation.
                if len(columns) > 1 and 1e-6 < x[other] < 1 - 1e-6:
                    pull = beta_slope(x[other], own[other], own.sum()) * ((other == place) - x[place]) / (1 - x[other])
                    expected[node, edge, its] = pull * slope_of_c[node, edge, its]
            np.testing.assert_allclose(gradient.numpy(), expected, rtol=2e-3, atol=1e-5)


def test_a_dirichlet_draw_has_the_distribution_s_mean_and_variance_and_its_gradient_that_of_the_mean() -> None:
    alphas = build_alphas(tiny_space("nas-bench-201"), 2)
    samples = drawn_often(Dirichlet(), alphas)
    _, mean, leaf = drawn(Dirichlet(), alphas, MIDWAY)
    c = (torch.nn.functional.elu(leaf) + 1).detach().numpy() * alphas.candidates.present.numpy()
    total = np.maximum(c.sum(axis=-1, keepdims=True), 1e-9)
    np.testing.assert_allclose(mean.detach().numpy(), c / total, rtol=1e-12)
    spread = np.sqrt(c * (total - c) / (total**2 * (total + 1)))
    assert (np.abs(samples.mean(axis=0) - c / total) <= 5 * spread / np.sqrt(len(samples)) + 1e-12).all()
    np.testing.assert_allclose(samples.std(axis=0), spread, rtol=0.03)
    # The pathwise gradient is unbiased: on average it is that of the expectation.
    weighing = torch.randn(leaf.shape, generator=generator(0, "weighing"), dtype=torch.float64)
    (exact,) = torch.autograd.grad((mean * weighing).sum(), leaf)
    many, candidates = side_by_side(alphas, len(samples))
    M = Dirichlet()(many, candidates, keyed(0))
    (gradient,) = torch.autograd.grad((M.view(-1, *leaf.shape) * weighing).sum(), many)
    gradients = gradient.view(-1, *leaf.shape).numpy()
    error = gradients.std(axis=0) / np.sqrt(len(samples))
    assert (np.abs(gradients.mean(axis=0) - exact.numpy()) <= 5 * error + 1e-12).all()


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("epsilon", [0.03, 0.3, 1.0])
def test_perturbed_weights_equal_a_hand_computation(name: str, epsilon: float) -> None:
    alphas = build_alphas(TABLE[name], 1)
    W = np.full(alphas.stacked().shape, -np.inf)
    for (node, edge), columns in rows_of(alphas):
        W[node, edge, columns] = scipy_softmax(alphas.stacked().detach().numpy()[node, edge, columns])
    emptied = 0
    # Edges that lose everything are rare, and have to be among those compared.
    leaf, candidates = side_by_side(alphas, 100)
    for key in range(3):
        values = Perturbed(Constant(epsilon))(leaf, candidates, keyed(key)).detach().view(-1, *W.shape).numpy()
        u = torch.rand(leaf.shape, generator=generator(key, "perturbation"), dtype=torch.float64)
        noisy = W + epsilon * (2 * u.view(-1, *W.shape).numpy() - 1)
        clipped = np.clip(noisy, 0, 1)
        empty = ~clipped.any(axis=-1) & alphas.candidates.present.any(dim=-1).numpy()
        clipped[empty] = np.eye(W.shape[-1])[noisy[empty].argmax(axis=-1)]
        emptied += int(empty.sum())
        expected = clipped / np.maximum(clipped.sum(axis=-1, keepdims=True), 1e-300)
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-15)
    # All of an edge's entries are below 0 often enough to be seen where it has few of them.
    if alphas.candidates.present.shape[-1] <= 3:
        assert (emptied > 0) == (epsilon == 1)


def test_the_perturbation_grows_from_its_start_linearly() -> None:
    alphas = build_alphas(tiny_space("darts"), 2)
    for epoch in (0, 25, 49):
        fixed = Perturbed(Constant(0.03 + (0.3 - 0.03) * epoch / 50))
        at = Progress(epoch, 50, key=3)
        np.testing.assert_allclose(drawn(Perturbed(), alphas, at)[0], drawn(fixed, alphas, at)[0], rtol=1e-12)


@pytest.mark.parametrize("relaxation", DRAWING, ids=repr)
@pytest.mark.parametrize("name", TABLE)
def test_a_draw_is_a_pure_function_of_its_key(name: str, relaxation: Relaxation) -> None:
    alphas = build_alphas(TABLE[name], 6)
    one, other = (drawn(relaxation, alphas, keyed(key))[0] for key in (1, 2))
    torch.rand(3)  # Torch's own generator, wherever it stands, plays no part.
    again = drawn(relaxation, alphas, keyed(1))[0]
    assert (one == again).all()
    assert (one != other).any()
    assert (drawn(relaxation, alphas, keyed(1).apart("weights"))[0] != one).any()


@pytest.mark.parametrize("relaxation", DRAWING, ids=repr)
@pytest.mark.parametrize("name", TABLE)
def test_a_draw_is_finite_in_range_and_nothing_at_padding(name: str, relaxation: Relaxation) -> None:
    for seed, scale in ((7, 1.0), (8, 1e-3), (9, 8.0)):
        alphas = build_alphas(TABLE[name], seed, scale).float()
        _, M, leaf = drawn(relaxation, alphas, keyed(seed))
        present = alphas.candidates.present
        assert bool(((M >= 0) & (M <= 1)).all())
        assert not bool(M[~present].any())
        (gradient,) = torch.autograd.grad(M.square().sum(), leaf)
        assert bool(gradient.isfinite().all())
        assert not bool(gradient[~present].any())


@pytest.mark.parametrize("relaxation", DRAWING, ids=repr)
def test_copies_of_a_node_see_the_same_draw(relaxation: Relaxation) -> None:
    alphas = build_alphas(tiny_space("darts"), 10)
    candidates, stacked = alphas.candidates, alphas.stacked().detach()
    thrice = candidates.repeated(3)
    many = relaxation(stacked.repeat(3, 1, 1), thrice, keyed(4))
    assert torch.equal(many, relaxation(stacked, candidates, keyed(4)).repeat(3, 1, 1))


@pytest.mark.parametrize("name", ["darts", "nas-bench-201", "S4"])
@pytest.mark.parametrize("method_name", METHODS_THAT_DRAW)
def test_both_engines_take_the_same_steps_under_draws(method_name: str, name: str) -> None:
    it, macro = tiny_space(name), macro_of(channels=4, layers=3)
    method = resolve(METHODS[method_name](), it)
    found = []
    for fast in (False, True):
        supernet = build_supernet(it, macro)
        supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        forward = FusedSupernet(supernet, native_kernels()) if fast else None
        alphas = build_alphas(it, 1, activation=method.activation)
        bilevel = Bilevel(supernet, alphas, method, forward, tolerance=1e-6 if fast else 0.0)
        optimizers = usual_optimizers(bilevel, alpha_lr=3e-2)
        before = flat(bilevel.alpha)
        for step in range(4):
            progress = Progress(step // 2, 2, key=step)
            optimizers.step(build_batch(macro, 2 * step), build_batch(macro, 2 * step + 1), progress, 0.025)
        assert not torch.equal(before, flat(bilevel.alpha))
        found.append(torch.cat([flat(bilevel.alpha), flat(bilevel.w)]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method_name", METHODS_THAT_DRAW)
def test_the_weight_step_and_the_architecture_step_draw_apart(method_name: str) -> None:
    it, macro = tiny_space("nas-bench-201"), macro_of(layers=1)
    method = METHODS[method_name]()
    bilevel = Bilevel(build_supernet(it, macro), build_alphas(it, activation=method.activation), method)
    keys: list[int | None] = []
    fixed = bilevel.fixed_mixing

    def watched(relaxation: Relaxation, progress: Progress) -> dict[str, tuple[Tensor, ...]]:
        keys.append(progress.key)
        return fixed(relaxation, progress)

    bilevel.fixed_mixing = watched  # type: ignore[method-assign]
    usual_optimizers(bilevel).step(build_batch(macro, 1), build_batch(macro, 2), keyed(3), 0.025)
    assert keys == [keyed(3).apart("weights").key]
    assert keys != [3]


@pytest.mark.parametrize("name", TABLE)
def test_a_draw_from_top_k_s_marginals_is_always_one_that_discretize_can_give(name: str) -> None:
    alphas = build_alphas(TABLE[name], 5)
    rule, present = alphas.candidates.rule, alphas.candidates.present
    M = torch.from_numpy(drawn_often(SampledTopK(Constant(3.0), Constant(3.0)), alphas, keys=5, each=200))
    assert torch.equal(discretize(M, rule, present), M == 1)
    assert np.unique(M).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("name", ["darts", "nas-bench-201", "S2", "ragged"])
@pytest.mark.parametrize("temperature", [0.0, 4.0])
def test_edges_and_operations_are_drawn_as_often_as_top_k_says(name: str, temperature: float) -> None:
    alphas = build_alphas(TABLE[name], 3)
    W, rule, open_NEO = alphas.weights().detach().numpy(), alphas.candidates.rule, alphas.candidates.open.numpy()
    samples = drawn_often(SampledTopK(Constant(temperature), Constant(temperature)), alphas)
    share: Vector = samples.mean(axis=0)
    for node in range(len(W)):
        edges = np.flatnonzero(open_NEO[node].any(axis=-1)).tolist()
        best = np.array([W[node, edge][open_NEO[node, edge]].max() for edge in edges])
        kept = by_root(best, len(edges) if rule.edges is None else rule.edges, temperature)
        for edge, probability in zip(edges, kept, strict=True):
            columns = np.flatnonzero(open_NEO[node, edge])
            expected = probability * by_root(W[node, edge][columns], 1, temperature)
            # Five standard deviations of a mean of independent draws.
            assert np.abs(share[node, edge][columns] - expected).max() < 5 * np.sqrt(0.25 / len(samples))
            assert share[node, edge].sum() == pytest.approx(share[node, edge][columns].sum())


def by_root(x: Vector, k: int, temperature: float) -> Vector:
    """Top-k's memberships by SciPy's root finder."""
    if len(x) <= k:
        return np.ones_like(x)
    t = brentq(lambda t: expit(temperature * x + t).sum() - k, -1e3, 1e3)
    memberships: Vector = expit(temperature * x + t)
    return memberships


@pytest.mark.parametrize("name", TABLE)
def test_a_hot_draw_and_one_without_a_key_are_the_discretization(name: str) -> None:
    alphas = build_alphas(TABLE[name], 4)
    D = discretize(alphas.weights(), alphas.candidates.rule, alphas.candidates.present).double()
    hot = SampledTopK(Constant(1e6), Constant(1e6))
    assert (drawn_often(hot, alphas, keys=2, each=100) == D.numpy()).all()
    assert torch.equal(SampledTopK()(alphas.stacked(), alphas.candidates, MIDWAY), D)


def test_the_gradient_of_a_draw_is_straight_through() -> None:
    alphas = build_alphas(TABLE["darts"], 1)
    c = torch.randn(alphas.stacked().shape, generator=generator(0), dtype=torch.float64)
    _, M, leaf = drawn(SampledTopK(), alphas, keyed(3))
    (gradient,) = torch.autograd.grad((c * M).sum(), leaf)
    W = alphas.candidates.weights(leaf)
    (expected,) = torch.autograd.grad((c * W).sum(), leaf)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)
