"""What a race of forks is run by, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Terms:
    """How forks of the weights are trained, measured and judged.

    Args:
        steps: batches that train a fork.
        rate: where a fork's learning rate begins, in parts of the search's; it ends, by a cosine, with the search's
            last, `w_lr_min`.
        pictures: at most so many of the validation half are what a fork is judged by; 0 is all.
        order_pictures: the same for the order of edges and for ties.
        level: of Holm's one-sided test that drops what is worse than the best; 1 - Phi(2), two standard errors.
        put_off: an edge whose best and second best are less than so many standard errors apart waits, once, until the
            others are decided; 0 puts off none.
        rounds: the order of edges is measured at most so many times, and as often again as edges were put off.
        looks: how often all decided edges are raced again at the end.
        none: whether `none` is raced where the space lets an edge keep it.
    """

    steps: int = 100
    rate: float = 0.5
    pictures: int = 4096
    order_pictures: int = 1024
    level: float = 0.02275
    put_off: float = 1.0
    rounds: int = 8
    looks: int = 1
    none: bool = False
