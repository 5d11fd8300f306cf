"""The networks that race: each a genotype at a size, so that one code trains, measures and exports all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from dadarts.architecture.genotype import random_genotype
from dadarts.architecture.published import PUBLISHED
from dadarts.architecture.spaces import Size, space

SPACE = "nas-bench-201"
"""What is searched, and drawn from: the fastest space here, in which the plain candidates are, too."""
FOUND = "found"
"""The family of what the search of a fit has found."""
RESNET, DRAWN = "resnet", "random"
"""The families that a search is compared with by name: what somebody would have written, and what a draw gives."""


@dataclass(frozen=True)
class Family:
    """A genotype that is trained at several sizes.

    Args:
        name: of its runs: letters and dashes.
        title: what it is called in a sentence.
        why: why it is a candidate.
        genotype: as text.
        sizes: initial channels and layers.
    """

    name: str
    title: str
    why: str
    genotype: str
    sizes: tuple[Size, ...]


def _grid(channels: Iterable[int], layers: Iterable[int]) -> tuple[Size, ...]:
    return tuple(Size(*each) for each in product(channels, layers))


BENCH_SIZES = _grid((4, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32, 40, 48, 64), (1, 2, 4))
_DARTS_SIZES = _grid((4, 6, 8, 12, 16, 24, 36), (3, 5, 8, 14))

FAMILIES: tuple[Family, ...] = (
    Family(
        RESNET,
        "a ResNet",
        "two 3x3 convolutions beside a skip (arXiv 1512.03385, 1603.05027): hard to beat at few minutes",
        "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|",
        BENCH_SIZES,
    ),
    Family(
        "dense",
        "the best cell of NAS-Bench-201",
        "3x3 convolutions on five edges and a skip: the most accurate cell of the benchmark on CIFAR-10",
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        BENCH_SIZES,
    ),
    Family(
        "separable",
        "a cell of separable convolutions",
        "few parameters: depthwise and pointwise convolutions (arXiv 1704.04861) beside skips",
        "Genotype(normal=[[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], [('sep_conv_3x3', 2), ('skip_connect', 1)]], "
        "normal_concat=[2, 3], reduce=[[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], [('sep_conv_3x3', 1), "
        "('skip_connect', 2)]], reduce_concat=[2, 3])",
        _DARTS_SIZES,
    ),
    Family(
        "darts",
        "DARTS' published cell",
        "the second-order cell of arXiv 1806.09055, searched on CIFAR-10",
        PUBLISHED["DARTS_V2"],
        _DARTS_SIZES,
    ),
)
"""The plain and published cells that race, the likeliest winner first."""


def searched(genotype: str) -> Family:
    """What the search of a fit has found."""
    return Family(FOUND, "what was found", f"searched in {SPACE} on these pictures", genotype, BENCH_SIZES)


def drawn(seed: int) -> Family:
    """A uniform draw from the space that is searched: what a search must beat to have been worth its time."""
    genotype = str(random_genotype(space(SPACE), seed))
    return Family(DRAWN, "a random draw", f"drawn from {SPACE}, where the search looks", genotype, BENCH_SIZES)
