"""What a race of forks is run by, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

FEWEST_STEPS, FEWEST_PART = 10, 20
"""Batches below which training a fork says nothing of it, and as which part of the training before them they are."""


@dataclass(frozen=True)
class Terms:
    """How forks of the weights are trained, measured and judged.

    Args:
        steps: batches that train a copy of a fork; on the first rung there is one.
        rungs: how many rungs a race has: of the better half of its forks, at least two, twice as many copies are
            trained as on the rung before, each on other batches. A fork's weights are the mean of its copies'.
        rate: where the learning rate of a copy begins, in parts of the search's; it ends, by a cosine, with the
            search's last, `w_lr_min`.
        pictures: at most so many of the validation half are what a fork is judged by; 0 is all.
        order_pictures: the same for the order of edges and for ties.
        level: of Holm's one-sided test that drops what is worse than the best; 1 - Phi(2), two standard errors.
        put_off: an edge whose best and second best are less than so many standard errors apart waits, once, until the
            others are decided; 0 puts off none. The first rung tells.
        rounds: the order of edges is measured at most so many times, and as often again as edges were put off.
        looks: how often all decided edges are raced again at the end.
        none: whether `none` is raced where the space lets an edge keep it: when all else is decided, against what
            stands.
        share: the races may cost about so many times what trained the weights before them, so that `steps` are fewer
            where a search is short; 0 is no bound.
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
    rungs: int = 1
    share: float = 0.0

    def within(self, trained: int, operations: Sequence[int], batch_size: int) -> Terms:
        """With as many steps as keep to the share, but `FEWEST_STEPS` at least (fewer after very few batches).

        A fork is then measured on no more pictures than cost as much as its training, which is three passes each; and
        all orders of edges, which try each operation of every undecided edge, keep to the share too.

        In operation-pictures, with the same batches before the races and in them: A operations were active in each of
        the `trained` steps; in a race those of the undecided edges, and one on its own edge and each decided one.

        Args:
            trained: how many batches have trained the weights.
            operations: how many each edge may keep; they are decided in this order.
            batch_size: pictures in each.

        >>> lookahead = Terms(rungs=2, share=1.0)
        >>> [lookahead.within(trained, [4] * 6, 64).steps for trained in (7 * 390, 600, 40)]
        [100, 22, 2]
        """
        if not self.share:
            return self
        raced, ordered, undecided = 0, 0, sum(operations)
        a_round = self.a_round(len(operations))
        for decided, count in enumerate(operations):
            if decided % a_round == 0:
                ordered += undecided * (undecided + decided)
            undecided -= count
            copies = sum(forks << rung for rung, forks in enumerate(self.entering(count)))
            raced += copies * (undecided + decided + 1)
        bound = int(self.share * trained * sum(operations) / raced)
        fewest = min(FEWEST_STEPS, max(1, trained // FEWEST_PART))
        steps = min(self.steps, max(fewest, bound))
        order = int(3 * self.share * trained * batch_size * sum(operations) / ordered)
        return replace(
            self,
            steps=steps,
            pictures=min(self.pictures, max(2, 3 * steps * batch_size)),
            order_pictures=min(self.order_pictures, max(2, order)),
        )

    def a_round(self, edges: int) -> int:
        """How many of so many edges are decided by one order."""
        return max(1, ceil(edges / self.rounds))

    def copies_before(self, rung: int) -> int:
        """How many copies of a fork are trained before a rung: 1, 2, 4, ... are those of the rungs.

        >>> [Terms().copies_before(rung) for rung in range(4)]
        [0, 1, 3, 7]
        """
        return (1 << rung) - 1

    def steps_of(self, rung: int) -> int:
        """How many batches train a fork on a rung."""
        return self.steps << rung

    def entering(self, forks: int) -> list[int]:
        """How many of a race's forks each rung trains: all, then the better half, but two at least.

        >>> Terms(rungs=3).entering(7), Terms(rungs=3).entering(3), Terms(rungs=2).entering(1)
        ([7, 4, 2], [3, 2, 2], [1, 1])
        """
        found = [forks]
        for _ in range(self.rungs - 1):
            found.append(min(found[-1], max(2, (found[-1] + 1) // 2)))
        return found
