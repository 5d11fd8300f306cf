"""What a method is in a search space: everything that depends on the space filled in, or a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dadarts.architecture.genotype import RETAIN
from dadarts.architecture.spaces import SearchSpace
from dadarts.errors import InputError
from dadarts.methods.method import Method
from dadarts.methods.penalties import DiscretizationLoss, NonePenalty, Penalty, default_target
from dadarts.methods.relaxations.gibbs import Gibbs
from dadarts.methods.relaxations.relax import AnyRelaxation, AuxiliarySkip, TopK
from dadarts.methods.relaxations.sampled import Dirichlet, Gumbel, Perturbed
from dadarts.methods.schedules import Constant, Late, Schedule
from dadarts.methods.selection import Argmax, BestOfRandom, Perturbation


def resolve(method: Method, space: SearchSpace) -> Method:
    """The method with everything that depends on the space filled in.

    Raises:
        InputError: the method cannot work in this space.
    """
    for relaxation in (method.weights.relax, method.alphas.relax, method.look_ahead, method.correction):
        _check_relaxation(relaxation, method, space)
    _check_numbers(method)
    _check_channels(method, space)
    _check_draws(method)
    _check_restarts(method)
    _check_selection(method)
    if method.retain not in RETAIN:
        raise InputError(f"-genotype_to_retain {method.retain}: known are {', '.join(RETAIN)}")
    if method.retain == "all" and space.syntax != "darts":
        raise InputError(
            f"a {space.syntax} genotype has one operation an edge: -genotype_to_retain all cannot be written"
        )
    return replace(
        method,
        weights=replace(method.weights, penalties=_resolved(method.weights.penalties, space)),
        alphas=replace(method.alphas, penalties=_resolved(method.alphas.penalties, space)),
    )


def _check_relaxation(relaxation: AnyRelaxation | None, method: Method, space: SearchSpace) -> None:
    match relaxation:
        case TopK():
            _check_top_k(relaxation, space)
        case Gumbel():
            _check_gumbel(relaxation, method)
        case Gibbs(temperature) if not all(0 <= end <= 1e6 for end in _ends(temperature)):
            raise InputError("the temperature of a Gibbs distribution must be in [0, 1e6]")
        case Perturbed(epsilon) if not all(0 <= end <= 1 for end in _ends(epsilon)):
            raise InputError("epsilon of a perturbation must be in [0, 1]")
        case Dirichlet() if method.activation != "dirichlet":
            raise InputError(f"a Dirichlet relaxation needs activation='dirichlet', not {method.activation!r}")
        case AuxiliarySkip() if not any(_skips(space)):
            raise InputError(
                f"darts-minus needs a skip_connect to stand beside; search space {space.name} has none among its "
                "operations: choose another -method or -search_space"
            )


def _check_numbers(method: Method) -> None:
    if method.activation != "softmax" and method.sparsity != 1:
        raise InputError(f"-sparsity is the order of a softmax; this method has {method.activation} in its place")
    if not (0 < method.epsilon <= 1e3 and 1 <= method.sparsity <= 4):
        raise InputError("-finite_difference_epsilon must be in (0, 1000] and -sparsity in [1, 4]")


def _check_channels(method: Method, space: SearchSpace) -> None:
    if method.channel_fraction > 1 and space.syntax == "nas-bench-macro":
        raise InputError(
            f"pc-darts needs edges that keep their number of channels; search space {space.name} has others"
        )
    if not (1 <= method.channel_fraction <= 64 and 0 <= method.warm_up < 1):
        raise InputError("channel_fraction must be in [1, 64] and warm_up in [0, 1)")


def _check_draws(method: Method) -> None:
    if method.draws is None:
        return
    if not isinstance(method.alphas.relax, Gibbs) or method.order != "first":
        raise InputError("draws are weighed in a first-order architecture step with a Gibbs relaxation")
    if not 2 <= method.draws <= 1000:
        raise InputError("draws are weighed against each other: give 2 to 1000 of them")


def _check_restarts(method: Method) -> None:
    if not 1 <= method.restarts <= 1000:
        raise InputError("-restarts must be in [1, 1000]")
    if method.restarts > 1 and (method.selection != Argmax() or method.stop is not None or method.order == "none"):
        raise InputError(
            "-restarts averages the last W of each: it needs a method that trains them to the last epoch, and "
            "-selection argmax"
        )


def _skips(space: SearchSpace) -> Iterator[bool]:
    return (bool(places.any()) for kind in space.kinds for places in space.places_of("skip_connect", kind))


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
    match schedule:
        case Constant(value):
            return (value,)
        case Late(_, end):
            return (0.0, end)
    return (schedule.start, schedule.end)


def _check_gumbel(gumbel: Gumbel, method: Method) -> None:
    if not all(1e-3 <= end <= 1e6 for end in _ends(gumbel.temperature)):
        raise InputError("the temperature of a Gumbel softmax must be in [1e-3, 1e6]")
    if method.sparsity != 1 or method.activation != "softmax":
        raise InputError("a Gumbel softmax samples from softmax(alpha): leave sparsity and activation as they are")


def _check_selection(method: Method) -> None:
    match method.selection:
        case Perturbation(epochs) if not 0 <= epochs <= 10**4:
            raise InputError(f"-selection_epochs {epochs}: tune for 0 to 10000 epochs")
        case Perturbation(pictures=pictures) if pictures and not 2 <= pictures <= 10**9:
            raise InputError(f"-selection_pictures {pictures}: measure 2 to 1000000000 pictures, or 0 for all")
        case BestOfRandom(genotypes) if not 1 <= genotypes <= 10**6:
            raise InputError(f"-selection_genotypes {genotypes}: draw 1 to 1000000")
    if method.retain != "top2" and method.selection != Argmax():
        raise InputError(f"-genotype_to_retain {method.retain} reads alphas: it goes with -selection argmax only")
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
