"""Memory that runs out in a training, told from all else that may go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dadarts.machine import is_out_of_memory

SMALLEST_BATCH = 8
"""Pictures of the smallest batch that is tried where memory runs out."""


class OutOfMemoryError(Exception):
    """A training needs more memory than there is, and a smaller batch would need less."""


@contextmanager
def told_apart(batch_size: int) -> Iterator[None]:
    """Raise `OutOfMemoryError` where memory runs out in what is done inside, with batches that can be halved."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if batch_size < 2 * SMALLEST_BATCH or not is_out_of_memory(error):
            raise
        raise OutOfMemoryError from error
