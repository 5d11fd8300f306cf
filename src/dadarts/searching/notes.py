"""What a search says of itself before it begins: settings that do nothing, or were seen to fail."""

from __future__ import annotations

from collections.abc import Iterator

from dadarts.config import SearchConfig
from dadarts.methods.method import Method
from dadarts.methods.penalties import Penalty
from dadarts.methods.relaxations import Soft
from dadarts.methods.schedules import Progress
from dadarts.pacing import counted

LARGE_DAL_FACTOR = 10.0


def notes(config: SearchConfig) -> Iterator[str]:
    """What is to be said of a search before it begins."""
    method = config.method
    if not method.selection.trains:
        yield "one uniform draw: nothing is trained, and no epoch passes"
    if method.order != "single-level" and method.weights.penalties:
        yield "-dal_on_weights acts only where alphas are trained in the weight step, as in single-level search"
    yield from dict.fromkeys(note for relaxation in method.relaxations for note in relaxation.notes(config.space.rule))
    if method.retain != "top2":
        yield f"-genotype_to_retain {method.retain} is for reading: it is not the network of the hard pass"
    if _is_plain(method):
        yield "plain DARTS: the genotype is rounded off a mixture that was never trained to be rounded"
    length = config.epochs // method.restarts
    if method.order != "none" and Progress(length - 1, length).fraction < method.warm_up:
        yield (
            f"a warm-up of {method.warm_up:.0%} leaves none of {counted(length, 'epoch')} to alphas: the genotype will "
            "be that of the random draw; give more -epochs"
        )
    yield from _seen_to_fail(config)


def _is_plain(method: Method) -> bool:
    """Whether alphas are trained under the mixture and nothing else."""
    mixing = (method.weights.relax, method.weights.relax if method.order == "single-level" else method.alphas.relax)
    return (
        method.order != "none"
        and mixing == (Soft(), Soft())
        and not _penalties_of_alphas(method)
        and (method.activation, method.sparsity, method.stop) == ("softmax", 1, None)
        and method.selection.reads_alphas
    )


def _penalties_of_alphas(method: Method) -> tuple[Penalty, ...]:
    """What is added to the loss that alphas are trained on."""
    if method.order == "none":
        return ()
    return (*method.alphas.penalties, *(method.weights.penalties if method.order == "single-level" else ()))


def _seen_to_fail(config: SearchConfig) -> Iterator[str]:
    method, length = config.method, config.epochs // config.method.restarts
    last, factor = Progress(length - 1, length), _largest_dal_factor(method, length)
    unaided = method.alphas.relax.unaided if method.order in ("second", "first") else ""
    if unaided and not factor and not method.weights.relax.is_discrete(last):
        yield unaided
    if factor >= LARGE_DAL_FACTOR:
        yield (
            f"a DAL factor of {LARGE_DAL_FACTOR:g} or more was seen to freeze the first random draw; "
            "-dal_factor 1 is the default"
        )


def _largest_dal_factor(method: Method, length: int) -> float:
    """The largest lambda of a discretization loss from the start of the search to its end; 0 where none acts."""
    places = [Progress(epoch, length) for epoch in range(length + 1)]
    pulls = [penalty.pull(place) for penalty in _penalties_of_alphas(method) for place in places]
    return max((pull.factor for pull in pulls if pull), default=0.0)
