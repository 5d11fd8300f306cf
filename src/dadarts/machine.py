"""What this machine gives a process: cores, and memory."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path

from dadarts.errors import DadartsError

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""How torch says it, on CUDA and MPS, and on a CPU."""
_NO_LIMIT = 1 << 62
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of malloc.h."""
_GROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """How many cores this process may use."""
    # Not every system says which.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> None:
    """Let what this process frees stay its own, for what it asks for next.

    Every step frees and takes the same megabytes, and glibc gives them back to the system in between: a quarter of a
    training step went to the zeros of fresh pages. Where there is no glibc nothing changes.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, most in ((_TRIM_THRESHOLD, 2**31 - 1), (_MMAP_THRESHOLD, 2**30)):
            set_option(option, most)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that this machine, or its accelerator, has no more memory.

    >>> is_out_of_memory(RuntimeError("CUDA error: out of memory")), is_out_of_memory(RuntimeError("memory format"))
    (True, False)
    """
    # Ours name files and folders, which may be called anything.
    says = isinstance(error, RuntimeError) and not isinstance(error, DadartsError)
    return isinstance(error, MemoryError) or (says and any(text in str(error) for text in _OUT_OF_MEMORY))


def most_taken() -> int:
    """Most bytes that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def total_memory() -> int:
    """Bytes of memory of the machine, or of the container that this process runs in."""
    return min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), _of_the_container("memory.max"))


def free_memory() -> int:
    """Bytes that this process may take now: what the machine, the container and `ulimit -v` leave."""
    return min(_free_on_the_machine(), _free_in_the_container(), _free_for_the_process())


def _free_on_the_machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return 1024 * int(kilobytes)


def _free_in_the_container() -> int:
    limit = _of_the_container("memory.max")
    return limit if limit == _NO_LIMIT else max(0, limit - _of_the_container("memory.current"))


def _of_the_container(name: str) -> int:
    try:
        return int((_GROUP / name).read_text())
    except (OSError, ValueError):  # No such group, or no limit, which is written "max".
        return _NO_LIMIT


def _free_for_the_process() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return _NO_LIMIT
    try:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        taken = 0
    return max(0, limit - taken)
