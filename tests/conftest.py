"""What every test needs."""

import gc

import torch
from hypothesis import settings

# Tiny networks run slower and erratically on several threads, and the workers of a parallel test run share the cores.
torch.set_num_threads(1)

# A busy machine is no bug: how long an example takes says nothing about what is tested.
settings.register_profile("dadarts", deadline=None)
settings.load_profile("dadarts")


def pytest_collection_finish() -> None:
    """Thousands of tests and what they import last until the end: the garbage collector need not look at them."""
    gc.collect()
    gc.freeze()
