"""How long the forms of a network take on this machine, by batch and threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from dadarts.bundle.form import Answer, Form
from dadarts.machine import cores
from dadarts.runs.threads import computing_with

BATCHES = (1, 8, 64)
_SECONDS = 0.05
_FEWEST, _ENOUGH = 3, 0.25
"""Batches that tell, unless fewer take so many seconds: of slow ones noise is the smaller part."""


@dataclass(frozen=True)
class Latency:
    """Of a form by a number of threads: milliseconds a batch of each size, the median of as many as tell."""

    form: Form
    threads: int
    milliseconds: tuple[float, ...]


def measured(
    forms: Sequence[Form], folder: Path, shape: tuple[int, int, int], told: Callable[[str], None]
) -> list[Latency]:
    """The latencies of forms in a folder, with one thread and with one a core.

    Args:
        told: called with what is being done.
    """
    pictures = torch.zeros((max(BATCHES), *shape), dtype=torch.uint8)
    found = []
    for form in forms:
        told(f"measuring latencies of {form.file}")
        for threads in sorted({1, cores()}):
            with computing_with(threads):
                answer = form.opened(folder, threads)
                found.append(Latency(form, threads, tuple(_of(answer, pictures[:batch]) for batch in BATCHES)))
    return found


def _of(answer: Answer, pictures: Tensor) -> float:
    answer(pictures)
    taken: list[float] = []
    while sum(taken) < (_ENOUGH if len(taken) < _FEWEST else _SECONDS):
        began = time.perf_counter()
        answer(pictures)
        taken.append(time.perf_counter() - began)
    return 1000 * median(taken)
