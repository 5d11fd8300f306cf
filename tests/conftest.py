"""What every test needs."""

import torch

# Tiny networks run slower and erratically on several threads, and the workers of a parallel test run share the cores.
torch.set_num_threads(1)
