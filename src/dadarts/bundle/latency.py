"""How long the forms of a network take on this machine, by batch and threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from dadarts.bundle.form import Answer, Form
from dadarts.machine import cores
from dadarts.runs.threads import computing_with

BATCHES = (1, 8, 64)
SECONDS = 10.0
"""That everything which is measured here has together: on a busy machine, or of a large network, less is measured."""
_SECONDS = 0.05
_FEWEST, _ENOUGH = 3, 0.25
"""Batches that tell, unless fewer take so many seconds: of slow ones noise is the smaller part."""


@dataclass(frozen=True)
class Latency:
    """Of a form by a number of threads: milliseconds a batch of each size, the median of as many as tell.

    None is what there was no time to measure.
    """

    form: Form
    threads: int
    milliseconds: tuple[float | None, ...]


def measured(
    forms: Sequence[Form],
    folder: Path,
    shape: tuple[int, int, int],
    told: Callable[[str], None],
    clock: Callable[[], float] = time.perf_counter,
) -> list[Latency]:
    """The latencies of forms in a folder, with one thread and with one a core, as far as `SECONDS` are enough.

    Each has an equal part of the seconds that those before it have left, and a lone picture is measured wherever any
    are left; nothing is begun when they are over. One thread comes first.

    Args:
        told: called with what is being done.
        clock: seconds that only grow.
    """
    pictures = torch.zeros((max(BATCHES), *shape), dtype=torch.uint8)
    end = clock() + SECONDS
    rows = [(form, threads) for threads in sorted({1, cores()}) for form in forms]
    found = []
    for number, (form, threads) in enumerate(rows):
        if threads == 1:
            told(f"measuring latencies of {form.file}")
        now, own = clock(), list[float]()
        if now < end:
            until = now + (end - now) / (len(rows) - number)
            with computing_with(threads):
                own += _of(form.opened(folder, threads), pictures, (end, until), clock)
        missing = (None,) * (len(BATCHES) - len(own))
        found.append(Latency(form, threads, (*(1000 * seconds for seconds in own), *missing)))
    return sorted(found, key=lambda each: [form.file for form in forms].index(each.form.file))


def _of(answer: Answer, pictures: Tensor, ends: tuple[float, float], clock: Callable[[], float]) -> Iterator[float]:
    """Seconds of batches of each size, up to the first one for which there is no time.

    Args:
        ends: when the time for the first size is over, and for all others.
    """
    expected, before = 0.0, 1
    for batch in BATCHES:
        until = ends[batch != BATCHES[0]]
        expected *= batch / before
        # The first of a size finds caches cold, and another one tells.
        if clock() + 2 * expected >= until:
            return
        answer(pictures[:batch])
        taken: list[float] = []
        while sum(taken) < (_ENOUGH if len(taken) < _FEWEST else _SECONDS):
            if clock() + max(taken, default=0.0) >= (ends[1] if taken else until):
                break
            began = clock()
            answer(pictures[:batch])
            taken.append(clock() - began)
        if not taken:
            return
        expected, before = median(taken), batch
        yield expected
