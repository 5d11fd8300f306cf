"""What a machine cannot do, in words for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from dadarts.errors import RunError
from dadarts.machine import is_out_of_memory

_OF_A_RUN = "-batch_size, -init_channels or -layers"
_SMALLER: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("search", "train", "compare", "search.py", "augment.py"), _OF_A_RUN),
        "fit": "-max_parameters or -max_multiply_adds",
        "predict": "-batch_size",
    }
)
"""What a command takes that lets it do with less memory."""


@contextmanager
def memory_explained(command: str) -> Iterator[None]:
    """Say in one line that memory has run out, and what would need less.

    Args:
        command: which one computes, as ``train``, or ``search.py``.

    Raises:
        RunError: it has.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        smaller = f": give a smaller {_SMALLER[command]}" if command in _SMALLER else ""
        raise RunError(f"out of memory{smaller}") from error


@contextmanager
def explained(command: str, has_checkpoint: Callable[[], bool]) -> Iterator[None]:
    """Say in one line that a run was refused a file or memory, while other processes of it can still be told.

    Args:
        command: as in `memory_explained`.
        has_checkpoint: whether there is one to go on from.

    Raises:
        RunError: it was.
    """
    try:
        with memory_explained(command):
            yield
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        kept = "; the last checkpoint is kept" if has_checkpoint() else ""
        raise RunError(f"{place}{error.strerror or error}{kept}") from error
