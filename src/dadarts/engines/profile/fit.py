"""Costs of operations whose sums come nearest to what whole networks cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from dadarts.architecture.places import Place
from dadarts.architecture.skeletons import Macro
from dadarts.engines.profile.cost import Cost
from dadarts.engines.profile.probe import Probe

_TRUST = 0.1
"""What an operation's own measurement counts, in those of whole networks."""
_FLOOR = 0.1
"""Part of the mean cost that a measurement of an operation is uncertain by, however short it is."""

Matrix = NDArray[np.float64]


def fitted(
    alone: Mapping[Place, Cost], probes: Sequence[Probe], measured: Sequence[Cost]
) -> tuple[dict[Place, Cost], dict[Macro, Cost]]:
    """Costs of operations, and of the rest of a network of each size.

    They are what minimises, over costs c >= 0 and rests r >= 0,

        sum over networks ((r + n . c) / t - 1)^2 + trust^2 sum over places ((c - a) / max(a, floor))^2

    with times t of networks, in which places occur n times, and costs a of operations measured alone: those leave out
    what operations cost one another in the caches, and what a sum of several spares.
    """
    places, sizes = list(alone), list(dict.fromkeys(probe.macro for probe in probes))
    counts = np.array(
        [
            [*(probe.places[place] for place in places), *(float(probe.macro == size) for size in sizes)]
            for probe in probes
        ]
    )
    own = np.array([astuple(cost) for cost in alone.values()])
    whole = np.array([astuple(cost) for cost in measured])
    parts = [_nearest(counts, whole[:, part], own[:, part]) for part in range(own.shape[1])]
    costs = [Cost(*map(float, numbers)) for numbers in zip(*parts, strict=True)]
    return dict(zip(places, costs, strict=False)), dict(zip(sizes, costs[len(places) :], strict=True))


def _nearest(counts: Matrix, whole: Matrix, own: Matrix) -> Matrix:
    """One part of all costs."""
    # Every search may have limits and reads this module, and few have: SciPy takes a second to import.
    from scipy.optimize import nnls

    weight = _TRUST / np.maximum(own, max(_FLOOR * own.mean(), 1e-12))
    prior = np.zeros((len(own), counts.shape[1]))
    np.fill_diagonal(prior, weight)
    whole = np.maximum(whole, 1e-12)
    found: Matrix = nnls(
        np.vstack((counts / whole[:, None], prior)), np.concatenate((np.ones(len(whole)), weight * own))
    )[0]
    return found
