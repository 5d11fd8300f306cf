"""The original's technique flags, and the `Method` that they spell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator, model_validator

from dadarts.config.settings import Settings, setting
from dadarts.errors import InputError
from dadarts.methods.selection import SELECTIONS, names
from dadarts.methods.techniques import COMBINATIONS, TEMPERATURE_MAX, Technique

if TYPE_CHECKING:
    from dadarts.methods.method import Method
    from dadarts.methods.penalties import DiscretizationLoss, Penalty
    from dadarts.methods.relaxations import Relaxation, TopK

_HD = "hard discretization"
_TOPK = "differentiable top-k"
_DAL = "discretization loss"
_STEP = "bilevel step"
_SELECTION = "selection of the genotype"

SPELLED: Mapping[Technique, Mapping[str, Any]] = {
    "hard": {"hd_on_weights": True},
    "topk": {
        "topk_on_alphas": True,
        "linear_temperature_increase": True,
        "linear_temperature_max": TEMPERATURE_MAX,
    },
    "dal": {"dal_on_alphas": True},
    "beta-decay": {"bdarts": True},
    "first-order": {"first_order": True},
}
"""The flags of each technique."""

FLAGS_OF_METHOD: Mapping[str, Mapping[str, Any]] = {
    name: {flag: value for technique in techniques for flag, value in SPELLED[technique].items()}
    for name, techniques in COMBINATIONS.items()
}
"""The named methods that flags can spell, so that ``--method dadarts --dal_factor 0.1`` changes one thing."""


class SelectionFlags(Settings):
    """What the genotype of any method is read off, where it is not the method's own choice.

    Raises:
        InputError: a value out of range, or a flag of a selection that is not named.
    """

    selection: str | None = setting(None, _SELECTION, f"{names()} (default: the method's)")
    selection_epochs: int = setting(5, _SELECTION, "perturbation: epochs of tuning between decisions", ge=0, le=10**4)
    selection_order: Literal["random", "surest"] | None = setting(
        None, _SELECTION, "perturbation: decide edges in random order, or the surest first"
    )
    selection_by: Literal["accuracy", "loss"] | None = setting(
        None, _SELECTION, "perturbation: what is missed by, accuracy or loss"
    )
    selection_renormalise: bool | None = setting(
        None, _SELECTION, "perturbation: other operations take over the weight of the one that is left out"
    )
    selection_pictures: int | None = setting(
        None, _SELECTION, "perturbation, race: measure at most so many held-out pictures; 0 is all", ge=0, le=10**9
    )
    selection_steps: int = setting(
        100,
        _SELECTION,
        "race: batches that train a copy of the weights (dadarts-lookahead: fewer where the search was short)",
        ge=1,
        le=10**6,
    )
    selection_rungs: int = setting(
        1,
        _SELECTION,
        "race: rungs, each trains twice as many copies of the better half (dadarts-lookahead 2)",
        ge=1,
        le=10,
    )
    selection_share: float = setting(
        0.0,
        _SELECTION,
        "race: fewer steps where races would cost more than so many times the training before them; 0 is no bound "
        "(dadarts-lookahead 1)",
        ge=0,
        le=1000,
    )
    selection_looks: int = setting(
        1, _SELECTION, "race: how often decided edges are raced again (dadarts-lookahead 0)", ge=0, le=100
    )
    selection_none: bool = setting(
        False, _SELECTION, "race: `none` is raced too, at the end, where the space lets edges keep it"
    )
    selection_genotypes: int = setting(100, _SELECTION, "best-of-random: how many are drawn", ge=1, le=10**6)
    restarts: int | None = setting(
        None, _SELECTION, "R searches of E / R epochs, each from new draws: argmax of their mean W", ge=1, le=1000
    )

    @field_validator("selection")
    @classmethod
    def _selection_is_known(cls, name: str | None) -> str | None:
        if name is not None and name not in SELECTIONS:
            raise InputError(f"give {names()}")
        return name

    def applied(self, method: Method) -> Method:
        """The method with this selection.

        Raises:
            InputError: a flag does not go with the selection.
        """
        chosen = SELECTIONS[self.selection]() if self.selection else method.selection
        given: dict[str, Any] = {}
        for name in (
            "epochs",
            "order",
            "by",
            "renormalise",
            "pictures",
            "steps",
            "rungs",
            "share",
            "looks",
            "none",
            "genotypes",
        ):
            if f"selection_{name}" not in self.model_fields_set:
                continue
            if not hasattr(chosen, name):
                raise InputError(f"-selection_{name} does not go with the selection {type(chosen).__name__}")
            given[name] = getattr(self, f"selection_{name}")
        if "steps" in given:
            # A number that was asked for is not made smaller.
            given.setdefault("share", 0.0)
        chosen = replace(chosen, **given)
        return replace(method, selection=chosen, restarts=self.restarts or method.restarts)


class Techniques(Settings):
    """The techniques as the original's flags name them; without any it is plain second-order DARTS.

    Raises:
        InputError: a value out of range, or flags that exclude each other.
    """

    preset: Literal["original"] | None = setting(
        None, _STEP, "'original' computes as the original did, faults included"
    )
    first_order: bool = setting(False, _STEP, "xi = 0 in the architecture step")
    single_level_optimization: bool = setting(False, _STEP, "one loss for w and alpha, on the training batch")
    amended_hessian: bool = setting(False, _STEP, "amended gradient (arXiv 1910.11831)")
    alpha_warm_up: float = setting(0.0, _STEP, "part of the run in which only w is trained, such as 0.3", ge=0, lt=1)
    finite_difference_epsilon: float = setting(
        0.01, _STEP, "c of the finite difference, eps = c / ||grad_w' L_valid||", gt=0, le=1e3
    )
    sparsity: float = setting(1.0, _STEP, "order of the entmax that makes W of alpha; 1 is softmax", ge=1, le=4)
    genotype_to_retain: Literal["top2", "top2_with_none", "best", "all"] = setting(
        "top2", _STEP, "top2; or, for reading only, top2_with_none, best or all"
    )
    bdarts: bool = setting(False, _STEP, "beta regularisation (arXiv 2203.01665)")
    normal_none_penalty: float = setting(0.0, _STEP, "penalty on `none` in normal cells", ge=-1e6, le=1e6)
    reduce_none_penalty: float = setting(0.0, _STEP, "penalty on `none` in reduce cells", ge=-1e6, le=1e6)

    hd_on_weights: bool = setting(False, _HD, "M = D(W) in the weight step and every validation")
    hd_on_alphas: bool = setting(False, _HD, "M = D(W), straight-through, in the architecture step")
    hd_on_virtualstep: bool = setting(False, _HD, "M = D(W) in the step w -> w'")
    sample_on_weights: bool = setting(
        False, _HD, "M drawn from top-k's marginals in the weight step: explores while T is low"
    )
    hd_start: int = setting(0, _HD, "epoch from which passes are hard", ge=0, le=10**6)

    topk_on_alphas: bool = setting(False, _TOPK, "M by top-k in the architecture step")
    topk_on_weights: bool = setting(False, _TOPK, "M by top-k in the weight step and every validation")
    topk_on_virtualstep: bool = setting(False, _TOPK, "M by top-k in the step w -> w'")
    option: int = setting(1, _TOPK, "1: M = W A B; 2: B of A, M = W B; 3: B of W A, M = W A B", ge=1, le=3)
    topk_k_edge: int = setting(1, _TOPK, "k on each edge; 0 turns the level off", ge=0, le=10**6)
    topk_k_node: int | None = setting(
        None, _TOPK, "k at each node (default: what D keeps); 0 turns the level off", ge=0, le=10**6
    )
    topk_temperature_edge: float = setting(1.0, _TOPK, "T of the edge level; larger is harder", ge=0, le=1e6)
    topk_temperature_node: float = setting(1.0, _TOPK, "T of the node level", ge=0, le=1e6)
    linear_temperature_increase: bool = setting(False, _TOPK, "T(e) = linear_temperature_max * e / E on both levels")
    linear_temperature_max: float = setting(1.0, _TOPK, "T at the end of that rise", ge=0, le=1e6)
    justtopk: bool = setting(False, _TOPK, "leave the factor W out of M")

    dal_on_alphas: bool = setting(False, _DAL, "added to the architecture step's loss")
    dal_on_weights: bool = setting(False, _DAL, "added to the weight step's loss")
    dal_target: Literal["none", "zero"] | None = setting(
        None, _DAL, "where dropped edges go: none or zero (default: none where there is one)"
    )
    dal_factor: float = setting(1.0, _DAL, "lambda, its factor", ge=0, le=1e9)
    dal_starting_epoch: int = setting(0, _DAL, "epoch from which it acts", ge=0, le=10**6)
    linear_dal_factor_increase: bool = setting(False, _DAL, "lambda(e) = dal_factor_max * e / E")
    dal_factor_max: float = setting(1.0, _DAL, "lambda at the end of that rise", ge=0, le=1e9)

    @model_validator(mode="after")
    def _flags_agree(self) -> Techniques:
        if self.first_order and self.single_level_optimization:
            raise InputError("-first_order and -single_level_optimization exclude each other")
        if self.amended_hessian and (self.first_order or self.single_level_optimization):
            raise InputError("-amended_hessian changes the second-order step; leave the other order flag out")
        return self

    def method(self) -> Method:
        """The method that these flags spell."""
        from dadarts.methods.method import Method, Objective

        alphas = self._relaxation(self.hd_on_alphas, self.topk_on_alphas)
        order: Any = "first" if self.first_order else "single-level" if self.single_level_optimization else "second"
        return Method(
            weights=Objective(
                self._weights_relaxation(),
                (self._discretization_loss(),) if self.dal_on_weights else (),
            ),
            alphas=Objective(alphas, self._penalties()),
            look_ahead=self._relaxation(self.hd_on_virtualstep, self.topk_on_virtualstep),
            correction=alphas if self.preset else None,
            order=order,
            epsilon=self.finite_difference_epsilon,
            amended=self.amended_hessian,
            sparsity=self.sparsity,
            retain=self.genotype_to_retain,
            warm_up=self.alpha_warm_up,
        )

    def _relaxation(self, hard: bool, top_k: bool) -> Relaxation:
        from dadarts.methods.relaxations import Hard, Soft

        if top_k:
            return self._top_k()
        return Hard(self.hd_start) if hard else Soft()

    def _weights_relaxation(self) -> Relaxation:
        from dadarts.methods.relaxations import SampledTopK

        if self.sample_on_weights and not self.topk_on_weights:
            top_k = self._top_k()
            return SampledTopK(top_k.temperature_edge, top_k.temperature_node)
        return self._relaxation(self.hd_on_weights, self.topk_on_weights)

    def _top_k(self) -> TopK:
        from dadarts.methods.relaxations import TopK
        from dadarts.methods.schedules import Constant, Linear

        rising = Linear(0.0, self.linear_temperature_max)
        return TopK(
            edge=self.topk_k_edge,
            node=self.topk_k_node,
            temperature_edge=rising if self.linear_temperature_increase else Constant(self.topk_temperature_edge),
            temperature_node=rising if self.linear_temperature_increase else Constant(self.topk_temperature_node),
            option=self.option,
            weighted=not self.justtopk,
            masked=not self.preset,
            exact_gradient=not self.preset,
        )

    def _discretization_loss(self) -> DiscretizationLoss:
        from dadarts.methods.penalties import DiscretizationLoss
        from dadarts.methods.schedules import Constant, Linear

        return DiscretizationLoss(
            factor=Linear(0.0, self.dal_factor_max) if self.linear_dal_factor_increase else Constant(self.dal_factor),
            start=self.dal_starting_epoch,
            target=self.dal_target or ("zero" if self.preset else None),
            kinds=("normal",) if self.preset else None,
        )

    def _penalties(self) -> tuple[Penalty, ...]:
        from dadarts.methods.penalties import BetaDecay, NonePenalty

        penalties: list[Penalty] = [self._discretization_loss()] if self.dal_on_alphas else []
        if self.bdarts:
            penalties.append(BetaDecay())
        for kind, factor in (("normal", self.normal_none_penalty), ("reduce", self.reduce_none_penalty)):
            if factor:
                penalties.append(NonePenalty(kind, factor))
        return tuple(penalties)
