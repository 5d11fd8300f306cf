"""How copies of a search's weights are trained and measured; the same wherever that is done."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from dadarts.architecture.supernet import Batch, Mixing
from dadarts.data import Loader
from dadarts.methods.missed import Harm
from dadarts.methods.schedules import Progress, cosine
from dadarts.runs.evaluation import Counted, Name
from dadarts.runs.returning import Returning
from dadarts.searching import paired
from dadarts.searching.bilevel import Arrays
from dadarts.searching.state import SearchState


@dataclass(frozen=True)
class Copy:
    """How a copy of the weights is trained.

    Args:
        M_NEO: under which mixing weights of the stacked nodes.
        epoch, first: its batches are those from number `first` on, counted over epochs from the beginning of `epoch`.
        steps: how many they are.
        start, end: its learning rate, from one to the other by a cosine.
    """

    M_NEO: Tensor
    epoch: int
    first: int
    steps: int
    start: float
    end: float


@dataclass(frozen=True)
class Fork:
    """What is to be done of a fork, whose weights are the mean of its copies'.

    Args:
        mixing: its mixing weights.
        copies: those that are to be trained, in their order.
        again: how many of them, the first, are trained once more since they were forgotten.
        done: how many copies have been trained before them.
        mean: the mean weights of those.
        pictures: by how many of the validation half at least it is measured, 0 is all; None where it is not.
    """

    mixing: Mixing
    copies: Sequence[Copy]
    again: int
    done: int
    mean: Arrays
    pictures: int | None

    def joined(self, place: int, mean: Arrays, weights: Arrays) -> list[Tensor]:
        """The mean of all copies up to one of `copies`, from that of all before it."""
        # One after another, so that what is kept of a rung gives the same bits on the next.
        return list(torch._foreach_lerp(list(mean), list(weights), 1 / (self.done + place + 1)))


@dataclass(frozen=True)
class Trained:
    """What comes of a fork.

    Args:
        mean: its weights.
        harm: what every picture loses; None where that was not asked for.
        thirds: what training and measuring counts (see `operation_pictures`), without what was done again.
    """

    mean: list[Tensor]
    harm: Harm | None
    thirds: int


class DivergedError(Exception):
    """The loss of a copy is not finite.

    Args:
        loss: what it is.
        step: in which step, from 1.
    """

    def __init__(self, loss: float, step: int) -> None:
        super().__init__(loss, step)
        self.loss = loss
        self.step = step


Underway: TypeAlias = Generator[tuple[int, Trained | None], None, None]
"""How many batches have been trained on or measured so far, and the next fork that is through."""


class Trainer(Protocol):
    """Trains forks."""

    def train(self, forks: Sequence[Fork]) -> Underway:
        """Train copies of the search's weights, which stay as they are, and give the forks in their order.

        Raises:
            DivergedError: a loss is not finite; all forks before it have been given.
            LostError: what trains them is gone.
        """
        ...

    def harms(self, mixings: Mapping[Name, Mixing], pictures: int) -> Counted[Mapping[Name, Harm]]:
        """What every picture loses under w as it is and several mixing weights; nothing is counted as work.

        Raises:
            LostError: as in `train`.
        """
        ...


class LostError(Exception):
    """What trained forks is gone; its text says how."""


@dataclass(frozen=True)
class OneAfterAnother:
    """Trains forks in this process, on the search's own weights, which come back before anything else sees them."""

    state: SearchState

    def train(self, forks: Sequence[Fork]) -> Underway:
        """See `Trainer.train`."""
        passed = 0
        for fork in forks:
            with self._forked(), closing(self._one(fork)) as through:
                one = Returning(through)
                for counted in one:
                    passed += counted
                    yield passed, None
            yield passed, one.value

    def harms(self, mixings: Mapping[Name, Mixing], pictures: int) -> Counted[Mapping[Name, Harm]]:
        """See `Trainer.harms`."""
        return paired.harms(self.state.bilevel, judging(self.state, pictures), mixings)

    def _one(self, fork: Fork) -> Generator[int, None, Trained]:
        """1 for every batch that counts, and 0 for those that are trained on again."""
        bilevel = self.state.bilevel
        begun, mean, thirds = weights_of(self.state), list(fork.mean), 0
        for place, copy in enumerate(fork.copies):
            take(self.state, begun)
            with bilevel.work.apart() as own:
                for _ in trained(self.state, copy):
                    yield int(place >= fork.again)
            thirds += own.thirds if place >= fork.again else 0
            mean = fork.joined(place, mean, weights_of(self.state))
        if fork.pictures is None:
            return Trained(mean, None, thirds)
        take(self.state, mean)
        with bilevel.work.apart() as own:
            measuring = Returning(measured(self.state, fork.mixing, fork.pictures))
            for _ in measuring:
                yield 1
        return Trained(mean, measuring.value, thirds + own.thirds)

    @contextmanager
    def _forked(self) -> Iterator[None]:
        """Weights and momentum that may be trained for a while; they come back before a stop is saved."""
        sgd = self.state.optimizers.sgd
        weights, momentum = weights_of(self.state), dict(sgd.state)
        sgd.state.clear()
        try:
            yield
        finally:
            take(self.state, weights)
            sgd.state.clear()
            sgd.state.update(momentum)


