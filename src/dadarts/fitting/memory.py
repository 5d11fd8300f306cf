"""Memory that runs out in a training, told from all else that may go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

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
        # Torch's CPU allocator has no exception of its own.
        ran_out = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
        if batch_size < 2 * SMALLEST_BATCH or not ran_out:
            raise
        raise OutOfMemoryError from error
