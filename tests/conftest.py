"""What every test needs."""

import gc
import signal

import torch
from hypothesis import settings

# Tiny networks run slower and erratically on several threads, and the workers of a parallel test run share the cores.
torch.set_num_threads(1)

# As programs in the foreground: commands that a shell's background runs, as it may these tests, ignore ^C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no bug: how long an example takes says nothing about what is tested.
settings.register_profile("dadarts", deadline=None)
settings.load_profile("dadarts")


def pytest_collection_finish() -> None:
    """What lasts until the end, thousands of tests and what they import, the garbage collector need not look at.

    And it need not look at a network's modules time and again while they are made, which took a quarter as long.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
