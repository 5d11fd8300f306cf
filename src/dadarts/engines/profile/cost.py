"""Measures what an operation or a network costs: as a training computes it, and as predictions do."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from dadarts.architecture.network import LoneNode, Network
from dadarts.architecture.places import Place
from dadarts.architecture.skeletons import Site
from dadarts.architecture.spaces import SearchSpace
from dadarts.engines.inference import SOURCE, Library, Predictor
from dadarts.engines.native import Kernels, NoCompilerError, library
from dadarts.engines.native.network import FusedNetwork, FusedNode

Pass: TypeAlias = Callable[[], object]

_LIGHT = "skip_connect"
"""What the other edges are, where a space has it."""
_ROUNDS, _ROUNDS_OF_NETWORKS = 11, 5
_LEAST_S = 0.001
"""Shorter passes are repeated until they take so long together."""
_ENOUGH_S = 0.1
"""A lone network's pass that takes so long is not measured again: noise is the smaller part of it."""


@dataclass(frozen=True)
class Cost:
    """Seconds of one picture, in a batch.

    Args:
        forward: of a training's pass.
        backward: of its way back, to what went in and to the weights.
        prediction: of a pass in evaluation mode.
    """

    forward: float
    backward: float
    prediction: float

    @property
    def training(self) -> float:
        """Of both passes of a training."""
        return self.forward + self.backward

    def plus(self, other: Cost, times: float) -> Cost:
        """This cost and another one several times."""
        return Cost(
            self.forward + times * other.forward,
            self.backward + times * other.backward,
            self.prediction + times * other.prediction,
        )


def nothing() -> None:
    """What is done after a turn where nobody waits."""


def cost_of(space: SearchSpace, place: Place, batch: int) -> Cost:
    """What one more edge of an operation costs a node, with the threads that torch has now.

    A node with it is compared with a node without, both of which add up two more edges, so that nothing counts which
    an edge inside of a network does not have. Native kernels compute them where they can be had, as they do trainings
    and predictions; else torch.
    """
    site = Site(0, space.kinds[0], place.channels, place.stride)
    x = _pictures(batch, place.inputs)
    others = (_LIGHT if _LIGHT in space.ops else next(iter(space.ops)),) * 2
    without, among = (
        _passes_of(LoneNode(space, site, operations), x) for operations in (others, (*others, place.operation))
    )
    shortest = _shortest([*without, *among], _ROUNDS)
    forward, both, prediction = (
        max(0.0, most - least) / batch for least, most in zip(shortest[:3], shortest[3:], strict=True)
    )
    return Cost(forward, max(0.0, both - forward), prediction)


def costs_of_networks(networks: Sequence[Network], batch: int, done: Callable[[], None] = nothing) -> list[Cost]:
    """What whole networks cost, their classifiers included, in turns; `done` is called after every pass."""
    passes = [_passes_of(network, _pictures(batch, network.macro.image_shape)) for network in networks]
    shortest = _shortest([run for three in passes for run in three], _ROUNDS_OF_NETWORKS, done)
    return [
        Cost(forward / batch, max(0.0, both - forward) / batch, prediction / batch)
        for forward, both, prediction in zip(*[iter(shortest)] * 3, strict=True)
    ]


def prediction_of(network: Network) -> float:
    """Seconds of a lone picture's prediction by a whole network, its classifier included, in few passes.

    No training's pass is measured beside it, which would take several times as long.
    """
    network = network.eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x, predict = _pictures(1, network.macro.image_shape), _form_in_evaluation(network)
    with torch.inference_mode():
        # The first pass finds caches cold.
        predict(x)
        once = _seconds(lambda: predict(x), 1)
        return once if once >= _ENOUGH_S else _shortest([lambda: predict(x)], _ROUNDS_OF_NETWORKS)[0]


def turns(networks: int) -> int:
    """How often `costs_of_networks` says that it has done a pass."""
    return 3 * networks * _ROUNDS_OF_NETWORKS


def _passes_of(module: LoneNode | Network, x: Tensor) -> list[Pass]:
    """A training's pass, the same with its way back, and a prediction."""
    in_training, in_evaluation = copy.deepcopy(module).train(), copy.deepcopy(module).eval()
    for each in (in_training, in_evaluation):
        each.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    forward, predict = _form(in_training), _form_in_evaluation(in_evaluation)
    # A network's pictures need no gradient, the states of a node do.
    given = x.clone().requires_grad_(isinstance(module, LoneNode))
    wanted = [tensor for tensor in (given, *in_training.parameters()) if tensor.requires_grad]
    gradient = torch.randn_like(forward(given))

    def both() -> None:
        torch.autograd.grad(forward(given), wanted, gradient, allow_unused=True)

    def prediction() -> None:
        with torch.inference_mode():
            predict(x)

    return [lambda: forward(given), both, prediction]


def _form(module: LoneNode | Network) -> Callable[[Tensor], Tensor]:
    try:
        kernels = Kernels(library())
    except NoCompilerError:
        return module
    return FusedNode(module, kernels) if isinstance(module, LoneNode) else FusedNetwork(module, kernels)


def _form_in_evaluation(module: nn.Module) -> Callable[[Tensor], Tensor]:
    try:
        return Predictor(module, Library(library(SOURCE)))
    except NoCompilerError:
        return module


def _pictures(batch: int, shape: tuple[int, int, int]) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randn((batch, *shape), generator=draw).contiguous(memory_format=torch.channels_last)


def _shortest(passes: Sequence[Pass], rounds: int, done: Callable[[], None] = nothing) -> list[float]:
    """Seconds of the shortest round of every pass: what else the machine does only adds. They take turns."""
    repeats = [max(1, min(64, int(_LEAST_S / max(_seconds(each, 1), 1e-9)))) for each in passes]
    shortest = [math.inf] * len(passes)
    for _ in range(rounds):
        for number, (each, times) in enumerate(zip(passes, repeats, strict=True)):
            shortest[number] = min(shortest[number], _seconds(each, times))
            done()
    return shortest


def _seconds(run: Pass, times: int) -> float:
    # What one thread computes is its own time alone, whoever else wants the processor.
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    for _ in range(times):
        run()
    return (clock() - began) / times
