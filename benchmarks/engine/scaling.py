"""How the soft pass scales with batch, channels, cells, nodes and threads, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from benchmarks.engine.contestants import ENGINES, Contestant, Scale
from benchmarks.engine.timing import interleaved

BASE = Scale(batch=4)
POINTS = {"batch": (2, 4, 8, 16), "channels": (8, 16, 24), "cells": (4, 8, 12), "nodes": (2, 4, 6)}

Curves = Mapping[str, Mapping[int, Mapping[str, float]]]
"""axis -> value -> engine -> seconds"""


def scaling(threads: int) -> Curves:
    """Seconds of a forward and backward pass around batch 4, 16 channels, 8 cells, 4 nodes."""
    curves = {
        axis: {value: _seconds(replace(BASE, **{axis: value})) for value in values} for axis, values in POINTS.items()
    }
    by_threads = {}
    for count in range(1, threads + 1):
        torch.set_num_threads(count)
        by_threads[count] = _seconds(BASE)
    return curves | {"threads": by_threads}


def _seconds(scale: Scale) -> dict[str, float]:
    runs = {engine: Contestant(engine, scale).soft for engine in ENGINES}
    return {engine: median(seconds) for engine, seconds in interleaved(runs, rounds=1).items()}


def draw(curves: Curves, path: Path) -> None:
    """One panel an axis."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "dadarts"
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(curves), figsize=(3 * len(curves), 3), sharey=True, layout="constrained")
    for panel, (axis, points) in zip(panels, curves.items(), strict=True):
        for engine in ENGINES:
            panel.plot(list(points), [seconds[engine] for seconds in points.values()], marker="o", label=engine)
        panel.set(xlabel=axis, yscale="log", xticks=list(points))
    panels[0].set_ylabel("seconds, soft pass")
    panels[0].legend()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
