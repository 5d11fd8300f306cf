"""Counter-based randomness: every draw of a run is a pure function of what it is for.

No generator is carried from step to step, so a resumed run needs no generator state, and the number of worker
threads cannot change a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import torch


def derive(*key: int | str) -> int:
    """A 63-bit seed from a key such as ``(42, "crop", epoch, step)``; equal keys give equal seeds.

    >>> derive(42, "split") == derive(42, "split"), derive(42, "split") == derive(43, "split")
    (True, False)
    """
    digest = blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(*key: int | str) -> torch.Generator:
    """A CPU generator seeded with `derive`; draws made with it are the same on every device."""
    return torch.Generator().manual_seed(derive(*key))


@contextmanager
def seeded(*key: int | str) -> Iterator[None]:
    """Seed torch's global CPU generator, which module constructors draw from, and put it back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(*key))
        yield
