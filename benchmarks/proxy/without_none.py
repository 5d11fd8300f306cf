"""A plugin: the space of NAS-Bench-201 whose edges cannot be closed.

``dadarts compare --plugin benchmarks/proxy/without_none.py --space nas-bench-201-without-none ...``; for methods whose
supernets rank cells with `none` too high. What is found are cells of NAS-Bench-201, so its table knows them.
"""

from __future__ import annotations

from dataclasses import replace

from dadarts.architecture.operations import NONE
from dadarts.architecture.spaces import SearchSpace, space
from dadarts.plugins import register


@register.space("nas-bench-201-without-none", nodes=3)
def without_none(nodes: int) -> SearchSpace:
    """NAS-Bench-201's space without `none`."""
    whole = space("nas-bench-201", nodes)
    cell = tuple(tuple(tuple(op for op in edge if op != NONE) for edge in node) for node in whole.candidates["normal"])
    return replace(whole, name="nas-bench-201-without-none", candidates={"normal": cell})
