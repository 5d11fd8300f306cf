"""The learning rates of a search: those that were given, or what its number of steps calls for."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from dadarts.config import SearchConfig
from dadarts.config.run import AUTO
from dadarts.methods.schedules import Progress
from dadarts.pacing import counted

FULL_STEPS, FULL_BATCH = 19_500, 64
"""Of the search that the original's rates were found for: 50 epochs of 390 batches of 64 from half of CIFAR-10."""
WEIGHTS, MOST_OF_WEIGHTS = 0.025, 0.1
ALPHAS, MOST_OF_ALPHAS = 3e-4, 0.02
"""The original's rates, and the largest that few steps call for."""


@dataclass(frozen=True)
class Rates:
    """Learning rates of the weight step (where its cosine begins) and of the architecture step.

    Args:
        note: why they are what they are, where the number of steps has decided any.
    """

    weights: float
    alphas: float
    note: str = ""


def rates(config: SearchConfig, steps: int) -> Rates:
    """The rates of a search of so many steps an epoch.

    Adam moves an alpha by at most about its rate in a step, so a short search at the original's rate ends where it was
    drawn. `auto` keeps the way that alphas can go, rate times steps, at that of a full search:
    ``3e-4 max(1, 19500 / steps)``, where steps are those of a restart in which alphas are trained, and at most 0.02,
    where a few batches would decide. Of weights it is ``0.025 max(1, sqrt(19500 / steps))``, at most 0.1 and at most
    ``0.1 sqrt(batch_size / 64)``: the noise of SGD grows with its rate and as batches get smaller. A search as long as
    the full one has the original's rates.
    """
    weight_steps, alpha_steps = weight_epochs(config) * steps, alpha_epochs(config) * steps
    most = max(WEIGHTS, MOST_OF_WEIGHTS * min(1.0, sqrt(config.batch_size / FULL_BATCH)))
    weights = min(most, WEIGHTS * sqrt(shortness(weight_steps)))
    alphas = min(MOST_OF_ALPHAS, ALPHAS * shortness(alpha_steps))
    why = []
    if config.w_lr == AUTO:
        why.append(f"-w_lr {weights:.3g} for {counted(weight_steps, 'step')}")
    if config.alpha_lr == AUTO and alpha_steps:
        why.append(f"-alpha_lr {alphas:.3g} for {counted(alpha_steps, 'step')} that train alphas")
    full = f"a full search has {WEIGHTS:g} and {ALPHAS:g} for {FULL_STEPS:,}"
    return Rates(
        weights if config.w_lr == AUTO else config.w_lr,
        alphas if config.alpha_lr == AUTO else config.alpha_lr,
        f"{', '.join(why)} ({full})" if why else "",
    )


def shortness(steps: int) -> float:
    """How many times as many steps a full search has; 1 where it has fewer, or where there is no step."""
    return max(1.0, FULL_STEPS / steps) if steps else 1.0


def weight_epochs(config: SearchConfig) -> int:
    """Epochs of each restart."""
    return config.epochs // config.method.restarts


def alpha_epochs(config: SearchConfig) -> int:
    """Epochs of each restart in which alphas are trained."""
    if config.method.order == "none":
        return 0
    epochs = weight_epochs(config)
    return sum(Progress(epoch, epochs).fraction >= config.method.warm_up for epoch in range(epochs))
