"""How weights are trained: what a configuration says, and for what it leaves open what the length calls for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

from dadarts.config import TrainConfig
from dadarts.config.run import AUTO
from dadarts.methods.schedules import Progress, cosine, one_cycle
from dadarts.pacing import counted

Schedule: TypeAlias = Literal["cosine", "one_cycle", "triangle"]

CUSTOMARY_CUTOUT = 16
FEW_EPOCHS = 200
"""A training of fewer is a short one."""
CUTOUT_EPOCHS = 40
CUTOUT_PICTURES = 10**6
"""In fewer epochs, or seeing fewer pictures in all, a network is still short of training, and a cutout harms it."""
_RATE, _BATCH, _MOST = 0.3, 64, 0.4
"""Of a short training: the rate at a batch, and the largest that a larger batch calls for."""


@dataclass(frozen=True)
class Recipe:
    """The settings `TrainConfig.BY_LENGTH`, none of them open; see there.

    Args:
        warm_up: the part of the steps in which a rate rises that goes step by step.
        note: what the length has decided; empty where that is nothing.
    """

    schedule: Schedule
    lr: float
    nesterov: bool
    weight_decay: float
    decayed: Literal["all", "kernels"]
    label_smoothing: float
    ema: float
    mixup: float
    cutout_length: int
    drop_path_prob: float
    aux_weight: float
    warm_up: float
    note: str = ""

    @property
    def settled(self) -> Mapping[str, float | str]:
        """What a run is saved with."""
        return {name: value for name, value in asdict(self).items() if name in TrainConfig.BY_LENGTH}

    def rate(self, progress: Progress, step: int, steps: int) -> float:
        """The learning rate of a step of an epoch that has so many."""
        if self.schedule == "cosine":
            return cosine(self.lr, 0.0, progress)
        done, whole = progress.epoch * steps + step, progress.epochs * steps
        return one_cycle(self.lr, done, whole, self.warm_up, linear=self.schedule == "triangle")


def recipe(config: TrainConfig, side: int, pictures: int) -> Recipe:
    """The recipe of a training.

    What a configuration leaves open is the original's in a training of `FEW_EPOCHS` or more, and else `_short`.

    Args:
        side: of the pictures, the shorter one, in pixels.
        pictures: of an epoch.
    """
    # 16 is for pictures of 32 pixels (arXiv 1708.04552): of smaller ones it would blank most.
    cutout = min(CUSTOMARY_CUTOUT, side // 2)
    full = {field: TrainConfig.model_fields[field].default for field in TrainConfig.BY_LENGTH}
    full |= {"cutout_length": cutout}
    chosen = _short(config, cutout, pictures) if config.epochs < FEW_EPOCHS else full
    given = {field.name: getattr(config, field.name) for field in fields(Recipe) if field.name != "note"}
    left_open = {name: value for name, value in chosen.items() if given[name] == AUTO}
    return Recipe(**{**given, **left_open}, note=_note(config, left_open, full))


def _short(config: TrainConfig, cutout: int, pictures: int) -> dict[str, Any]:
    """Customary values of short trainings; what benchmarks/results/fit-recipe.md measured of them is of one seed."""
    seen_enough = config.epochs >= CUTOUT_EPOCHS and config.epochs * pictures >= CUTOUT_PICTURES
    return {
        "schedule": "one_cycle",
        # Steps of smaller batches are noisier and more (arXiv 1706.02677, section 2.1).
        "lr": round(min(_MOST, _RATE * config.batch_size / _BATCH), 4),
        "nesterov": config.momentum > 0,
        "weight_decay": 1e-3,
        "decayed": "kernels",
        "label_smoothing": 0.1,
        "ema": 0.03,
        "mixup": 0.0,
        "cutout_length": cutout if seen_enough else 0,
        "drop_path_prob": 0.0,
        "aux_weight": 0.0,
    }


def _note(config: TrainConfig, chosen: Mapping[str, Any], full: Mapping[str, Any]) -> str:
    changed = {name: value for name, value in chosen.items() if value != full[name]}
    if not changed:
        return ""
    words = [f"-{name} {value}" for name, value in changed.items()]
    epochs = TrainConfig.model_fields["epochs"].default
    return f"for {counted(config.epochs, 'epoch')} {', '.join(words)} (a full training of {epochs} has the original's)"
