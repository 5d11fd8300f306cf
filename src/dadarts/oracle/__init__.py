"""Ground truth: what published benchmarks measured of every network of their spaces.

>>> from dadarts import oracle
>>> answer = oracle.nas_bench_201().query("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|")
>>> answer.scores["cifar10"].accuracy
91.5533

A search never reads these tables: they judge what it has found.
"""  # noqa: E501

from dadarts.oracle.benches import ORACLES, NasBench201, NasBenchMacro, nas_bench_201, nas_bench_macro, oracle
from dadarts.oracle.table import Answer, Score, Table

__all__ = [
    "ORACLES",
    "Answer",
    "NasBench201",
    "NasBenchMacro",
    "Score",
    "Table",
    "nas_bench_201",
    "nas_bench_macro",
    "oracle",
]
