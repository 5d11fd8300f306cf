"""What a method is in a search space: everything that depends on the space filled in, or a refusal."""

from __future__ import annotations

from dataclasses import replace

from dadarts.architecture.genotype import RETAIN
from dadarts.architecture.spaces import SearchSpace
from dadarts.errors import InputError
from dadarts.methods.method import Method
from dadarts.methods.penalties import DiscretizationLoss, NonePenalty, Penalty, default_target
from dadarts.methods.relaxations import Gibbs
from dadarts.methods.selection import Argmax, BestOfRandom, Perturbation


def resolve(method: Method, space: SearchSpace) -> Method:
    """The method with everything that depends on the space filled in.

    Raises:
        InputError: the method cannot work in this space.
    """
    for relaxation in (method.weights.relax, method.alphas.relax, method.look_ahead, method.correction):
        if relaxation is not None:
            relaxation.check(space, method)
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