def weights_of(state: SearchState) -> list[Tensor]:
    """A copy of w."""
    return [w.detach().clone() for w in state.bilevel.w]


@torch.no_grad()
def take(state: SearchState, weights: Arrays) -> None:
    """Put other values into w."""
    torch._foreach_copy_(state.bilevel.w, list(weights))


def flat(weights: Arrays) -> Tensor:
    """All numbers of w in a row."""
    return torch.cat([w.reshape(-1) for w in weights])


def unflat(state: SearchState, numbers: Tensor) -> list[Tensor]:
    """The weights that `flat` has put in a row."""
    pieces = torch.split(numbers, [w.numel() for w in state.bilevel.w])
    return [piece.view(w.shape) for piece, w in zip(pieces, state.bilevel.w, strict=True)]


def trained(state: SearchState, copy: Copy) -> Iterator[int]:
    """Train w as a copy, without momentum of before; yields the steps from 1 on.

    Raises:
        DivergedError: a loss is not finite.
    """
    mixing = state.bilevel.alphas.split(copy.M_NEO)
    state.optimizers.sgd.state.clear()
    batches: Any = stream(state.loaders.train, copy.epoch, copy.first)
    for step, batch in enumerate(islice(batches, copy.steps)):
        rate = cosine(copy.start, copy.end, Progress(step, copy.steps))
        losses = state.optimizers.weight_step(batch, mixing, rate)
        if not bool(losses.train_loss.isfinite()):
            raise DivergedError(losses.train_loss.item(), step + 1)
        yield step + 1


def measured(state: SearchState, mixing: Mixing, pictures: int) -> Counted[Harm]:
    """What every picture loses under w as it is; counted as in `diagnostics.evaluate`."""
    loader = judging(state, pictures)
    found = yield from paired.harms(state.bilevel, loader, {"fork": mixing})
    state.bilevel.work.measured({"fork": mixing}, len(loader.index))
    return found["fork"]


def judging(state: SearchState, pictures: int) -> Loader:
    """As few batches of the validation half as hold so many pictures; all where it is 0."""
    validation = state.loaders.validation
    return validation.at_least(pictures) if pictures else validation


def stream(loader: Loader, epoch: int, first: int) -> Iterator[Batch]:
    """The batches from number `first` on, counted over epochs from the beginning of `epoch`."""
    while True:
        passed, step = divmod(first, loader.steps())
        yield from loader.epoch(epoch + passed, step)
        first = (passed + 1) * loader.steps()
