"""How many processes train the forks of a race side by side."""

from __future__ import annotations

from dataclasses import dataclass

from dadarts import machine
from dadarts.config import SearchConfig
from dadarts.errors import InputError
from dadarts.pacing import size
from dadarts.runs.setup import Foundation

WORTH = 30.0
"""Seconds that races must be about to take for other processes, which need some to begin, to be worth it."""
_SPARED = 2
"""The part of the free memory that these processes may take is one in so many."""


@dataclass(frozen=True)
class Jobs:
    """How many processes train forks, and why; 1 is the search's own."""

    count: int
    why: str


def refuse(config: SearchConfig, base: Foundation) -> None:
    """Refuse to train forks in several processes where that cannot be.

    Raises:
        InputError: it is asked for on a GPU, by several processes of one search, or of data that is an object.
    """
    if (config.fork_jobs or 1) > 1:
        why = _alone(config, base)
        if why:
            raise InputError(f"-fork_jobs {config.fork_jobs}: forks are trained one after another {why}; leave it out")


def _alone(config: SearchConfig, base: Foundation) -> str:
    """Why forks can only be trained one after another; empty where they need not be."""
    if base.device.type != "cpu":
        return f"on {base.device}"
    if base.processes.several:
        return f"in a search of {base.processes.count} processes"
    return "" if config.given is None else "with a data set that was made in Python, which other processes lack"


def pick(config: SearchConfig, base: Foundation, seconds: float, widest: int) -> Jobs:
    """As many as were asked for, else as many as find cores, memory and work; no number depends on it.

    Args:
        seconds: that races will take in one process, about.
        widest: how many copies at most can be trained at a time.
    """
    if config.fork_jobs is not None:
        return Jobs(min(config.fork_jobs, widest), "as asked for")
    threads, need = base.threads.count, machine.most_taken()
    by_cores, by_memory = machine.cores() // threads, machine.free_memory() // (_SPARED * need)
    if _alone(config, base) or seconds < WORTH or min(by_cores, widest) < 2:
        return Jobs(1, "")
    if by_memory < 2:
        return Jobs(1, f"a process takes {size(need)} of memory")
    if by_memory < min(by_cores, widest):
        return Jobs(by_memory, f"each takes {size(need)} of memory")
    return Jobs(min(by_cores, widest), "one a core" if threads == 1 else f"of {threads} threads each")
