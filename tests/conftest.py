"""What every test needs."""

import torch
from hypothesis import settings

# Tiny networks run slower and erratically on several threads, and the workers of a parallel test run share the cores.
torch.set_num_threads(1)

# A busy machine is no bug: how long an example takes says nothing about what is tested.
settings.register_profile("dadarts", deadline=None)
settings.load_profile("dadarts")
