"""The gradients of the two levels against exact automatic differentiation of the same expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from dadarts.architecture.spaces import SearchSpace, space
from dadarts.architecture.supernet import Mixing
from dadarts.methods.method import Method, Objective
from dadarts.methods.penalties import BetaDecay, DiscretizationLoss, NonePenalty
from dadarts.methods.relaxations import Dirichlet, Gumbel, Hard, Perturbed, Relaxation, Soft, TopK
from dadarts.methods.schedules import Constant, Progress
from dadarts.searching.bilevel import Bilevel, Inner
from dadarts.searching.step import Optimizers
from tests.nets import (
    MIDWAY,
    TinyBatch,
    build_alphas,
    build_batch,
    build_supernet,
    flat,
    macro_of,
    relative_error,
    smooth_space,
    soften,
)

DRAWN = MIDWAY._replace(key=5)
FIVE, FIFTY = Constant(5.0), Constant(50.0)
KINDS: dict[str, Relaxation] = {
    "Soft": Soft(),
    "Hard": Hard(),
    "TopK": TopK(temperature_edge=FIVE, temperature_node=FIVE),
    "TopK3": TopK(option=3, temperature_edge=FIFTY, temperature_node=FIFTY),
    "Gumbel": Gumbel(Constant(1.0)),
    "Dirichlet": Dirichlet(),
    "Perturbed": Perturbed(Constant(0.1)),
}
PAIRS = list(product(KINDS, KINDS))
"""Seven kinds in each of two roles: of every second pair, and of those between, each kind is in each role."""
PENALTIES = (DiscretizationLoss(target="none"), NonePenalty("normal", 0.1))


class Problem:
    """A tiny supernet with both kinds of cells, its alphas, two batches, and an inner step with momentum."""

    def __init__(
        self,
        search_space: SearchSpace,
        method: Method,
        *,
        smooth: bool = False,
        seed: int = 0,
        channels: int = 2,
        pictures: int = 4,
    ) -> None:
        macro = macro_of(channels, 3)
        supernet = build_supernet(search_space, macro, seed)
        if smooth:
            soften(supernet)
        self.alphas = build_alphas(search_space, seed, scale=0.5)
        self.bilevel = Bilevel(supernet, self.alphas, method)
        self.train = build_batch(macro, 2 * seed + 1, pictures)
        self.valid = build_batch(macro, 2 * seed + 2, pictures)
        draw = torch.Generator().manual_seed(seed)
        buffers = [0.1 * torch.randn(w.shape, generator=draw, dtype=torch.float64) for w in self.bilevel.w]
        self.inner = Inner(xi=0.05, momentum=0.9, decay=3e-3, buffers=buffers)

    def estimate(self) -> list[Tensor]:
        return self.bilevel.architecture_gradient(self.train, self.valid, DRAWN, self.inner)[0]

    def loss(self, w: Sequence[Tensor], batch: TinyBatch, mixing: Mixing) -> Tensor:
        names = [name for name, _ in self.bilevel.supernet.named_parameters()]
        state = dict(zip(names, w, strict=True))
        logits = functional_call(self.bilevel.supernet, state, (batch.images, mixing, batch.key))
        return F.cross_entropy(logits, batch.labels)

    def leaves(self) -> list[Tensor]:
        return [w.detach().clone().requires_grad_() for w in self.bilevel.w]

    def weight_gradient(self, w: Sequence[Tensor], relaxation: Relaxation) -> tuple[Tensor, ...]:
        """grad_w L_train as a function of alpha, through straight-through mixing where that is hard."""
        loss = self.loss(w, self.train, self.alphas.mix(relaxation, DRAWN))
        return torch.autograd.grad(loss, w, create_graph=True, allow_unused=True, materialize_grads=True)

    def moved(self, w: Sequence[Tensor], gradient: Sequence[Tensor]) -> list[Tensor]:
        inner = self.inner
        return [
            p - inner.xi * (inner.momentum * b + g + inner.decay * p)
            for p, b, g in zip(w, inner.buffers, gradient, strict=True)
        ]

    def validation_gradient(self, w: Sequence[Tensor], *, also: Sequence[Tensor] = ()) -> list[Tensor]:
        loss = self.loss(w, self.valid, self.alphas.mix(self.bilevel.method.alphas.relax, DRAWN))
        for penalty in self.bilevel.method.alphas.penalties:
            loss = loss + penalty(self.alphas, DRAWN)
        inputs = [*self.alphas.parameters(), *also]
        return list(torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True))

    def direct(self) -> tuple[list[Tensor], list[Tensor]]:
        """grad_alpha and grad_w' of L_valid at w', which is held constant."""
        return self._direct(self.moved(self.bilevel.w, self.weight_gradient(self.leaves(), self.look_ahead)))

    def exact(self) -> tuple[list[Tensor], list[Tensor]]:
        """The direct gradient, and all of d/d alpha L_valid(w'(alpha), alpha) by autodiff through the inner step."""
        w = self.leaves()
        moved = self.moved(w, self.weight_gradient(w, self.look_ahead))
        return self._direct(moved)[0], self.validation_gradient(moved)

    def _direct(self, moved: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        at = [w.detach().requires_grad_() for w in moved]
        both = self.validation_gradient(at, also=at)
        return both[: len(self.bilevel.alpha)], both[len(self.bilevel.alpha) :]

    @property
    def look_ahead(self) -> Relaxation:
        return self.bilevel.method.look_ahead

    def mixed_product(self, v: Sequence[Tensor], relaxation: Relaxation) -> list[Tensor]:
        """grad_alpha <grad_w L_train(w, alpha), v>, exactly."""
        gradient = self.weight_gradient(self.leaves(), relaxation)
        inner = sum(((g * d).sum() for g, d in zip(gradient, v, strict=True)), torch.zeros(()))
        return list(torch.autograd.grad(inner, [*self.alphas.parameters()], allow_unused=True, materialize_grads=True))

    def hessian_product(self, v: Sequence[Tensor]) -> list[Tensor]:
        w = self.leaves()
        gradient = self.weight_gradient(w, self.look_ahead)
        inner = sum(((g * d).sum() for g, d in zip(gradient, v, strict=True)), torch.zeros(()))
        return list(torch.autograd.grad(inner, w, allow_unused=True, materialize_grads=True))


def minus(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[Tensor]:
    return [x - y for x, y in zip(a, b, strict=True)]


def second_order(look_ahead: str, alphas: str, epsilon: float) -> Method:
    return Method(alphas=Objective(KINDS[alphas], PENALTIES), look_ahead=KINDS[look_ahead], epsilon=epsilon)


@pytest.mark.parametrize(("look_ahead", "alphas"), PAIRS[::2])
def test_the_correction_equals_exact_autodiff_on_a_smooth_net_at_the_default_epsilon(
    look_ahead: str, alphas: str
) -> None:
    # The error is c^2 times third derivatives, which batch norm makes large where channels and pictures are few.
    method = second_order(look_ahead, alphas, 0.01)
    problem = Problem(smooth_space(), method, smooth=True, channels=4, pictures=8)
    direct, exact = problem.exact()
    correction = minus(exact, direct)
    assert float(flat(correction).norm()) > 1e-4 * float(flat(direct).norm())
    assert relative_error(minus(problem.estimate(), direct), correction) < 1e-3


@pytest.mark.parametrize("look_ahead", KINDS)
def test_the_error_of_the_correction_falls_with_the_square_of_epsilon(look_ahead: str) -> None:
    problem = Problem(smooth_space(), second_order(look_ahead, "TopK", 0.01), smooth=True)
    direct, exact = problem.exact()
    errors = []
    for epsilon in (4e-3, 1e-3):
        problem.bilevel.method = second_order(look_ahead, "TopK", epsilon)
        errors.append(relative_error(minus(problem.estimate(), direct), minus(exact, direct)))
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.1)


@pytest.mark.parametrize(("look_ahead", "alphas"), PAIRS[1::2])
def test_the_correction_equals_exact_autodiff_on_the_real_operations_at_a_small_epsilon(
    look_ahead: str, alphas: str
) -> None:
    # At this seed no ReLU and no maximum changes sides within the finite difference.
    problem = Problem(space("darts", 1), second_order(look_ahead, alphas, 1e-5), seed=4)
    direct, exact = problem.exact()
    assert relative_error(minus(problem.estimate(), direct), minus(exact, direct)) < 1e-6


@pytest.mark.parametrize("look_ahead", KINDS)
def test_the_inner_step_is_differentiated_under_its_own_mixing_and_no_other(look_ahead: str) -> None:
    other = "Hard" if look_ahead != "Hard" else "Soft"
    problem = Problem(smooth_space(), second_order(look_ahead, other, 1e-4), smooth=True)
    _, v = problem.direct()
    given = problem.bilevel.mixed_product(problem.train, v, DRAWN)
    assert relative_error(given, problem.mixed_product(v, KINDS[look_ahead])) < 1e-3
    assert relative_error(given, problem.mixed_product(v, KINDS[other])) > 0.05


@pytest.mark.parametrize("correction", KINDS)
def test_a_relaxation_named_for_the_correction_is_used_there_alone(correction: str) -> None:
    method = replace(second_order("Soft", "TopK", 1e-4), correction=KINDS[correction])
    problem = Problem(smooth_space(), method, smooth=True)
    direct, v = problem.direct()
    expected = [-problem.inner.xi * c for c in problem.mixed_product(v, KINDS[correction])]
    assert relative_error(minus(problem.estimate(), direct), expected) < 1e-3
    without = Problem(smooth_space(), replace(method, correction=None), smooth=True)
    assert torch.equal(flat(without.estimate()), flat(problem.estimate())) == (correction == "Soft")


@pytest.mark.parametrize("alphas", KINDS)
def test_first_order_is_the_validation_gradient_at_w(alphas: str) -> None:
    method = replace(second_order("Soft", alphas, 0.01), order="first")
    problem = Problem(space("darts", 1), method)
    expected = problem.validation_gradient(problem.bilevel.w)
    assert relative_error(problem.estimate(), expected) < 1e-12


def test_the_reported_validation_loss_is_that_at_the_moved_weights_with_penalties() -> None:
    problem = Problem(smooth_space(), second_order("Soft", "TopK", 0.01), smooth=True)
    _, loss = problem.bilevel.architecture_gradient(problem.train, problem.valid, DRAWN, problem.inner)
    moved = problem.moved(problem.bilevel.w, problem.weight_gradient(problem.leaves(), Soft()))
    plain = problem.loss(moved, problem.valid, problem.alphas.mix(KINDS["TopK"], DRAWN))
    penalties = [penalty(problem.alphas, DRAWN).item() for penalty in PENALTIES]
    assert float(loss) == pytest.approx(plain.item() + sum(penalties), rel=1e-12)


def test_a_step_of_length_zero_leaves_the_direct_gradient() -> None:
    problem = Problem(smooth_space(), second_order("Soft", "Soft", 0.01), smooth=True)
    problem.inner = replace(problem.inner, xi=0.0)
    assert relative_error(problem.estimate(), problem.validation_gradient(problem.bilevel.w)) < 1e-12


@pytest.mark.parametrize("relaxation", KINDS)
@pytest.mark.parametrize("both", [False, True])
def test_the_single_level_gradient_equals_autodiff_of_one_loss(relaxation: str, both: bool) -> None:
    beta = BetaDecay(Constant(0.5))
    weights = Objective(KINDS[relaxation], (beta,))
    method = Method(weights, Objective(Soft(), PENALTIES if both else ()), order="single-level")
    problem = Problem(space("darts", 1), method)
    gradient, loss, logits = problem.bilevel.single_level_gradient(problem.train, DRAWN)
    w = problem.leaves()
    plain = problem.loss(w, problem.train, problem.alphas.mix(KINDS[relaxation], DRAWN))
    total = plain
    for penalty in (beta, *(PENALTIES if both else ())):
        total = total + penalty(problem.alphas, DRAWN)
    expected = torch.autograd.grad(total, [*w, *problem.alphas.parameters()], allow_unused=True, materialize_grads=True)
    assert relative_error(gradient, expected) < 1e-12
    assert float(loss) == pytest.approx(plain.item(), rel=1e-12)
    assert float(F.cross_entropy(logits, problem.train.labels)) == pytest.approx(plain.item(), rel=1e-12)
    assert bool(flat(gradient[len(w) :]).any())


@pytest.mark.parametrize("look_ahead", KINDS)
def test_the_amended_term_equals_exact_hessian_products(look_ahead: str) -> None:
    # Truncation falls with epsilon squared, and is largest under noise that W is clipped after.
    method = replace(second_order(look_ahead, "TopK", 1e-4), amended=True)
    problem = Problem(smooth_space(), method, smooth=True)
    direct, v = problem.direct()
    product_ww = problem.hessian_product(v)
    assert relative_error(problem.bilevel.hessian_product(problem.train, v, DRAWN), product_ww) < 1e-4
    expected = [0.1 * problem.inner.xi * c for c in problem.mixed_product(product_ww, KINDS[look_ahead])]
    assert relative_error(minus(problem.estimate(), direct), expected) < 1e-4


def test_the_amended_term_is_exact_on_the_real_operations_at_a_small_epsilon() -> None:
    # At this seed no ReLU and no maximum changes sides within the finite differences.
    problem = Problem(space("darts", 1), replace(second_order("Soft", "Soft", 1e-5), amended=True), seed=4)
    direct, v = problem.direct()
    product_ww = problem.hessian_product(v)
    expected = [0.1 * problem.inner.xi * c for c in problem.mixed_product(product_ww, Soft())]
    assert relative_error(minus(problem.estimate(), direct), expected) < 1e-6


def test_a_validation_gradient_of_zero_needs_no_correction() -> None:
    # With one class the cross entropy is 0 for any weights, and so is its gradient.
    it = smooth_space()
    macro = macro_of(2, 3, classes=1)
    for amended in (False, True):
        method = replace(second_order("Soft", "Soft", 0.01), amended=amended)
        bilevel = Bilevel(build_supernet(it, macro), build_alphas(it), method)
        inner = Inner(0.05, 0.9, 3e-3, [torch.zeros_like(w) for w in bilevel.w])
        gradient, _ = bilevel.architecture_gradient(build_batch(macro, 1), build_batch(macro, 2), DRAWN, inner)
        total = sum((penalty(bilevel.alphas, DRAWN) for penalty in PENALTIES), torch.zeros(()))
        expected = torch.autograd.grad(total, [*bilevel.alphas.parameters()])
        assert bool(flat(gradient).isfinite().all())
        torch.testing.assert_close(flat(gradient), flat(expected), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("zeros", [True, False])
def test_products_with_the_zero_vector_are_zero(zeros: bool) -> None:
    problem = Problem(space("darts", 1), Method())
    v = [torch.zeros_like(w) if zeros else torch.ones_like(w) for w in problem.bilevel.w]
    for result in (
        problem.bilevel.mixed_product(problem.train, v, DRAWN),
        problem.bilevel.hessian_product(problem.train, v, DRAWN),
    ):
        assert bool(flat(result).any()) is not zeros


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), 1e308])
def test_products_with_a_vector_without_a_length_are_not_taken_for_zero(broken: float) -> None:
    problem = Problem(space("darts", 1), Method())
    v = [torch.full_like(w, broken) for w in problem.bilevel.w]
    assert not flat(problem.bilevel.mixed_product(problem.train, v, DRAWN)).isfinite().any()


