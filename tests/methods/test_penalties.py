"""Penalties against hand computations."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.special import digamma, gammaln
from torch import Tensor

from dadarts.architecture.discretization import discretize
from dadarts.architecture.operations import OPS
from dadarts.architecture.spaces import SPACES, SearchSpace, Size
from dadarts.methods.alphas import Alphas
from dadarts.methods.penalties import (
    BetaDecay,
    DirichletDivergence,
    DiscretizationLoss,
    EntropyLoss,
    NonePenalty,
    Target,
    ZeroOneLoss,
    discretization_distance,
    discretization_target,
)
from dadarts.methods.relaxations import Hard, Soft
from dadarts.methods.schedules import Constant, Linear, Progress
from dadarts.seeds import generator
from tests.nets import MIDWAY, build_alphas, build_batch, build_supernet, flat, macro_of, ragged_space, tiny_space

WITH_NONE = [name for name in SPACES if tiny_space(name).none_everywhere]
REACHABLE = [*WITH_NONE, "nas-bench-201"]
"""Spaces in which every discretization is a point that W can tend to."""


def fill(alphas: Alphas, *nodes: list[list[float]]) -> None:
    with torch.no_grad():
        for alpha, values in zip(alphas.parameters(), nodes, strict=True):
            alpha.copy_(torch.tensor(values, dtype=torch.float64))


def by_hand() -> Alphas:
    """S3 with one node of two edges: columns sep_conv_3x3, skip_connect, none; logs, so that W is as written."""
    alphas = build_alphas(tiny_space("S3"))
    edge, other, third = ([math.log(p) for p in row] for row in ([0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.25, 0.6, 0.15]))
    for alpha in alphas.parameters():
        fill_rows = [edge, other, third][: alpha.shape[0]]
        with torch.no_grad():
            alpha.copy_(torch.tensor(fill_rows, dtype=torch.float64))
    return alphas


def test_the_discretization_loss_equals_a_hand_computation() -> None:
    alphas = by_hand()
    # Node 0 keeps both edges: targets (1,0,0) and (0,1,0). Node 1 keeps edges 2 and 0, and drops edge 1.
    edge_0 = 0.25 + 0.09 + 0.04
    edge_1 = 0.01 + 0.64 + 0.49
    edge_2 = 0.0625 + 0.16 + 0.0225
    first = (edge_0 + edge_1) / 6
    closed, asked_zero = 0.01 + 0.04 + 0.09, 0.01 + 0.04 + 0.49
    for target, dropped in (("none", closed), ("zero", asked_zero)):
        expected = (first + (edge_0 + dropped + edge_2) / 9) / 2
        W = alphas.weights()
        value = discretization_distance(W, alphas.candidates, "none" if target == "none" else "zero")
        assert float(value.detach()) == pytest.approx(expected, rel=1e-12)


def test_the_discretization_loss_is_a_mean_over_kinds_and_nodes_and_may_name_kinds() -> None:
    alphas = build_alphas(tiny_space("darts"), 1)
    W = alphas.weights().detach()
    target = discretization_target(W, alphas.candidates, "none")
    per_node: dict[str, list[float]] = {"normal": [], "reduce": []}
    for kind, w, t in zip(alphas.candidates.kinds, W, target, strict=True):
        edges = len(per_node[kind]) + 2
        per_node[kind].append(float((w[:edges] - t[:edges]).square().mean()))
    every = per_node["normal"] + per_node["reduce"]
    assert len(every) == 4

    def value(kinds: tuple[str, ...] | None) -> float:
        return DiscretizationLoss(target="none", kinds=kinds)(alphas, MIDWAY).item()

    assert value(None) == pytest.approx(sum(every) / 4, rel=1e-12)
    assert value(("normal", "reduce")) == pytest.approx(sum(every) / 4, rel=1e-12)
    assert value(("normal",)) == pytest.approx(sum(per_node["normal"]) / 2, rel=1e-12)
    assert value(("reduce",)) == pytest.approx(sum(per_node["reduce"]) / 2, rel=1e-12)


def test_the_discretization_loss_of_some_kinds_pulls_only_their_alphas() -> None:
    alphas = build_alphas(tiny_space("darts"), 1)
    loss = DiscretizationLoss(target="none", kinds=("reduce",))(alphas, MIDWAY)
    gradients = torch.autograd.grad(loss, [*alphas.parameters()])
    assert [bool(g.any()) for g in gradients] == [False, False, True, True]


@pytest.mark.parametrize("name", WITH_NONE)
def test_every_row_of_the_target_none_sums_to_one(name: str) -> None:
    for seed in range(10):
        alphas = build_alphas(tiny_space(name), seed)
        W = alphas.weights().detach()
        target = discretization_target(W, alphas.candidates, "none")
        D = discretize(W, alphas.candidates.rule, alphas.candidates.present)
        real = alphas.candidates.present.any(dim=-1)
        assert torch.equal(target.sum(dim=-1), real.double())
        assert torch.equal(target[..., :-1], D[..., :-1].double())
        assert torch.equal(target[..., -1], (real & ~D.any(dim=-1)).double())


@pytest.mark.parametrize("name", [*SPACES, "ragged"])
def test_the_target_zero_is_the_discretization_itself(name: str) -> None:
    alphas = build_alphas(ragged_space() if name == "ragged" else tiny_space(name), 2)
    W = alphas.weights()
    target = discretization_target(W, alphas.candidates, "zero")
    assert torch.equal(target, discretize(W, alphas.candidates.rule, alphas.candidates.present).double())
    assert not target.requires_grad


@pytest.mark.parametrize("target", ["none", "zero"])
def test_no_gradient_passes_through_the_target(target: Target) -> None:
    alphas = build_alphas(tiny_space("darts"), 3)
    parameters = [*alphas.parameters()]
    goal = discretization_target(alphas.weights(), alphas.candidates, target).detach()
    assert not discretization_target(alphas.weights(), alphas.candidates, target).requires_grad
    present = alphas.candidates.present
    by_node = ((alphas.weights() - goal).square() * present).sum((1, 2)) / present.sum((1, 2))
    expected = torch.autograd.grad(by_node.mean(), parameters)
    given = torch.autograd.grad(DiscretizationLoss(target=target)(alphas, MIDWAY), parameters)
    for g, e in zip(given, expected, strict=True):
        torch.testing.assert_close(g, e, rtol=1e-12, atol=1e-15)
        assert bool(e.any())


def test_an_unresolved_target_is_none_where_none_can_be_reached() -> None:
    for name in SPACES:
        alphas = build_alphas(tiny_space(name), 4)
        expected: Target = "none" if name in WITH_NONE else "zero"
        given = DiscretizationLoss()(alphas, MIDWAY)
        assert torch.equal(given, DiscretizationLoss(target=expected)(alphas, MIDWAY)), name


def settle(alphas: Alphas) -> None:
    """Alphas with gaps of 1e4 at the target of their own discretization."""
    W = alphas.weights().detach()
    target = discretization_target(W, alphas.candidates, "none" if alphas.candidates.rule.banned else "zero")
    with torch.no_grad():
        rows = [node for nodes in alphas.split(target).values() for node in nodes]
        for alpha, goal in zip(alphas.parameters(), rows, strict=True):
            alpha.copy_(1e4 * goal)


@pytest.mark.parametrize("name", REACHABLE)
@pytest.mark.parametrize("seed", range(4))
def test_at_zero_loss_the_relaxed_supernet_is_the_discretized_one_exactly(name: str, seed: int) -> None:
    it = tiny_space(name)
    macro = macro_of(layers=3)
    supernet = build_supernet(it, macro, seed)
    batch = build_batch(macro, seed)
    alphas = build_alphas(it, seed)
    before = alphas.mix(Hard(), MIDWAY)
    settle(alphas)
    target: Target = "none" if name in WITH_NONE else "zero"
    assert DiscretizationLoss(target=target)(alphas, MIDWAY).item() == 0.0
    with torch.no_grad():
        soft, hard = alphas.mix(Soft(), MIDWAY), alphas.mix(Hard(), MIDWAY)
        relaxed, discretized, of_before = (supernet(batch.images, mixing) for mixing in (soft, hard, before))
    assert torch.equal(relaxed, discretized)
    assert torch.equal(discretized, of_before)
    # The same with a gradient, where every operation is computed.
    assert torch.equal(supernet(batch.images, alphas.mix(Soft(), MIDWAY)).detach(), discretized)


@pytest.mark.parametrize("name", WITH_NONE)
def test_mixing_set_to_the_target_gives_the_discretized_logits_exactly(name: str) -> None:
    it = tiny_space(name)
    macro = macro_of(layers=3)
    supernet = build_supernet(it, macro, 9)
    batch = build_batch(macro, 9)
    alphas = build_alphas(it, 9)
    with torch.no_grad():
        target = alphas.split(discretization_target(alphas.weights(), alphas.candidates, "none"))
        assert torch.equal(supernet(batch.images, target), supernet(batch.images, alphas.mix(Hard(), MIDWAY)))


def test_the_target_zero_cannot_be_reached_and_none_can() -> None:
    alphas = build_alphas(tiny_space("darts"), 5)
    settle(alphas)
    assert DiscretizationLoss(target="none")(alphas, MIDWAY).item() == 0.0
    assert DiscretizationLoss(target="zero")(alphas, MIDWAY).item() > 1e-2


def test_lambda_follows_its_schedule_from_its_start_on() -> None:
    alphas = build_alphas(tiny_space("darts"), 6)
    plain = DiscretizationLoss(target="none")(alphas, Progress(0, 10)).item()
    rising = DiscretizationLoss(Linear(0, 2), start=3, target="none")
    for epoch in range(10):
        factor = 2 * epoch / 10 if epoch >= 3 else 0.0
        assert rising.pull(Progress(epoch, 10)).factor == pytest.approx(factor)
        assert rising(alphas, Progress(epoch, 10)).item() == pytest.approx(factor * plain, rel=1e-12)
    assert DiscretizationLoss(Constant(3.0), target="none")(alphas, MIDWAY).item() == pytest.approx(3 * plain)


def test_beta_decay_equals_a_hand_computation() -> None:
    alphas = build_alphas(tiny_space("S3"), 7)
    rows = [row for alpha in alphas.parameters() for row in alpha.tolist()]
    mean = sum(math.log(sum(math.exp(value) for value in row)) for row in rows) / len(rows)
    for epoch in (0, 1, 4):
        expected = 50 * epoch / 5 * mean
        assert BetaDecay()(alphas, Progress(epoch, 5)).item() == pytest.approx(expected, rel=1e-12)


def test_the_gradient_of_beta_decay_is_the_softmax_of_every_row() -> None:
    alphas = build_alphas(tiny_space("S3"), 7)
    parameters = [*alphas.parameters()]
    gradients = torch.autograd.grad(BetaDecay(Constant(1.0))(alphas, MIDWAY), parameters)
    rows = sum(alpha.shape[0] for alpha in parameters)
    for gradient, alpha in zip(gradients, parameters, strict=True):
        torch.testing.assert_close(gradient, alpha.detach().softmax(-1) / rows, rtol=1e-12, atol=0)


def test_beta_decay_leaves_padded_places_out() -> None:
    space = ragged_space()
    alphas = build_alphas(space, 8)
    expected = []
    for kind, nodes in alphas.nodes.items():
        for alpha, rows in zip(nodes.parameters(), space.table(kind), strict=True):
            for e, names in enumerate(rows):
                real = [o for o, name in enumerate(names) if name is not None]
                expected.append(float(alpha.detach()[e, real].logsumexp(0)))
    value = BetaDecay(Constant(1.0))(alphas, MIDWAY).item()
    assert value == pytest.approx(sum(expected) / len(expected), rel=1e-12)


def entropy_of(values: list[float]) -> float:
    return -sum(value * math.log(value) for value in values)


@pytest.mark.parametrize("name", ["ragged", "S2", "S3", "darts", "nas-bench-201"])
def test_entropy_loss_equals_plain_loops(name: str) -> None:
    space = ragged_space() if name == "ragged" else tiny_space(name)
    alphas = build_alphas(space, 12)
    operations, edges = [], []
    for kind, nodes in alphas.nodes.items():
        for alpha, rows in zip(nodes.parameters(), space.table(kind), strict=True):
            strengths = []
            for e, names in enumerate(rows):
                real = [o for o, operation in enumerate(names) if operation is not None]
                W = dict(zip([names[o] for o in real], alpha.detach()[e, real].softmax(0).tolist(), strict=True))
                operations.append(entropy_of(list(W.values())))
                banned = {"none"} if space.bans_none else set()
                strengths.append(max(value for operation, value in W.items() if operation not in banned))
            if space.edges is not None and len(rows) > space.edges:
                edges.append(entropy_of(strengths) + (sum(strengths) - space.edges) ** 2)
    expected = 0.3 * sum(operations) / len(operations) + (0.7 * sum(edges) / len(edges) if edges else 0)
    loss = EntropyLoss(Constant(0.3), Constant(0.7))(alphas, MIDWAY)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    assert EntropyLoss()(alphas, Progress(0, 5)).item() == 0


def test_entropy_loss_is_zero_where_every_edge_has_decided_and_two_stay() -> None:
    alphas = Alphas(tiny_space("S3"), generator(0)).double()
    with torch.no_grad():
        for alpha in alphas.parameters():
            alpha.zero_()
            for e in range(len(alpha)):
                alpha[e, 2 if e >= 2 else e] = 60.0
    loss = EntropyLoss(Constant(1.0), Constant(1.0))(alphas, MIDWAY)
    assert loss.item() == pytest.approx(0, abs=1e-20)
    assert all(bool(g.isfinite().all()) for g in torch.autograd.grad(loss, [*alphas.parameters()]))


def test_the_gradient_of_the_entropy_loss_is_finite_where_sparse_weights_are_zero() -> None:
    alphas = build_alphas(ragged_space(), 13, scale=3.0, sparsity=1.5)
    assert bool((alphas.weights()[alphas.candidates.present] == 0).any())
    gradients = torch.autograd.grad(EntropyLoss(Constant(1.0), Constant(1.0))(alphas, MIDWAY), [*alphas.parameters()])
    assert all(bool(g.isfinite().all()) for g in gradients)


def none_penalty(nodes: tuple[Tensor, ...]) -> float:
    return sum(float(W[:, -1].sum() - W[:, :-1].sum() / W[:, :-1].numel()) for W in nodes)


@pytest.mark.parametrize("kind", ["normal", "reduce"])
def test_the_none_penalty_equals_a_hand_computation(kind: str) -> None:
    alphas = by_hand()
    # Node 0: 0.2 + 0.7 - (0.5 + 0.3 + 0.1 + 0.2) / 4; node 1: 0.2 + 0.7 + 0.15 - (1.1 + 0.25 + 0.6) / 6.
    expected = (0.9 - 1.1 / 4) + (1.05 - 1.95 / 6)
    assert NonePenalty(kind, 1.0)(alphas, MIDWAY).item() == pytest.approx(expected, rel=1e-12)
    assert NonePenalty(kind, -2.5)(alphas, MIDWAY).item() == pytest.approx(-2.5 * expected, rel=1e-12)


def test_the_none_penalty_acts_on_its_own_kind_only() -> None:
    alphas = build_alphas(tiny_space("darts"), 10)
    W = {kind: tuple(node.detach() for node in nodes) for kind, nodes in alphas.split(alphas.weights()).items()}
    for kind, touched in (("normal", [True, True, False, False]), ("reduce", [False, False, True, True])):
        value = NonePenalty(kind, 1.0)(alphas, MIDWAY)
        assert value.item() == pytest.approx(none_penalty(W[kind]), rel=1e-12)
        gradients = torch.autograd.grad(value, [*alphas.parameters()], allow_unused=True, materialize_grads=True)
        assert [bool(g.any()) for g in gradients] == touched


def test_the_none_penalty_leaves_padded_places_out_of_the_mean() -> None:
    cell = ((("sep_conv_3x3", "skip_connect", "none"), ("skip_connect", "none")),)
    space = SearchSpace("two", "darts", OPS, 2, {"normal": cell}, 2, True, Size(2, 1), Size(2, 1))
    alphas = Alphas(space, generator(0)).double()
    W = alphas.weights().detach()[0]
    expected = float(W[:, -1].sum() - (W[0, 0] + W[0, 1] + W[1, 0]) / 3)
    assert NonePenalty("normal", 1.0)(alphas, MIDWAY).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("search_space", [*map(tiny_space, SPACES), ragged_space()], ids=lambda s: s.name)
def test_the_dirichlet_divergence_equals_a_hand_computation(search_space: SearchSpace) -> None:
    alphas = build_alphas(search_space, 5)
    expected = 0.0
    for kind, parameters in alphas.nodes.items():
        for alpha, table in zip(parameters.parameters(), search_space.table(kind), strict=True):
            for row, names in zip(alpha.tolist(), table, strict=True):
                c = [a + 1 if a > 0 else math.exp(a) for a, name in zip(row, names, strict=True) if name is not None]
                # KL(Dir(c) || Dir(1)), whose second normaliser is the volume of the simplex, 1 / Gamma(n).
                expected += gammaln(sum(c)) - sum(map(gammaln, c)) - gammaln(len(c))
                expected += sum((x - 1) * (digamma(x) - digamma(sum(c))) for x in c)
    assert DirichletDivergence()(alphas, MIDWAY).item() == pytest.approx(1e-3 * expected, rel=1e-12)
    assert DirichletDivergence(Constant(2.0))(alphas, MIDWAY).item() == pytest.approx(2 * expected, rel=1e-12)
    with torch.no_grad():
        for alpha in alphas.parameters():
            alpha.zero_()
    penalty = DirichletDivergence()(alphas, MIDWAY)
    assert penalty.item() == pytest.approx(0, abs=1e-12)
    assert not flat(torch.autograd.grad(penalty, [*alphas.parameters()])).abs().gt(1e-12).any()


@pytest.mark.parametrize("search_space", [*map(tiny_space, SPACES), ragged_space()], ids=lambda s: s.name)
def test_the_zero_one_loss_equals_a_hand_computation_and_drives_away_from_a_half(search_space: SearchSpace) -> None:
    alphas = build_alphas(search_space, 6, activation="sigmoid")
    scores = [
        1 / (1 + math.exp(-value))
        for kind, parameters in alphas.nodes.items()
        for alpha, table in zip(parameters.parameters(), search_space.table(kind), strict=True)
        for row, names in zip(alpha.tolist(), table, strict=True)
        for value, name in zip(row, names, strict=True)
        if name is not None
    ]
    expected = -10 * sum((score - 0.5) ** 2 for score in scores) / len(scores)
    loss = ZeroOneLoss()(alphas, MIDWAY)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    assert ZeroOneLoss(Constant(1.0))(alphas, MIDWAY).item() == pytest.approx(expected / 10, rel=1e-12)
    for alpha, gradient in zip(alphas.parameters(), torch.autograd.grad(loss, [*alphas.parameters()]), strict=True):
        moved = gradient != 0
        assert bool((gradient[moved].sign() == -alpha.detach()[moved].sign()).all())
