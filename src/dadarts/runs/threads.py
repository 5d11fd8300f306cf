"""How many CPU threads pay for tensors of a size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from dadarts.machine import cores

_ELEMENTS_FOR_MANY_THREADS = 2**18


@dataclass(frozen=True)
class Threads:
    """How many CPU threads a process uses, and why."""

    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.count} thread{'s' if self.count > 1 else ''} ({self.why})"


def by_size(numbers: int, processes: int = 1) -> Threads:
    """One thread where a state of the network has fewer than 2^18 numbers, else an equal part of the cores.

    Small operations run slower on two threads than on one. The rule never looks at a clock, because sums depend on the
    number of threads and a seed must give the same genotype twice.
    """
    if numbers < _ELEMENTS_FOR_MANY_THREADS:
        return Threads(1, f"a state of {numbers:,} numbers is too small for more")
    return Threads(max(1, cores() // processes), "an equal part of the cores" if processes > 1 else "one a core")


@contextmanager
def computing_with(count: int) -> Iterator[None]:
    """Compute with so many threads for a while, and then with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