@pytest.mark.parametrize("order", ["second", "first"])
@pytest.mark.parametrize("amended", [False, True])
def test_the_architecture_gradient_leaves_everything_as_it_was_bit_for_bit(order: str, amended: bool) -> None:
    method = replace(
        second_order("Hard", "TopK", 0.01), order="first" if order == "first" else "second", amended=amended
    )
    problem = Problem(space("darts", 1), method)
    everything = [*problem.bilevel.w, *problem.bilevel.alpha, *problem.inner.buffers]
    before = [tensor.detach().clone() for tensor in everything]
    problem.estimate()
    assert all(torch.equal(a, b) for a, b in zip(everything, before, strict=True))
    assert all(p.requires_grad and p.grad is None for p in (*problem.bilevel.w, *problem.bilevel.alpha))


@pytest.mark.parametrize("broken", ["train", "valid"])
def test_weights_come_back_even_where_a_pass_fails(broken: str) -> None:
    problem = Problem(space("darts", 1), second_order("Soft", "Soft", 0.01))
    before = flat(problem.bilevel.w)
    bad = TinyBatch(problem.train.images[:, :1], problem.train.labels)
    train, valid = (bad, problem.valid) if broken == "train" else (problem.train, bad)
    with pytest.raises(RuntimeError):
        problem.bilevel.architecture_gradient(train, valid, DRAWN, problem.inner)
    assert torch.equal(flat(problem.bilevel.w), before)
    assert all(w.requires_grad for w in problem.bilevel.w)
    with pytest.raises(RuntimeError):
        problem.bilevel.mixed_product(bad, [torch.ones_like(w) for w in problem.bilevel.w], DRAWN)
    assert torch.equal(flat(problem.bilevel.w), before)
    assert all(w.requires_grad for w in problem.bilevel.w)


