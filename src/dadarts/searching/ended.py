"""What a search that has ended leaves of its alphas: the scores that its genotype was read off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from dadarts.config import SearchConfig
from dadarts.errors import InputError
from dadarts.searching.trajectory import trajectory


def last_weights(config: SearchConfig, path: Path, eigenvalues: Sequence[float]) -> Tensor:
    """W at the end of a search, of several restarts their mean: (N, E, O) of the space's stacked nodes.

    Args:
        config: the search's.
        path: its alphas.npz.
        eigenvalues: the Hessian's at every epoch, where the method stops at their rise.

    Raises:
        InputError: the search reads its genotype off no alphas, or they are damaged.
    """
    method = config.method
    if not method.selection.reads_alphas:
        raise InputError(
            "the genotype of this search was read off no alphas: there are no scores to weigh against costs"
        )
    try:
        course = trajectory(config, path)
    except InputError:
        raise
    except ValueError:
        raise InputError(f"{path} is damaged; replace the run with -overwrite") from None
    if course is None:
        raise InputError(f"{path} lacks alphas: there are no scores to weigh against costs")
    last = len(course.mixing) - 1
    if method.stop is not None and method.stop.reached(eigenvalues):
        last = max(0, last - method.stop.window)
    return config.space.stacked(course.mixing[last])
