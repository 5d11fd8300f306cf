"""What a selection may ask of the search that it ends; `searching.selecting` answers."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    # `dadarts runs` reads how searches end without waiting for torch.
    import torch
    from torch import Tensor

    from dadarts.architecture.spaces import SearchSpace
    from dadarts.architecture.supernet import Mixing
    from dadarts.methods.alphas import Candidates
    from dadarts.methods.terms import Terms

Name = TypeVar("Name")


class Mixings(Protocol):
    """Mixing weights by number, as in a list; one that makes each when it is asked for holds no more than needed."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Mixing: ...


class Searched(Protocol):
    """A search that has ended, as a selection sees it.

    What a selection has evaluated, tuned and settled is kept in the run's checkpoint. One that was stopped is begun
    anew: it goes on behind its `decided` decisions, and what it has evaluated since (the same mixing weights in the
    same order) is answered at once. All that it does must therefore follow from what is here.
    """

    @property
    def space(self) -> SearchSpace: ...

    @property
    def candidates(self) -> Candidates:
        """The places of the stacked nodes, (N, E, O)."""
        ...

    def weights(self) -> Mixing:
        """The last W, kind -> node -> (E, O)."""
        ...

    def split(self, M_NEO: Tensor) -> Mixing:
        """Mixing weights of the stacked nodes as kind -> node -> (E, O)."""
        ...

    @property
    def trained(self) -> int:
        """How many batches had trained the weights when the selection began."""
        ...

    @property
    def batch_size(self) -> int:
        """Pictures in each of them."""
        ...

    def draw(self, *purpose: str | int) -> torch.Generator:
        """Randomness that depends on the run's seed and on what it is for alone."""
        ...

    def evaluate(self, mixings: Mixings) -> Generator[Any, None, list[tuple[float, float]]]:
        """Mean cross entropy and accuracy of each of several mixing weights on the validation half.

        A few are measured in every pass over it; what has been measured before a stop is not again.
        """
        ...

    def harms(
        self, mixings: Mapping[Name, Mixing], pictures: int, decisions: float, passed: float | None = None
    ) -> Generator[Any, None, Mapping[Name, Tensor]]:
        """What each picture of the validation half loses under mixing weights: float64 (P, 2), see `missed.Harm`.

        Args:
            pictures: measure at most so many, in whole batches; 0 is all.
            decisions: how many the selection takes in all, each with such a measurement, for progress.
            passed: how many of them are behind; None is `decided`.
        """
        ...

    def tune(self, M_NEO: Tensor, through: int, epochs: int) -> Generator[Any, None, None]:
        """Train the weights under M until so many of the selection's epochs are through; those of before count.

        The learning rate falls over all `epochs`. A selection that tunes says how many a decision may take, by
        `Selection.tuning_epochs`.
        """
        ...

    @property
    def mixing(self) -> Tensor:
        """M of the stacked nodes, (N, E, O), as the selection has left it, W at first; it is written in place."""
        ...

    @property
    def decided(self) -> int:
        """How many decisions are settled."""
        ...

    @property
    def settled(self) -> Tensor:
        """On which places a decision is settled: bool (N, E + 1), the last column for nodes' own; to be read."""
        ...

    def settle(self, node: int, edge: int | None) -> None:
        """Keep `mixing` after a decision on an edge of a stacked node, or (no edge) on which edges the node keeps."""
        ...

    @property
    def outcomes(self) -> Sequence[tuple[int, int, int]]:
        """All that was concluded, each three whole numbers that the selection gives a meaning."""
        ...

    def race(
        self, forks: Mapping[int, Tensor], terms: Terms, rung: int, races: float, passed: float
    ) -> Generator[Any, None, Mapping[int, Tensor]]:
        """What each picture loses after a fork of the weights was trained under mixing weights of its own.

        Every fork begins with the weights as they are, on a later rung with its own of the rung before, and without
        momentum. It is trained on the same batches as the others, which depend on how much is concluded and on the
        rung alone; no fork depends on another. The weights are left as they were. A race that was stopped goes on
        behind the last fork that was measured.

        Args:
            forks: M of the stacked nodes, (N, E, O), by name; on a later rung of those that go on.
            terms: for how long, and on how many pictures; see `Terms`.
            rung: from 0; all before it have been run since the last outcome.
            races: how many races such as this one all of the selection is worth, for progress.
            passed: how many of them are behind.

        Returns:
            By name float64 (P, 2) as of `harms`, under the fork's own M.
        """
        ...

    def conclude(
        self, outcomes: Sequence[tuple[int, int, int]], winner: int | None = None
    ) -> Generator[Any, None, None]:
        """Keep the outcomes of a race, and go on with the weights of one of its forks where a winner is named."""
        ...

    def said(self, text: str) -> Any:
        """A line of the run's log, to be yielded."""
        ...

    def damaged(self, why: str) -> Exception:
        """What to raise where the checkpoint has `settled` what this selection cannot have."""
        ...
