"""The named methods, each a function that returns a `Method`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from dadarts.methods.method import Method, Objective
from dadarts.methods.penalties import BetaDecay, DirichletDivergence, DiscretizationLoss, EntropyLoss, ZeroOneLoss
from dadarts.methods.relaxations import (
    AuxiliarySkip,
    Dirichlet,
    Gibbs,
    Gumbel,
    Hard,
    Perturbed,
    Soft,
    TopK,
    UniformPath,
)
from dadarts.methods.schedules import Constant, Late, Linear
from dadarts.methods.selection import BestOfRandom, EigenvalueRise, Perturbation, Race, UniformDraw
from dadarts.methods.techniques import COMBINATIONS, TEMPERATURE_MAX, Technique


def combined(
    techniques: Collection[Technique], temperature_max: float = TEMPERATURE_MAX, dal_factor: float = 1.0
) -> Method:
    """DARTS, second order, with some techniques.

    Args:
        techniques: see `COMBINATIONS`.
        temperature_max: T of top-k at the end of its rise.
        dal_factor: lambda of the discretization loss.
    """
    rising = Linear(0.0, temperature_max)
    penalties = {"dal": DiscretizationLoss(Constant(dal_factor)), "beta-decay": BetaDecay()}
    return Method(
        weights=Objective(Hard() if "hard" in techniques else Soft()),
        alphas=Objective(
            TopK(temperature_edge=rising, temperature_node=rising) if "topk" in techniques else Soft(),
            tuple(penalty for technique, penalty in penalties.items() if technique in techniques),
        ),
        order="first" if "first-order" in techniques else "second",
    )


def darts() -> Method:
    """DARTS, second order (arXiv 1806.09055)."""
    return combined(COMBINATIONS["darts"])


def darts_first_order() -> Method:
    """DARTS with xi = 0 (arXiv 1806.09055, section 2.3)."""
    return combined(COMBINATIONS["darts-first-order"])


def dadarts(temperature_max: float = TEMPERATURE_MAX, dal_factor: float = 1.0) -> Method:
    """DADARTS: hard discretization of the weight step, top-k with a rising temperature and DAL on alphas."""
    return combined(COMBINATIONS["dadarts"], temperature_max, dal_factor)


def beta_darts() -> Method:
    """beta-DARTS: first-order DARTS with a rising penalty on logsumexp(alpha) (arXiv 2203.01665)."""
    return combined(COMBINATIONS["beta-darts"])


def darts_minus() -> Method:
    """DARTS-: first-order DARTS beside an auxiliary skip connection that fades (arXiv 2009.01027)."""
    beside = AuxiliarySkip()
    return Method(weights=Objective(beside), alphas=Objective(beside), look_ahead=beside, order="first")


def da2s() -> Method:
    """DA2S: first-order DARTS with rising entropy losses of operations and edges (arXiv 2007.03154)."""
    return Method(alphas=Objective(Soft(), (EntropyLoss(),)), order="first")


def darts_es() -> Method:
    """DARTS-ES: second-order DARTS that stops where the Hessian's dominant eigenvalue rises (arXiv 1909.09656)."""
    return Method(stop=EigenvalueRise())


def dadarts_late() -> Method:
    """DADARTS whose discretization loss acts in the second half alone, first order (docs/methods/dadarts-late.md)."""
    alphas = Objective(dadarts().alphas.relax, (DiscretizationLoss(Late(0.5, 1.0)),))
    return replace(dadarts(), alphas=alphas, order="first")


def dadarts_plus(draws: int = 4) -> Method:
    """Every pass discrete, by draws that get certain; first w, then alphas (docs/methods/dadarts-plus.md)."""
    drawn = Objective(Gibbs())
    return Method(weights=drawn, alphas=drawn, order="first", draws=draws, warm_up=2 / 3)


def gdas() -> Method:
    """GDAS: one sampled operation an edge in every pass, tau falling from 10 to 0.1 (arXiv 1910.04465)."""
    sampled = Gumbel()
    return Method(weights=Objective(sampled), alphas=Objective(sampled), look_ahead=sampled, order="first")


def drnas() -> Method:
    """DrNAS: mixing weights from a Dirichlet distribution, without the progressive scheme (arXiv 2006.10355)."""
    sampled = Dirichlet()
    return Method(
        weights=Objective(sampled),
        alphas=Objective(sampled, (DirichletDivergence(),)),
        look_ahead=sampled,
        order="first",
        activation="dirichlet",
    )


def fair_darts() -> Method:
    """Fair DARTS: a sigmoid for every operation, and a loss that drives it to 0 or 1 (arXiv 1911.12126)."""
    return Method(alphas=Objective(Soft(), (ZeroOneLoss(),)), order="first", activation="sigmoid")


def pc_darts() -> Method:
    """PC-DARTS: a quarter of the channels is searched, and edges have shares of their own (arXiv 1907.05737)."""
    return Method(order="first", activation="edges", channel_fraction=4, warm_up=0.3)


def sdarts_rs() -> Method:
    """SDARTS-RS: weights are trained around W, not at it, with noise that grows (arXiv 2002.05283)."""
    return Method(weights=Objective(Perturbed()), order="first")


def random() -> Method:
    """The control that trains nothing: uniform over exactly the genotypes that `discretize` can return."""
    return Method(order="none", selection=UniformDraw())


def random_ws(genotypes: int = 100) -> Method:
    """Random search with weight sharing (arXiv 1902.07638): train uniform single paths, keep the best of a draw."""
    return Method(weights=Objective(UniformPath()), order="none", selection=BestOfRandom(genotypes))


def fixed_alpha() -> Method:
    """Weights trained under the initial mixture, alphas never; then perturbation (arXiv 2108.04392, section 7).

    The surest edge first, by paired losses of renormalised edges (docs/methods/fixed-alpha.md).
    """
    selection = Perturbation(order="surest", by="loss", renormalise=True, pictures=4096)
    return Method(order="none", selection=selection)


LOOKAHEAD = Race(rungs=2, looks=0, share=1.0)
"""The races of dadarts-lookahead."""


def dadarts_lookahead() -> Method:
    """Weights trained under the initial mixture; then every rounding is trained through before it is decided.

    See docs/methods/dadarts-lookahead.md.
    """
    return Method(order="none", selection=LOOKAHEAD)


METHODS: dict[str, Callable[[], Method]] = {
    "dadarts": dadarts,
    "dadarts-late": dadarts_late,
    "dadarts-lookahead": dadarts_lookahead,
    "dadarts-plus": dadarts_plus,
    **{name: partial(combined, COMBINATIONS[name]) for name in COMBINATIONS if name.startswith("dadarts-")},
    "darts": darts,
    "darts-first-order": darts_first_order,
    "beta-darts": beta_darts,
    "da2s": da2s,
    "darts-es": darts_es,
    "darts-minus": darts_minus,
    "drnas": drnas,
    "fair-darts": fair_darts,
    "gdas": gdas,
    "pc-darts": pc_darts,
    "sdarts-rs": sdarts_rs,
    "fixed-alpha": fixed_alpha,
    "random": random,
    "random-ws": random_ws,
}
"""Every method that `--method` names."""
