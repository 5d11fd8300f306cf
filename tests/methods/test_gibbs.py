"""Draws from a Gibbs distribution and their unbiased gradient, against all discretizations listed one by one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import chi2
from torch import Tensor

from dadarts.architecture.discretization import discretize
from dadarts.architecture.spaces import SPACES, SearchSpace
from dadarts.errors import InputError
from dadarts.methods.alphas import Alphas, Candidates
from dadarts.methods.catalogue import dadarts_plus
from dadarts.methods.method import Method, Objective
from dadarts.methods.relaxations import Gibbs, Hard, Relaxation
from dadarts.methods.resolve import resolve
from dadarts.methods.schedules import Constant, Linear, Progress
from dadarts.searching.bilevel import Bilevel, Inner
from dadarts.seeds import generator
from tests.nets import (
    MIDWAY,
    build_alphas,
    build_batch,
    build_supernet,
    macro_of,
    ragged_space,
    side_by_side,
    tiny_space,
)

TABLE: dict[str, SearchSpace] = {**{name: tiny_space(name) for name in SPACES}, "ragged": ragged_space()}
Places = tuple[tuple[int, int], ...]


def keyed(key: int) -> Progress:
    return MIDWAY._replace(key=key)


def discretizations(alphas: Alphas, node: int) -> list[Places]:
    """All that D can give a node, as its (edge, operation) places."""
    columns = {
        edge: np.flatnonzero(row).tolist() for edge, row in enumerate(alphas.candidates.open[node].numpy()) if row.any()
    }
    keeps = alphas.candidates.rule.edges
    sets = combinations(columns, min(len(columns) if keeps is None else keeps, len(columns)))
    return [
        tuple(zip(edges, operations, strict=True))
        for edges in sets
        for operations in product(*(columns[edge] for edge in edges))
    ]


def probabilities(W: NDArray[np.float64], all_of: list[Places], temperature: float) -> NDArray[np.float64]:
    worth = np.array([sum(W[place] for place in places) for places in all_of])
    shares: NDArray[np.float64] = softmax(temperature * worth)
    return shares


@pytest.mark.parametrize("name", ["darts", "nas-bench-201", "nas-bench-macro", "S2", "ragged"])
@pytest.mark.parametrize("temperature", [0.0, 5.0])
def test_discretizations_are_drawn_as_often_as_they_should(name: str, temperature: float) -> None:
    alphas, keys, each = build_alphas(TABLE[name], 3), 10, 300
    W = alphas.weights().detach().numpy()
    leaf, candidates = side_by_side(alphas, each)
    with torch.no_grad():
        passes = [Gibbs(Constant(temperature))(leaf, candidates, keyed(key)) for key in range(keys)]
    drawn = torch.cat(passes).view(-1, *W.shape).numpy()
    for node in range(len(W)):
        all_of = discretizations(alphas, node)
        expected = len(drawn) * probabilities(W[node], all_of, temperature)
        different, counts = np.unique(drawn[:, node], axis=0, return_counts=True)
        found_of = {
            tuple(map(tuple, np.argwhere(M).tolist())): count
            for M, count in zip(different, counts.tolist(), strict=True)
        }
        assert found_of.keys() <= set(all_of)
        found = np.array([found_of.get(places, 0) for places in all_of])
        if len(all_of) > 1:
            # Keys are fixed: of all nodes and spaces here one in a million would be this far off by chance.
            assert ((found - expected) ** 2 / expected).sum() < chi2.isf(1e-6, len(all_of) - 1)


@pytest.mark.parametrize("name", TABLE)
def test_a_hot_draw_and_one_without_a_key_are_the_discretization(name: str) -> None:
    alphas = build_alphas(TABLE[name], 4)
    D = discretize(alphas.weights(), alphas.candidates.rule, alphas.candidates.present).double()
    hot = Gibbs(Constant(1e6))
    leaf, candidates = side_by_side(alphas, 100)
    for key in range(2):
        assert bool((hot(leaf, candidates, keyed(key)).view(-1, *D.shape) == D).all())
    assert torch.equal(Gibbs()(alphas.stacked(), alphas.candidates, MIDWAY), D)


def test_the_gradient_of_a_draw_is_straight_through() -> None:
    alphas = build_alphas(TABLE["darts"], 1)
    leaf = alphas.stacked().detach().requires_grad_()
    c = torch.randn(leaf.shape, generator=generator(0), dtype=torch.float64)
    (gradient,) = torch.autograd.grad((c * Gibbs()(leaf, alphas.candidates, keyed(3))).sum(), leaf)
    (expected,) = torch.autograd.grad((c * alphas.candidates.weights(leaf)).sum(), leaf)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def in_places(shape: torch.Size, node: int, places: Places) -> Tensor:
    M = torch.zeros(shape, dtype=torch.float64)
    for edge, operation in places:
        M[node, edge, operation] = 1
    return M


@pytest.mark.parametrize(
    ("name", "node", "draws"), [("nas-bench-201", 0, 2), ("ragged", 1, 2), ("nas-bench-201", 0, 3)]
)
def test_advantages_estimate_the_gradient_of_the_expected_loss_without_bias(name: str, node: int, draws: int) -> None:
    alphas, temperature = build_alphas(TABLE[name], 2), 3.0
    leaf = alphas.stacked().detach().requires_grad_()
    W = alphas.candidates.weights(leaf)
    all_of = [in_places(leaf.shape, node, places) for places in discretizations(alphas, node)]
    losses = torch.rand(len(all_of), generator=generator(5), dtype=torch.float64)
    # E L by its definition, and its gradient by autograd.
    P = torch.softmax(temperature * torch.stack([(M * W).sum() for M in all_of]), dim=0)
    (exact,) = torch.autograd.grad((P * losses).sum(), leaf, retain_graph=True)
    # The expectation of the estimate: over all that K draws can be.
    mean = torch.zeros(())
    for chosen in product(range(len(all_of)), repeat=draws):
        index = list(chosen)
        drawn = torch.stack([all_of[number] for number in index])
        estimate = Gibbs(Constant(temperature)).advantages(W, drawn, losses[index], MIDWAY)
        mean = mean + P.detach()[index].prod() * estimate
    (estimated,) = torch.autograd.grad(mean, leaf)
    assert exact.abs().max() > 1e-3
    torch.testing.assert_close(estimated, exact, rtol=1e-10, atol=1e-13)


def test_the_architecture_step_weighs_its_draws_by_their_validation_losses() -> None:
    it, macro = tiny_space("nas-bench-201"), macro_of(layers=1)
    bilevel = Bilevel(build_supernet(it, macro), build_alphas(it), dadarts_plus(draws=3))
    progress = Progress(1, 20, key=11)
    inner = Inner(0.025, 0.9, 0.0, [torch.zeros_like(w) for w in bilevel.w])
    before = [w.detach().clone() for w in bilevel.w]
    gradient, loss = bilevel.architecture_gradient(build_batch(macro, 1), build_batch(macro, 2), progress, inner)
    drawn = [
        Gibbs(Linear(0, 200))(bilevel.alphas.stacked(), bilevel.alphas.candidates, progress.apart(f"draw-{k}")).detach()
        for k in range(3)
    ]
    assert len({M.numpy().tobytes() for M in drawn}) > 1
    with torch.no_grad():
        losses = [bilevel.loss(build_batch(macro, 2), bilevel.alphas.split(M))[0] for M in drawn]
    log_P = [10.0 * (M * bilevel.alphas.weights()).sum() for M in drawn]
    rivals = [(sum(losses) - own) / 2 for own in losses]
    surrogate = sum((own - rival) * log_p for own, rival, log_p in zip(losses, rivals, log_P, strict=True)) / 3
    assert isinstance(surrogate, Tensor)
    expected = torch.autograd.grad(surrogate, bilevel.alpha)
    for own, other in zip(gradient, expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-12)
    assert float(loss) == pytest.approx(float(sum(losses)) / 3)
    assert all(torch.equal(w, then) for w, then in zip(bilevel.w, before, strict=True))


@dataclass(frozen=True)
class Doubled(Relaxation):
    """Gibbs' draws, whose worth counts twice: a relaxation that the package does not know."""

    weighs_draws: ClassVar[bool] = True

    def __call__(self, alpha_NEO: Tensor, candidates: Candidates, progress: Progress) -> Tensor:
        return Gibbs()(alpha_NEO, candidates, progress)

    def advantages(self, W_NEO: Tensor, drawn: Tensor, losses: Tensor, progress: Progress) -> Tensor:
        return 2 * Gibbs().advantages(W_NEO, drawn, losses, progress)


def test_draws_of_any_relaxation_that_says_so_are_weighed() -> None:
    it, macro = tiny_space("darts"), macro_of(layers=1)
    supernet, batch, progress = build_supernet(it, macro), build_batch(macro, 2), Progress(1, 20, key=11)
    gradients = []
    for relaxation in (Gibbs(), Doubled()):
        method = resolve(Method(alphas=Objective(relaxation), order="first", draws=3), it)
        bilevel = Bilevel(supernet, build_alphas(it, 1), method)
        inner = Inner(0.1, 0.9, 0.0, [torch.zeros_like(w) for w in bilevel.w])
        gradients.append(bilevel.architecture_gradient(batch, batch, progress, inner)[0])
    assert any(bool(own.any()) for own in gradients[0])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(2 * one, two)
    with pytest.raises(InputError, match="draws are weighed in a first-order"):
        resolve(Method(alphas=Objective(Hard()), order="first", draws=3), it)
