"""Evaluations in the course of a run: between two batches it may be saved, looked at and stopped."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dadarts.architecture.supernet import Batch
from dadarts.data import Loader
from dadarts.runs.answers import Answers
from dadarts.runs.events import Event
from dadarts.runs.returning import Found, Returning
from dadarts.runs.run import AnyConfig, Run
from dadarts.runs.state import State

Name = TypeVar("Name")


@dataclass(frozen=True)
class Score:
    """Mean cross entropy and accuracy in [0, 1] over a split."""

    loss: float
    top1: float


Counted: TypeAlias = Generator[tuple[int, int], None, Found]
"""How many batches all processes have measured and how many there are, round by round; at the end what was found."""


Evaluation: TypeAlias = Counted[Mapping[Name, Score]]
"""At the end scores by name."""


def evaluate(network: nn.Module, loader: Loader, passes: Mapping[Name, Callable[[Batch], Tensor]]) -> Evaluation[Name]:
    """Score several passes through a network, each from a batch to its logits, over the same batches of a split.

    Several processes measure a batch each in every round; the scores are those of one process.
    """
    tables = torch.zeros((len(passes), loader.steps(), 2), dtype=torch.float64)

    def measure(step: int, batch: Batch) -> None:
        for table, logits_of in zip(tables, passes.values(), strict=True):
            table[step] = measured(logits_of(batch), batch.labels)

    yield from rounds(network, loader, measure)
    tables = loader.processes.summed(tables)
    return {name: score(table, len(loader.index)) for name, table in zip(passes, tables, strict=True)}


def answers(network: nn.Module, loader: Loader, logits_of: Callable[[Batch], Tensor]) -> Counted[tuple[Score, Answers]]:
    """The score of one pass through a network, as by `evaluate`, and its answer to every picture of the split."""
    table = torch.zeros((loader.steps(), 2), dtype=torch.float64)
    rows = torch.zeros((len(loader.index), Answers.COLUMNS), dtype=torch.float64)

    def measure(step: int, batch: Batch) -> None:
        logits = logits_of(batch)
        table[step] = measured(logits, batch.labels)
        begin = step * loader.batch_size
        rows[begin : begin + len(batch.labels)] = Answers.rows(logits, batch.labels)

    yield from rounds(network, loader, measure)
    # Every row is one process' alone and 0 in the others.
    table, rows = loader.processes.summed(table), loader.processes.summed(rows)
    return score(table, len(rows)), Answers.of_rows(rows)


def rounds(network: nn.Module, loader: Loader, measure: Callable[[int, Batch], None]) -> Counted[None]:
    """Measure all batches of a split, in every round one in each process; each is given with its step."""
    with batches_apart(network):
        for round_number, (step, batch) in enumerate(loader.dealt(), 1):
            if batch is not None:
                with torch.no_grad():
                    measure(step, batch)
            yield min(round_number * loader.processes.count, loader.steps()), loader.steps()


def scores_of(evaluation: Evaluation[Name]) -> Mapping[Name, Score]:
    """Carry an evaluation out in one go."""
    scores = Returning(evaluation)
    for _ in scores:
        pass
    return scores.value


def measured(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of the cross entropy and number of right answers of a batch, float64 (2,)."""
    loss = F.cross_entropy(logits, labels, reduction="sum").item()
    return torch.tensor([loss, int((logits.argmax(dim=1) == labels).sum())], dtype=torch.float64)


def score(table: Tensor, pictures: int) -> Score:
    """The score over a split from what was `measured` of its batches, (steps, 2), added in their order."""
    loss = correct = 0.0
    for batch_loss, batch_correct in table.tolist():
        loss += batch_loss
        correct += batch_correct
    return Score(loss / pictures, correct / pictures)


@contextmanager
def batches_apart(network: nn.Module) -> Iterator[None]:
    """Let each process pass whole batches of its own, with their own statistics (see `norms.synchronise`)."""
    network.eval()
    try:
        yield
    finally:
        network.train()


def evaluated(
    run: Run[AnyConfig], state: State, evaluation: Counted[Found], event: Callable[[int, int], Event]
) -> Generator[Event, None, Found]:
    """What an evaluation finds; `event` is made of how many of its batches are measured, and of how many."""
    found = Returning(evaluation)
    for counted in found:
        run.save_if_due(state)
        yield event(*counted)
    return found.value
