"""What a method is in a search space: everything that depends on the space filled in, or a refusal."""

from __future__ import annotations

from dataclasses import replace

from dadarts.architecture.genotype import RETAIN
from dadarts.architecture.spaces import SearchSpace
from dadarts.errors import InputError
from dadarts.methods.method import Method


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
    return replace(method, weights=method.weights.resolved(space), alphas=method.alphas.resolved(space))


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
    if not method.alphas.relax.weighs_draws or method.order != "first":
        raise InputError("draws are weighed in a first-order architecture step with a Gibbs relaxation")
    if not 2 <= method.draws <= 1000:
        raise InputError("draws are weighed against each other: give 2 to 1000 of them")


def _check_restarts(method: Method) -> None:
    if not 1 <= method.restarts <= 1000:
        raise InputError("-restarts must be in [1, 1000]")
    if method.restarts > 1 and (not method.selection.reads_alphas or method.stop is not None or method.order == "none"):
        raise InputError(
            "-restarts averages the last W of each: it needs a method that trains them to the last epoch, and "
            "-selection argmax"
        )


def _check_selection(method: Method) -> None:
    method.selection.check()
    if method.retain != "top2" and not method.selection.reads_alphas:
        raise InputError(f"-genotype_to_retain {method.retain} reads alphas: it goes with -selection argmax only")
    if method.stop is not None and not (1 <= method.stop.window <= 10**4 and 0 < method.stop.ratio <= 1):
        raise InputError("a stop at a rise of the eigenvalue needs a window of 1 to 10000 epochs and a ratio in (0, 1]")