def optimizers(bilevel: Bilevel, *, nesterov: bool = False, grad_clip: float = 5.0) -> Optimizers:
    return Optimizers(
        bilevel,
        momentum=0.9,
        weight_decay=3e-3,
        nesterov=nesterov,
        grad_clip=grad_clip,
        alpha_lr=3e-2,
        alpha_weight_decay=1e-3,
    )


def plain_step(
    problem: Problem, sgd: torch.optim.SGD, adam: torch.optim.Adam, batches: Sequence[TinyBatch], lr: float, clip: float
) -> None:
    """Algorithm 1 of DARTS, written as a loop over parameters with torch's optimizers."""
    train, valid = batches
    method, w, alpha = problem.bilevel.method, problem.bilevel.w, problem.bilevel.alpha
    saved = [p.detach().clone() for p in w]
    problem.train, problem.valid = train, valid

    def gradients(batch: TinyBatch, relaxation: Relaxation, penalised: bool) -> list[Tensor]:
        loss = problem.loss(w, batch, problem.alphas.mix(relaxation, DRAWN))
        if penalised:
            for penalty in method.alphas.penalties:
                loss = loss + penalty(problem.alphas, DRAWN)
        return list(torch.autograd.grad(loss, [*alpha, *w], allow_unused=True, materialize_grads=True))

    look = gradients(train, method.look_ahead, penalised=False)[len(alpha) :]
    for p, g in zip(w, look, strict=True):
        buffer = sgd.state[p].get("momentum_buffer", torch.zeros_like(p))
        p.data = p.data - lr * (0.9 * buffer + g + 3e-3 * p.data)
    both = gradients(valid, method.alphas.relax, penalised=True)
    v = both[len(alpha) :]
    eps = method.epsilon / torch.cat([d.flatten() for d in v]).norm()
    sides = []
    for sign in (1, -1):
        for p, s, d in zip(w, saved, v, strict=True):
            p.data = s + sign * eps * d
        sides.append(gradients(train, method.look_ahead, penalised=False)[: len(alpha)])
    for p, s in zip(w, saved, strict=True):
        p.data = s
    for a, g, plus, less in zip(alpha, both[: len(alpha)], *sides, strict=True):
        a.grad = g - lr * (plus - less) / (2 * eps)
    adam.step()

    sgd.param_groups[0]["lr"] = lr
    with torch.no_grad():
        mixing = problem.alphas.mix(method.weights.relax, DRAWN)
    loss = problem.loss(w, train, mixing)
    for p, g in zip(w, torch.autograd.grad(loss, w, allow_unused=True, materialize_grads=True), strict=True):
        p.grad = g
    if clip:
        torch.nn.utils.clip_grad_norm_(w, clip)
    sgd.step()


