"""What a machine cannot do, in words for a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dadarts.errors import DadartsError, RunError

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""How torch says it, on CUDA and MPS, and on a CPU."""


@contextmanager
def explained() -> Iterator[None]:
    """Say in one line that the machine has refused a file or memory.

    Raises:
        RunError: it has.
    """
    try:
        yield
    except DadartsError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise RunError(f"{place}{error.strerror or error}; the last checkpoint is kept") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(text in str(error) for text in _OUT_OF_MEMORY):
            raise
        raise RunError("out of memory: give a smaller -batch_size, -init_channels or -layers") from error
