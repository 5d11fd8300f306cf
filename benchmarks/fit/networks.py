"""The networks on which recipes are compared, each of a size that minutes on one thread can train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.engine.training import GENOTYPE as DARTS_V2
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Macro

BATCH = 64
_RESIDUAL = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
"""Two 3x3 convolutions and a shortcut around them (arXiv 1512.03385, figure 2)."""
_SEPARABLE = (
    "Genotype(normal=[[('sep_conv_3x3', 1), ('skip_connect', 1)]], normal_concat=[2], "
    "reduce=[[('sep_conv_3x3', 1), ('max_pool_3x3', 1)]], reduce_concat=[2])"
)


@dataclass(frozen=True)
class Trained:
    """A network that is trained: its genotype, and its size."""

    genotype: Genotype
    macro: Macro


def _trained(genotype: str, channels: int, layers: int) -> Trained:
    return Trained(Genotype.parse(genotype), Macro(channels, layers, (3, 32, 32), 10))


NETWORKS: Mapping[str, Trained] = MappingProxyType(
    {
        "residual": _trained(_RESIDUAL, 16, 2),
        "DARTS_V2": _trained(DARTS_V2, 8, 5),
        "separable": _trained(_SEPARABLE, 24, 6),
    }
)