@pytest.mark.parametrize(("nesterov", "clip"), [(False, 0.05), (True, 0.0)])
def test_steps_equal_a_hand_written_loop(nesterov: bool, clip: float) -> None:
    method = Method(
        weights=Objective(Hard()), alphas=Objective(KINDS["TopK"], PENALTIES), look_ahead=Soft(), epsilon=0.01
    )
    ours, plain = (Problem(smooth_space(), method, smooth=True) for _ in range(2))
    stepper = optimizers(ours.bilevel, nesterov=nesterov, grad_clip=clip)
    sgd = torch.optim.SGD(plain.bilevel.w, lr=0.1, momentum=0.9, weight_decay=3e-3, nesterov=nesterov)
    adam = torch.optim.Adam(plain.bilevel.alpha, lr=3e-2, betas=(0.5, 0.999), weight_decay=1e-3)
    start = flat(ours.bilevel.w)
    for step in range(3):
        batches = [build_batch(macro_of(2, 3), 10 + 2 * step + side) for side in (0, 1)]
        lr = 0.1 / (step + 1)
        stepper.step(batches[0], batches[1], DRAWN, lr)
        plain_step(plain, sgd, adam, batches, lr, clip)
        torch.testing.assert_close(flat(ours.bilevel.w), flat(plain.bilevel.w), rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(flat(ours.bilevel.alpha), flat(plain.bilevel.alpha), rtol=1e-9, atol=1e-10)
    assert not torch.allclose(flat(ours.bilevel.w), start)


def test_single_level_steps_equal_a_hand_written_loop() -> None:
    method = Method(weights=Objective(Hard(), (DiscretizationLoss(target="none"),)), order="single-level")
    ours, plain = (Problem(smooth_space(), method, smooth=True) for _ in range(2))
    stepper = optimizers(ours.bilevel)
    sgd = torch.optim.SGD(plain.bilevel.w, lr=0.1, momentum=0.9, weight_decay=3e-3)
    adam = torch.optim.Adam(plain.bilevel.alpha, lr=3e-2, betas=(0.5, 0.999), weight_decay=1e-3)
    for step in range(3):
        batch = build_batch(macro_of(2, 3), 30 + step)
        losses = stepper.step(batch, None, DRAWN, 0.1)
        loss = plain.loss(plain.bilevel.w, batch, plain.alphas.mix(Hard(), DRAWN))
        assert float(losses.train_loss) == pytest.approx(loss.item(), rel=1e-9)
        total = loss + DiscretizationLoss(target="none")(plain.alphas, DRAWN)
        parameters = [*plain.bilevel.w, *plain.bilevel.alpha]
        gradient = torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True)
        for p, g in zip(parameters, gradient, strict=True):
            p.grad = g
        torch.nn.utils.clip_grad_norm_(plain.bilevel.w, 5.0)
        sgd.step()
        adam.step()
        torch.testing.assert_close(flat(ours.bilevel.w), flat(plain.bilevel.w), rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(flat(ours.bilevel.alpha), flat(plain.bilevel.alpha), rtol=1e-9, atol=1e-10)
        assert losses.valid_loss is None


def test_a_single_level_warm_up_trains_w_alone() -> None:
    method = Method(weights=Objective(Soft()), order="single-level", warm_up=0.5)
    problem = Problem(smooth_space(), method, smooth=True)
    stepper = optimizers(problem.bilevel)
    batch = build_batch(macro_of(2, 3), 30)
    w, alpha = flat(problem.bilevel.w), flat(problem.bilevel.alpha)
    stepper.step(batch, None, Progress(4, 10), 0.1)
    assert not torch.equal(flat(problem.bilevel.w), w)
    assert torch.equal(flat(problem.bilevel.alpha), alpha)
    stepper.step(batch, None, Progress(5, 10), 0.1)
    assert not torch.equal(flat(problem.bilevel.alpha), alpha)


def test_the_inner_step_is_the_step_that_the_weight_optimizer_takes_without_clipping() -> None:
    problem = Problem(smooth_space(), Method(), smooth=True)
    stepper = optimizers(problem.bilevel, grad_clip=0.0)
    for seed in range(3):
        batch = build_batch(macro_of(2, 3), 50 + seed)
        inner = stepper.inner(0.1)
        mixing = problem.bilevel.fixed_mixing(Soft(), DRAWN)
        gradient, _, _ = problem.bilevel.weight_gradient(batch, mixing)
        problem.inner = inner
        expected = [p.detach() for p in problem.moved(problem.bilevel.w, gradient)]
        for group in stepper.sgd.param_groups:
            group["lr"] = 0.1
        for p, g in zip(problem.bilevel.w, gradient, strict=True):
            p.grad = g
        stepper.sgd.step()
        torch.testing.assert_close(flat(problem.bilevel.w), flat(expected), rtol=1e-12, atol=1e-14)
        assert seed == 0 or bool(flat(inner.buffers).any())


def test_operations_that_are_not_chosen_still_decay() -> None:
    method = Method(weights=Objective(Hard()), order="first")
    problem = Problem(space("darts", 1), method)
    stepper = optimizers(problem.bilevel)
    before = [w.detach().clone() for w in problem.bilevel.w]
    mixing = problem.bilevel.fixed_mixing(Hard(), DRAWN)
    idle = [not bool(g.any()) for g in problem.bilevel.weight_gradient(problem.train, mixing)[0]]
    stepper.adam.param_groups[0]["lr"] = 0.0  # the choice stays the same
    stepper.step(problem.train, problem.valid, DRAWN, 0.1)
    decayed = [
        torch.allclose(w.detach(), (1 - 0.1 * 3e-3) * old, rtol=1e-12, atol=0)
        for w, old in zip(problem.bilevel.w, before, strict=True)
    ]
    assert any(idle)
    assert decayed == idle


@pytest.mark.parametrize(
    ("order", "broken"),
    [("second", "train"), ("second", "valid"), ("first", "train"), ("first", "valid"), ("single-level", "train")],
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_leaves_w_and_alpha_untouched(order: str, broken: str, value: float) -> None:
    orders = {"second": Method(), "first": Method(order="first"), "single-level": Method(order="single-level")}
    problem = Problem(smooth_space(), orders[order])
    stepper = optimizers(problem.bilevel)
    valid = None if order == "single-level" else problem.valid
    stepper.step(problem.train, valid, DRAWN, 0.05)
    buffers = [stepper.sgd.state[w]["momentum_buffer"] for w in problem.bilevel.w]
    before = [t.clone() for t in (flat(problem.bilevel.w), flat(problem.bilevel.alpha), flat(buffers))]
    bad = TinyBatch(torch.full_like(problem.train.images, value), problem.train.labels)
    train = bad if broken == "train" else problem.train
    losses = stepper.step(train, bad if broken == "valid" else valid, DRAWN, 0.05)
    assert not bool(losses.train_loss.isfinite())
    buffers = [stepper.sgd.state[w]["momentum_buffer"] for w in problem.bilevel.w]
    after = (flat(problem.bilevel.w), flat(problem.bilevel.alpha), flat(buffers))
    # In a first-order step alpha has moved by the time that the training batch is seen.
    moved = {"alpha"} if (order, broken) == ("first", "train") else set()
    for name, a, b in zip(("w", "alpha", "momentum"), after, before, strict=True):
        assert torch.equal(a, b) != (name in moved), name


def test_a_step_reports_what_the_weight_step_saw() -> None:
    problem = Problem(smooth_space(), Method(weights=Objective(Hard())), smooth=True)
    stepper = optimizers(problem.bilevel)
    stepper.adam.param_groups[0]["lr"] = 0.0
    with torch.no_grad():
        logits = problem.bilevel.supernet(problem.train.images, problem.alphas.mix(Hard(), DRAWN), problem.train.key)
    losses = stepper.step(problem.train, problem.valid, DRAWN, 0.05)
    assert float(losses.train_loss) == pytest.approx(float(F.cross_entropy(logits, problem.train.labels)), rel=1e-12)
    assert int(losses.train_correct) == int((logits.argmax(1) == problem.train.labels).sum())


def test_a_hard_start_changes_the_objective_at_its_epoch() -> None:
    soft, hard, late = (
        Problem(smooth_space(), Method(alphas=Objective(relax)), smooth=True)
        for relax in (Soft(), Hard(), Hard(start=2))
    )

    def gradient(problem: Problem, epoch: int) -> Tensor:
        result, _ = problem.bilevel.architecture_gradient(
            problem.train, problem.valid, Progress(epoch, 4), problem.inner
        )
        return flat(result)

    for epoch in (1, 2):
        assert torch.equal(gradient(late, epoch), gradient(hard if epoch >= 2 else soft, epoch))
    assert not torch.allclose(gradient(hard, 0), gradient(soft, 0))
