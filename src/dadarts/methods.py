"""The named methods, each a function that returns a `Method`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from dadarts import literal
from dadarts.bilevel import Method, Objective
from dadarts.errors import InputError, unknown
from dadarts.genotype import RETAIN
from dadarts.penalties import DirichletDivergence, DiscretizationLoss, NonePenalty, Penalty, ZeroOneLoss, default_target
from dadarts.relax import AnyRelaxation, Hard, Soft, TopK
from dadarts.relax_sampled import Dirichlet, Gumbel, Perturbed, UniformPath
from dadarts.schedules import Constant, Linear, Schedule
from dadarts.selection import SELECTIONS, Argmax, BestOfRandom, EigenvalueRise, Perturbation, UniformDraw
from dadarts.spaces import SearchSpace


def darts() -> Method:
    """DARTS, second order (arXiv 1806.09055)."""
    return Method()


def darts_first_order() -> Method:
    """DARTS with xi = 0 (arXiv 1806.09055, section 2.3)."""
    return Method(order="first")


def dadarts(temperature_max: float = 200.0, dal_factor: float = 1.0) -> Method:
    """DADARTS: hard discretization of the weight step, top-k with a rising temperature and DAL on alphas."""
    rising = Linear(0.0, temperature_max)
    return Method(
        weights=Objective(Hard()),
        alphas=Objective(
            TopK(temperature_edge=rising, temperature_node=rising),
            (DiscretizationLoss(Constant(dal_factor)),),
        ),
    )


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
    """Weights trained under the initial mixture, alphas never; then perturbation (arXiv 2108.04392, section 6)."""
    return Method(order="none", selection=Perturbation())


METHODS: Mapping[str, Callable[[], Method]] = {
    "dadarts": dadarts,
    "darts": darts,
    "darts-first-order": darts_first_order,
    "drnas": drnas,
    "fair-darts": fair_darts,
    "fixed-alpha": fixed_alpha,
    "gdas": gdas,
    "pc-darts": pc_darts,
    "random": random,
    "random-ws": random_ws,
    "sdarts-rs": sdarts_rs,
}
"""Every method that `--method` names."""


def resolve(method: Method, space: SearchSpace) -> Method:
    """The method with everything that depends on the space filled in.

    Raises:
        InputError: the method cannot work in this space.
    """
    for relaxation in (method.weights.relax, method.alphas.relax, method.look_ahead, method.correction):
        if isinstance(relaxation, TopK):
            _check_top_k(relaxation, space)
        if isinstance(relaxation, Gumbel):
            _check_gumbel(relaxation, method)
        if isinstance(relaxation, Perturbed) and not all(0 <= end <= 1 for end in _ends(relaxation.epsilon)):
            raise InputError("epsilon of a perturbation must be in [0, 1]")
        if isinstance(relaxation, Dirichlet) and method.activation != "dirichlet":
            raise InputError(f"a Dirichlet relaxation needs activation='dirichlet', not {method.activation!r}")
    if method.retain not in RETAIN:
        raise InputError(f"-genotype_to_retain {method.retain}: known are {', '.join(RETAIN)}")
    if method.retain == "all" and space.syntax != "darts":
        raise InputError(
            f"a {space.syntax} genotype has one operation an edge: -genotype_to_retain all cannot be written"
        )
    if method.channel_fraction > 1 and space.syntax == "nas-bench-macro":
        raise InputError(
            f"partial channels need edges that keep their number of channels; search space {space.name} has others"
        )
    if not (1 <= method.channel_fraction <= 64 and 0 <= method.warm_up < 1):
        raise InputError("channel_fraction must be in [1, 64] and warm_up in [0, 1)")
    if method.activation != "softmax" and method.sparsity != 1:
        raise InputError(f"-sparsity is the order of a softmax; this method has {method.activation} in its place")
    if not (0 < method.epsilon <= 1e3 and 1 <= method.sparsity <= 4):
        raise InputError("-finite_difference_epsilon must be in (0, 1000] and -sparsity in [1, 4]")
    _check_selection(method)
    return replace(
        method,
        weights=replace(method.weights, penalties=_resolved(method.weights.penalties, space)),
        alphas=replace(method.alphas, penalties=_resolved(method.alphas.penalties, space)),
    )


def _resolved(penalties: tuple[Penalty, ...], space: SearchSpace) -> tuple[Penalty, ...]:
    return tuple(_resolved_penalty(penalty, space) for penalty in penalties)


def _resolved_penalty(penalty: Penalty, space: SearchSpace) -> Penalty:
    if isinstance(penalty, NonePenalty):
        if penalty.kind not in space.kinds:
            raise InputError(f"search space {space.name} has no {penalty.kind} cells to penalise `none` in")
        if not all("none" in edge for node in space.candidates[penalty.kind] for edge in node):
            raise InputError(f"search space {space.name} has no `none` to penalise")
    if not isinstance(penalty, DiscretizationLoss):
        return penalty
    if penalty.kinds is not None and not set(penalty.kinds) <= set(space.kinds):
        raise InputError(f"the discretization loss names cells {penalty.kinds}; {space.name} has {space.kinds}")
    if penalty.target == "none" and not space.none_everywhere:
        raise InputError(
            f"-dal_target none needs a `none` on every edge that may not be chosen; search space {space.name} has "
            "none such, use -dal_target zero"
        )
    return replace(penalty, target=penalty.target or default_target(space))


def _ends(schedule: Schedule) -> tuple[float, ...]:
    return (schedule.value,) if isinstance(schedule, Constant) else (schedule.start, schedule.end)


def _check_gumbel(gumbel: Gumbel, method: Method) -> None:
    if not all(1e-3 <= end <= 1e6 for end in _ends(gumbel.temperature)):
        raise InputError("the temperature of a Gumbel softmax must be in [1e-3, 1e6]")
    if method.sparsity != 1 or method.activation != "softmax":
        raise InputError("a Gumbel softmax samples from softmax(alpha): leave sparsity and activation as they are")


def _check_selection(method: Method) -> None:
    match method.selection:
        case Perturbation(epochs) if not 0 <= epochs <= 10**4:
            raise InputError(f"--selection_epochs {epochs}: tune for 0 to 10000 epochs")
        case BestOfRandom(genotypes) if not 1 <= genotypes <= 10**6:
            raise InputError(f"--selection_genotypes {genotypes}: draw 1 to 1000000")
    if method.retain != "top2" and method.selection != Argmax():
        raise InputError(f"-genotype_to_retain {method.retain} reads alphas: it goes with --selection argmax only")
    if method.stop is not None and not (1 <= method.stop.window <= 10**4 and 0 < method.stop.ratio <= 1):
        raise InputError("a stop at a rise of the eigenvalue needs a window of 1 to 10000 epochs and a ratio in (0, 1]")


def _check_top_k(top_k: TopK, space: SearchSpace) -> None:
    if top_k.option not in (1, 2, 3):
        raise InputError(f"-option {top_k.option}: known are 1, 2 and 3")
    for schedule in (top_k.temperature_edge, top_k.temperature_node):
        if not all(0 <= end <= 1e6 for end in _ends(schedule)):
            raise InputError("a temperature of top-k must be in [0, 1e6]")
    open_columns = space.columns - (len(space.rule.banned) if top_k.masked else 0)
    if not 0 <= top_k.edge <= open_columns:
        raise InputError(
            f"-topk_k_edge {top_k.edge}: an edge of {space.name} has {open_columns} operations to choose from"
        )
    places = space.inputs * open_columns
    if top_k.node is not None and not 0 <= top_k.node <= places:
        raise InputError(
            f"-topk_k_node {top_k.node}: the first node of {space.name} has {places} places to choose from"
        )
    off = [level for level, k in (("edge", top_k.edge), ("node", top_k.k_at_node(space.rule))) if not k]
    if len(off) == 2:
        raise InputError("with both levels of top-k off, nothing is left of it; leave the -topk_on_ flags out")
    if off and top_k.option == 2 and not top_k.weighted:
        # B = 1 with the node level off, B = k / m with the edge level off.
        raise InputError(
            f"-option 2 with the {off[0]} level off (search space {space.name}) has no alpha left in M where -justtopk "
            "leaves out the factor W; use -option 1 or 3"
        )


_SPEAKABLE = {
    cls.__name__: cls
    for cls in (
        *(Method, Objective, Constant, Linear),
        *get_args(AnyRelaxation),
        *get_args(Penalty),
        *(*SELECTIONS.values(), EigenvalueRise),
    )
}


def parse_method(text: str) -> Method:
    """Read a method from its repr, as data.

    >>> parse_method(repr(dadarts())) == dadarts()
    True

    Raises:
        InputError: not the repr of a `Method`.
    """
    method = _built(literal.parse(text))
    if not isinstance(method, Method):
        raise InputError(f"not a method: {text[:40]!r}; expected Method(...)")
    return method


def _built(value: literal.Literal) -> Any:
    if isinstance(value, tuple):
        return tuple(_built(item) for item in value)
    if not isinstance(value, literal.Call):
        return value
    if value.name not in _SPEAKABLE:
        raise unknown("part of a method", value.name, _SPEAKABLE)
    kind = _SPEAKABLE[value.name]
    names = [field.name for field in fields(kind)]
    if len(value.args) > len(names):
        raise InputError(f"{value.name} has {len(names)} fields, not {len(value.args)}")
    given = [*zip(names, value.args, strict=False), *value.keywords]
    if len(dict(given)) != len(given):
        raise InputError(f"{value.name} gives a field twice")
    return kind(**{name: _checked(kind, name, _built(item)) for name, item in given})


def _checked(kind: type, name: str, value: Any) -> Any:
    hints = get_type_hints(kind)
    if name not in hints:
        raise unknown(f"field of {kind.__name__}", name, hints)
    try:
        return TypeAdapter(hints[name]).validate_python(value, strict=True)
    except ValidationError:
        raise InputError(f"{kind.__name__}, field {name}: {str(value)[:60]!r} is not of its type") from None


_FLAGS = {
    "weights.relax": "-hd_on_weights / -topk_on_weights",
    "weights.penalties": "-dal_on_weights",
    "alphas.relax": "-hd_on_alphas / -topk_on_alphas",
    "alphas.penalties": "-dal_on_alphas / -bdarts / a none penalty",
    "look_ahead": "-hd_on_virtualstep / -topk_on_virtualstep",
    "correction": "-preset",
    "order": "--method / -first_order / -single_level_optimization",
    "epsilon": "-finite_difference_epsilon",
    "amended": "-amended_hessian",
    "sparsity": "-sparsity",
    "retain": "-genotype_to_retain",
    "activation": "--method",
    "channel_fraction": "--method",
    "warm_up": "--method",
    "selection": "--selection",
    "stop": "--method",
}
"""What decides each part of a method on a command line."""


def differing(saved: str, own: str) -> list[str]:
    """The parts in which two methods differ, by the flags that decide them, each as a phrase.

    Raises:
        InputError: not the reprs of methods.
    """
    then, now = parse_method(saved), parse_method(own)
    phrases = []
    for path, flags in _FLAGS.items():
        before, after = attrgetter(path)(then), attrgetter(path)(now)
        if before != after:
            phrases.append(f"{flags}: {before!r} in the run and {after!r} here")
    return phrases
