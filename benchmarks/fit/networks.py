"""The networks on which recipes are compared, each of a size that minutes on one thread can train."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from benchmarks.engine.training import GENOTYPE as DARTS_V2
from dadarts.architecture.genotype import Genotype
from dadarts.architecture.skeletons import Macro
from dadarts.runs.probe import Work

BATCH = 64
_RESIDUAL = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
"""Two 3x3 convolutions and a shortcut around them (arXiv 1512.03385, figure 2)."""
_SEPARABLE = (
    "Genotype(normal=[[('sep_conv_3x3', 1), ('skip_connect', 1)]], normal_concat=[2], "
    "reduce=[[('sep_conv_3x3', 1), ('max_pool_3x3', 1)]], reduce_concat=[2])"
)


def _work(genotype: str, channels: int, layers: int) -> Work:
    return Work(Genotype.parse(genotype), Macro(channels, layers, (3, 32, 32), 10), BATCH)


NETWORKS: Mapping[str, Work] = MappingProxyType(
    {"residual": _work(_RESIDUAL, 16, 2), "DARTS_V2": _work(DARTS_V2, 8, 5), "separable": _work(_SEPARABLE, 24, 6)}
)
