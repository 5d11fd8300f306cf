"""Tiny networks, batches and tables that the tests of the mathematics share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from dadarts.architecture.genotype import Genotype, read_off
from dadarts.architecture.network import Network
from dadarts.architecture.operations import OPS
from dadarts.architecture.skeletons import Macro
from dadarts.architecture.spaces import SPACES, SearchSpace, Size, space
from dadarts.architecture.supernet import Mixing, Supernet
from dadarts.engines.native import Kernels, NoCompilerError, build, library
from dadarts.errors import InputError
from dadarts.methods import relaxations
from dadarts.methods.alphas import Activation, Alphas, Candidates
from dadarts.methods.relaxations import Hard, Relaxation, TopK
from dadarts.methods.schedules import Constant, Linear, Progress
from dadarts.searching.bilevel import Bilevel
from dadarts.searching.step import Optimizers
from dadarts.seeds import generator, seeded

MIDWAY = Progress(epoch=1, epochs=2)

RELAXATIONS: tuple[Relaxation, ...] = (
    *(relaxation() for relaxation in relaxations.RELAXATIONS.values()),
    TopK(temperature_edge=Linear(0, 200), temperature_node=Linear(0, 200)),
    TopK(option=3, temperature_edge=Constant(50), temperature_node=Constant(50)),
    TopK(weighted=False),
    TopK(masked=False),
    TopK(edge=0, node=1),
    TopK(node=0),
    Hard(start=1),
)
"""Every relaxation with its defaults, so that a new one is tested by existing, and some settings of ours."""


def usual_optimizers(bilevel: Bilevel, alpha_lr: float = 3e-4) -> Optimizers:
    """The two optimizers with a search's defaults."""
    return Optimizers(
        bilevel,
        momentum=0.9,
        weight_decay=3e-4,
        nesterov=False,
        grad_clip=5.0,
        alpha_lr=alpha_lr,
        alpha_weight_decay=1e-3,
    )


def native_kernels() -> Kernels:
    """The compiled kernels; a test that needs them is skipped where there is no C++ compiler."""
    try:
        return Kernels(library())
    except NoCompilerError as error:
        pytest.skip(str(error))


def forget_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is compiled, or cannot be, be tried anew, as in a new process; until the test ends."""
    monkeypatch.setattr(build, "tried", cache(build.tried.__wrapped__))


def tiny_space(name: str) -> SearchSpace:
    """The space of that name with two nodes, or with its own number where it allows no other."""
    try:
        return space(name, 2)
    except InputError:
        return space(name)


def every_space() -> list[str]:
    return list(SPACES)


def ragged_space() -> SearchSpace:
    """A space of ours whose edges have one, two or three candidates, with `none` on some edges only."""
    cell = (
        (("sep_conv_3x3", "skip_connect", "none"), ("avg_pool_3x3",)),
        (("skip_connect", "none"), ("dil_conv_3x3", "avg_pool_3x3"), ("sep_conv_3x3", "skip_connect", "none")),
    )
    return SearchSpace("ragged", "darts", OPS, 2, {"normal": cell, "reduce": cell}, 2, True, Size(2, 1), Size(2, 1))


def colourful_space() -> SearchSpace:
    """A space of ours with every operation of darts, each twice, and with far fewer of them on an edge."""
    cell = (
        (("max_pool_3x3", "sep_conv_3x3", "dil_conv_5x5", "none"), ("avg_pool_3x3", "skip_connect", "sep_conv_5x5")),
        (
            ("sep_conv_5x5", "dil_conv_3x3", "none"),
            ("skip_connect", "max_pool_3x3", "dil_conv_5x5"),
            ("avg_pool_3x3", "sep_conv_3x3", "dil_conv_3x3"),
        ),
    )
    return SearchSpace("colourful", "darts", OPS, 2, {"normal": cell, "reduce": cell}, 2, True, Size(2, 1), Size(2, 1))


def smooth_space() -> SearchSpace:
    """A space without max pooling; with its ReLUs replaced by softplus a supernet of it has all derivatives."""
    names = ("nor_conv_3x3", "avg_pool_3x3", "skip_connect", "none")
    cell = ((names,) * 2, (names,) * 3)
    return SearchSpace("smooth", "darts", OPS, 2, {"normal": cell, "reduce": cell}, 2, True, Size(2, 1), Size(2, 1))


def macro_of(
    channels: int = 2, layers: int = 1, image_shape: tuple[int, int, int] = (3, 8, 8), classes: int = 3
) -> Macro:
    return Macro(channels, layers, image_shape, classes, stem_multiplier=1)


def build_supernet(search_space: SearchSpace, macro: Macro, seed: int = 0, channel_fraction: int = 1) -> Supernet:
    with seeded(seed, "supernet"):
        return Supernet(search_space, macro, channel_fraction=channel_fraction).double()


def build_alphas(
    search_space: SearchSpace,
    seed: int = 0,
    scale: float = 1.0,
    sparsity: float = 1.0,
    activation: Activation = "softmax",
) -> Alphas:
    """Alphas far from their small initial values, so that nothing is nearly uniform."""
    draw = generator(seed, "alphas")
    alphas = Alphas(search_space, draw, sparsity, activation).double()
    with torch.no_grad():
        for alpha in alphas.parameters():
            alpha.copy_(scale * torch.randn(alpha.shape, generator=draw, dtype=torch.float64))
    return alphas


def side_by_side(alphas: Alphas, times: int) -> tuple[Tensor, Candidates]:
    """As many draws in one call: alpha of the nodes so often, a leaf, and copies of them that draw on their own."""
    leaf = alphas.stacked().detach().repeat(times, 1, 1).requires_grad_()
    return leaf, replace(alphas.candidates.repeated(times), copies=1)


def soften(network: nn.Module) -> None:
    """Replace every ReLU by a softplus."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Softplus())


@dataclass(frozen=True)
class TinyBatch:
    images: Tensor
    labels: Tensor
    key: int = 0


def build_batch(macro: Macro, seed: int = 0, size: int = 4) -> TinyBatch:
    draw = generator(seed, "batch")
    images = torch.randn((size, *macro.image_shape), generator=draw, dtype=torch.float64)
    return TinyBatch(images, torch.randint(macro.classes, (size,), generator=draw), key=seed)


def chosen(mixing: Mixing) -> dict[str, tuple[Tensor, ...]]:
    """The places of hard mixing weights."""
    return {kind: tuple(node > 0.5 for node in nodes) for kind, nodes in mixing.items()}


def discrete_twin(supernet: Supernet, mixing: Mixing) -> Network:
    """The genotype's network under hard mixing weights, in batch-statistics mode, with the supernet's weights."""
    genotype = read_off(supernet.space, chosen(mixing))
    return copied(supernet, genotype)


def copied(supernet: Supernet, genotype: Genotype) -> Network:
    """A network of a genotype with every weight that it shares with the supernet."""
    network = Network(genotype, supernet.macro).double().train()
    weights = supernet.state_dict()
    own = network.state_dict()
    network.load_state_dict({name: weights.get(name, value) for name, value in own.items()})
    return network


def flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def relative_error(estimate: Iterable[Tensor], exact: Iterable[Tensor]) -> float:
    """Distance of two lists of tensors over the length of the second."""
    truth = flat(exact)
    return float((flat(estimate) - truth).norm() / truth.norm())
