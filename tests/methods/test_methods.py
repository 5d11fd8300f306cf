"""Every named method works in every space, or says why not."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
import torch
from torch import Tensor

from dadarts.architecture.genotype import derive
from dadarts.architecture.spaces import SPACES, space
from dadarts.architecture.supernet import Supernet
from dadarts.config import SearchConfig
from dadarts.errors import InputError
from dadarts.methods.catalogue import METHODS, dadarts, darts, darts_first_order, pc_darts
from dadarts.methods.method import Method, Objective
from dadarts.methods.penalties import DiscretizationLoss, NonePenalty
from dadarts.methods.relaxations import Dirichlet, Gibbs, Gumbel, Hard, Perturbed, Relaxation, Soft, TopK
from dadarts.methods.resolve import resolve
from dadarts.methods.schedules import Constant, Late, Linear, Progress
from dadarts.methods.selection import EigenvalueRise, Perturbation
from dadarts.methods.text import parse_method
from dadarts.searching.bilevel import Bilevel
from tests.nets import build_alphas, build_batch, build_supernet, flat, macro_of, tiny_space, usual_optimizers

REFUSED = {("darts-minus", "S4"), ("darts-minus", "nas-bench-macro"), ("pc-darts", "nas-bench-macro")}
PAIRS = [pair for pair in product(METHODS, SPACES) if pair not in REFUSED]


@cache
def standing(name: str, channel_fraction: int) -> tuple[Supernet, list[Tensor]]:
    """A supernet of a space, which takes longer to make than a step, and copies of the weights that it begins with."""
    it = tiny_space(name)
    # Three layers have cells of both kinds; a chain has them all with one block for each choice.
    macro = macro_of(2 * channel_fraction, layers=1 if it.syntax == "nas-bench-macro" else 3)
    supernet = build_supernet(it, macro, 1, channel_fraction)
    return supernet, [w.detach().clone() for w in supernet.parameters()]


@pytest.mark.parametrize(("method_name", "name"), PAIRS)
def test_every_method_takes_a_step_in_every_space_and_gives_a_genotype(method_name: str, name: str) -> None:
    it = tiny_space(name)
    method = resolve(METHODS[method_name](), it)
    supernet, weights = standing(name, method.channel_fraction)
    with torch.no_grad():
        torch._foreach_copy_(list(supernet.parameters()), weights)
    macro = supernet.macro
    alphas = build_alphas(it, 1, sparsity=method.sparsity, activation=method.activation)
    bilevel = Bilevel(supernet, alphas, method)
    optimizers = usual_optimizers(bilevel)
    w, alpha = flat(bilevel.w), flat(bilevel.alpha)
    losses = optimizers.step(build_batch(macro, 1), build_batch(macro, 2), Progress(9, 10, key=1), 0.025)
    assert bool(losses.train_loss.isfinite())
    assert bool(flat(bilevel.w).isfinite().all())
    assert not torch.equal(w, flat(bilevel.w))
    if method.order == "none":
        assert losses.valid_loss is None
        assert torch.equal(alpha, flat(bilevel.alpha))
    else:
        assert losses.valid_loss is not None
        assert bool(losses.valid_loss.isfinite())
        assert bool(flat(bilevel.alpha).isfinite().all())
        assert not torch.equal(alpha, flat(bilevel.alpha))
    genotype = derive(it, alphas.split(alphas.weights().detach()), method.retain)
    assert genotype.syntax == it.syntax


@pytest.mark.parametrize(("method_name", "name"), PAIRS)
def test_resolving_is_idempotent_and_leaves_no_target_open(method_name: str, name: str) -> None:
    resolved = resolve(METHODS[method_name](), space(name))
    assert resolve(resolved, space(name)) == resolved
    for penalty in (*resolved.weights.penalties, *resolved.alphas.penalties):
        if isinstance(penalty, DiscretizationLoss):
            assert penalty.target == ("none" if space(name).none_everywhere else "zero")


@pytest.mark.parametrize(("method_name", "name"), sorted(REFUSED))
def test_a_method_that_a_space_has_nothing_for_is_refused_with_a_reason(method_name: str, name: str) -> None:
    with pytest.raises(InputError, match=f"{method_name} needs .* search space {name}"):
        resolve(METHODS[method_name](), space(name))


@pytest.mark.parametrize("parts", ["hard", "topk", "dal", "hard-topk", "hard-dal", "topk-dal", "hard-topk-dal"])
def test_techniques_alone_and_in_pairs_are_plain_darts_in_all_else(parts: str) -> None:
    rising, loss = Linear(0, 200), DiscretizationLoss(Constant(1.0))
    expected = Method(
        weights=Objective(Hard() if "hard" in parts else Soft()),
        alphas=Objective(
            TopK(temperature_edge=rising, temperature_node=rising) if "topk" in parts else Soft(),
            (loss,) if "dal" in parts else (),
        ),
    )
    assert METHODS["dadarts" if parts == "hard-topk-dal" else f"dadarts-{parts}"]() == expected


def test_dadarts_late_is_first_order_dadarts_with_a_late_loss() -> None:
    late, published = METHODS["dadarts-late"](), dadarts()
    assert late.alphas.penalties == (DiscretizationLoss(Late(0.5, 1.0)),)
    alphas = replace(late.alphas, penalties=published.alphas.penalties)
    assert replace(late, order="second", alphas=alphas) == published


def test_dadarts_plus_draws_in_every_pass_and_trains_w_alone_at_first() -> None:
    drawn = Objective(Gibbs(Linear(0, 200)))
    assert METHODS["dadarts-plus"]() == Method(drawn, drawn, order="first", draws=4, warm_up=2 / 3)


def test_dadarts_is_its_three_techniques() -> None:
    method = dadarts()
    rising = Linear(0, 200)
    assert method.weights == Objective(Hard())
    assert method.alphas.relax == TopK(temperature_edge=rising, temperature_node=rising)
    assert method.alphas.penalties == (DiscretizationLoss(Constant(1.0)),)
    assert method.look_ahead == Soft()
    assert (method.order, method.epsilon, method.amended) == ("second", 0.01, False)


def test_darts_is_relaxed_everywhere() -> None:
    assert darts() == Method(Objective(Soft()), Objective(Soft()), Soft())
    assert darts_first_order() == replace(darts(), order="first")


def with_alphas(relaxation: Relaxation) -> Method:
    return Method(alphas=Objective(relaxation))


def penalised(penalty: DiscretizationLoss | NonePenalty) -> Method:
    return Method(alphas=Objective(Soft(), (penalty,)))


@pytest.mark.parametrize(
    ("method", "name", "complaint"),
    [
        (with_alphas(TopK(edge=8)), "darts", "-topk_k_edge 8"),
        (with_alphas(TopK(edge=-1)), "darts", "-topk_k_edge -1"),
        (with_alphas(TopK(node=15)), "darts", "-topk_k_node 15"),
        (with_alphas(TopK(node=-1)), "darts", "-topk_k_node -1"),
        (with_alphas(TopK(edge=0, node=0)), "darts", "both levels"),
        (with_alphas(TopK(edge=0)), "nas-bench-201", "both levels"),
        (with_alphas(TopK(option=2, edge=0, weighted=False)), "darts", "the edge level off .* -justtopk"),
        (with_alphas(TopK(option=2, node=0, weighted=False)), "darts", "the node level off .* -justtopk"),
        (with_alphas(TopK(option=2, weighted=False)), "nas-bench-201", "the node level off .* -justtopk"),
        (with_alphas(TopK(option=4)), "darts", "option"),
        (Method(weights=Objective(TopK(edge=8))), "darts", "-topk_k_edge 8"),
        (Method(look_ahead=TopK(edge=8)), "darts", "-topk_k_edge 8"),
        (Method(correction=TopK(edge=8)), "darts", "-topk_k_edge 8"),
        (Method(retain="top3"), "darts", "-genotype_to_retain top3"),
        (with_alphas(Gumbel(Linear(10, 0))), "darts", "temperature of a Gumbel softmax"),
        (Method(look_ahead=Gumbel(), sparsity=1.5), "darts", "leave sparsity and activation"),
        (with_alphas(Perturbed(Constant(2.0))), "darts", "epsilon of a perturbation"),
        (pc_darts(), "nas-bench-macro", "keep their number of channels"),
        (Method(channel_fraction=0), "darts", "channel_fraction"),
        (Method(warm_up=1.0), "darts", "warm_up"),
        (with_alphas(Gibbs(Constant(-1.0))), "darts", "temperature of a Gibbs"),
        (Method(draws=4), "darts", "Gibbs relaxation"),
        (Method(alphas=Objective(Gibbs()), draws=4), "darts", "first-order"),
        (Method(alphas=Objective(Gibbs()), draws=1, order="first"), "darts", "2 to 1000"),
        (Method(restarts=0), "darts", "-restarts"),
        (Method(restarts=2, selection=Perturbation()), "darts", "-restarts"),
        (Method(restarts=2, order="none"), "darts", "-restarts"),
        (Method(restarts=2, stop=EigenvalueRise()), "darts", "-restarts"),
        (with_alphas(Dirichlet()), "darts", "activation='dirichlet'"),
        (Method(sparsity=1.5, activation="dirichlet"), "darts", "-sparsity"),
        (penalised(DiscretizationLoss(target="none")), "nas-bench-201", "-dal_target none"),
        (penalised(DiscretizationLoss(target="none")), "S2", "-dal_target none"),
        (penalised(DiscretizationLoss(kinds=("reduce",))), "nas-bench-201", "reduce"),
        (penalised(NonePenalty("reduce", 1.0)), "nas-bench-201", "no reduce cells"),
        (penalised(NonePenalty("normal", 1.0)), "S2", "no `none`"),
    ],
)
def test_what_cannot_work_in_a_space_is_refused_with_a_reason(method: Method, name: str, complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        resolve(method, space(name))
    assert re.search(complaint, refused.value.marked)


def test_the_largest_k_of_each_level_is_accepted() -> None:
    for relaxation in (TopK(edge=7), TopK(node=14)):
        assert resolve(with_alphas(relaxation), space("darts")).alphas.relax == relaxation


@pytest.mark.parametrize(("method_name", "name"), PAIRS)
def test_every_method_is_read_back_from_its_repr(method_name: str, name: str) -> None:
    for method in (METHODS[method_name](), resolve(METHODS[method_name](), space(name))):
        assert parse_method(repr(method)) == method


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "Hard()",
        "Method(",
        "Metod()",
        "Method(speed=1)",
        "Method(look_ahead=Hrad())",
        "Method(look_ahead=Hard(1, 2, 3))",
        "Method(look_ahead=Hard(start=1, start=2))",
        "Method(weights=1)",
        "Method(look_ahead='Soft')",
        "Method(order='third')",
        "Method(look_ahead=TopK(temperature_edge=5))",
        "Method(alphas=Objective(penalties=Soft()))",
        "Method(look_ahead=TopK(temperature_edge=Constant()))",
        "Method(look_ahead=TopK(temperature_edge=Linear(end=1.0)))",
        "Method(epsilon=1e999)",
        "__import__('os').getcwd()",
    ],
)
def test_text_that_is_not_a_method_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_method(text)


@pytest.mark.parametrize("number", [float("inf"), -float("inf"), float("nan")])
def test_a_method_of_python_with_a_number_that_is_not_finite_is_refused(number: float) -> None:
    method = with_alphas(TopK(temperature_edge=Constant(number)))
    with pytest.raises(InputError, match=f"{number} is no finite number"):
        SearchConfig(name="it", dataset="digits", method=method)
