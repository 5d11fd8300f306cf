"""What a training needs to know."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from dadarts.config.run import AUTO, RunConfig
from dadarts.config.settings import setting
from dadarts.errors import InputError
from dadarts.rundir.lookup import genotype_text

if TYPE_CHECKING:
    from dadarts.architecture.genotype import Genotype


def _as_genotype(value: Any, runs_dir: Path = Path("runs")) -> Any:
    from dadarts.architecture.genotype import Genotype

    if not isinstance(value, str | os.PathLike | Genotype):
        raise InputError("-genotype must be a Genotype, its text, or where it is: a file, a run's folder or its name")
    return value if isinstance(value, Genotype) else Genotype.parse(genotype_text(os.fspath(value), runs_dir))


if TYPE_CHECKING:
    GenotypeField = Genotype
else:
    GenotypeField = Annotated[Any, BeforeValidator(_as_genotype), PlainSerializer(str)]


Auto = Literal["auto"]
"""Leaves a setting to the length of the training (`training.recipe`)."""
Part = Annotated[float, Field(ge=0, lt=1)]
ClassWeights = Literal["none", "balanced"]
Factor = Annotated[float, Field(ge=0, le=1e3)]


class TrainConfig(RunConfig):
    """Training a genotype's network from scratch."""

    FUNCTION: ClassVar[str] = "train"
    TRAINS: ClassVar[bool] = True
    BY_LENGTH: ClassVar[tuple[str, ...]] = (
        *("schedule", "lr", "nesterov", "weight_decay", "decayed", "label_smoothing", "ema", "mixup"),
        *("cutout_length", "drop_path_prob", "aux_weight"),
    )
    """The settings that make a recipe: `auto` leaves each to how long the training is, and to the size of pictures."""

    name: str = setting(..., "run", "name of the run; its folder is runs/augment/NAME", usual=True)
    epochs: int = setting(600, "run", "passes over the training set", ge=1, le=10**6, usual=True)
    batch_size: int = setting(96, "run", "pictures in a batch", ge=1, le=10**6, usual=True)

    genotype: GenotypeField = setting(
        ...,
        "network",
        "a genotype, a file of one, FILE#NAME of several, a run's folder, or its name (NAME or @NAME)",
        usual=True,
    )
    init_channels: int = setting(
        None,
        "network",
        "C, initial channels (default: 36, nas-bench-201 16, nas-bench-macro 32)",
        ge=1,
        le=4096,
        usual=True,
    )
    layers: int = setting(
        None,
        "network",
        "L, cells (default: 20, nas-bench-201 5 a stage, nas-bench-macro 1)",
        "n_layers",
        ge=1,
        le=1000,
        usual=True,
    )
    aux_weight: Factor | Auto = setting(0.4, "network", "weight of the auxiliary head's loss; 0 is no head, or auto")
    drop_path_prob: Part | Auto = setting(
        0.2, "network", "drop-path probability at the end of a linear rise; 0 is none, or auto"
    )

    lr: Factor | Auto = setting(0.025, "weights w", "largest learning rate, or auto", usual=True)
    schedule: Literal["cosine", "one_cycle", "triangle", "auto"] = setting(
        "cosine",
        "weights w",
        "of the rate: cosine, down from epoch to epoch; step by step one_cycle, up and by a cosine down, or triangle, "
        "up and straight down; or auto",
    )
    warm_up: Part = setting(0.2, "weights w", "part of the steps in which a rate that goes step by step rises")
    momentum: float = setting(0.9, "weights w", "momentum", ge=0, lt=1)
    nesterov: bool | Auto = setting(False, "weights w", "Nesterov momentum: True, False or auto")
    weight_decay: Factor | Auto = setting(3e-4, "weights w", "weight decay, or auto")
    decayed: Literal["all", "kernels", "auto"] = setting(
        "all", "weights w", "which weights decay: all, kernels (neither norms nor biases) or auto"
    )
    grad_clip: float = setting(5.0, "weights w", "largest norm of the gradient; 0 is none", ge=0, le=1e9)

    ema: Part | Auto = setting(
        0.0,
        "weights w",
        "average weights over steps, and keep that: the half-life as a part of the training; 0 is none, or auto",
    )
    label_smoothing: Part | Auto = setting(
        0.0, "weights w", "share of a label that goes to all classes alike; 0 is none, or auto"
    )

    engine: Literal["auto", "reference", "native"] = setting(
        "auto", "run", "form of the network's training steps: reference, native (C++ kernels, CPU), or auto: the faster"
    )
    class_weights: ClassWeights = setting(
        "none",
        "weights w",
        "of the loss: none, or balanced: every class counts the same, however many pictures it has",
        usual=True,
    )
    cutout_length: Annotated[int, Field(ge=0, le=1024)] | Literal["auto"] = setting(
        16,
        "data",
        "side of the square that cutout blanks; 0 is none, auto half a picture's side, at most 16, in long trainings",
        usual=True,
    )
    mixup: Annotated[float, Field(ge=0, le=100)] | Auto = setting(
        0.0, "data", "alpha of Beta(alpha, alpha), by which two training pictures are mixed; 0 is none, or auto"
    )
    valid_fraction: float = setting(
        0.0, "data", "part of the training set held out to choose the epoch that is kept; 0 keeps the last", ge=0, lt=1
    )

    @model_validator(mode="before")
    @classmethod
    def _sizes_follow_from_the_genotype(cls, values: dict[str, Any]) -> dict[str, Any]:

        given = {key: value for key, value in values.items() if value is not None}
        if "genotype" not in given:
            return given
        runs_dir = given.get("runs_dir")
        # Another kind of value is refused where it is checked, and this is before that.
        where = Path(runs_dir if isinstance(runs_dir, str | Path) else "runs")
        given["genotype"] = _as_genotype(given["genotype"], where)
        size = given["genotype"].space.train_size
        return {"init_channels": size.channels, "layers": size.layers} | given

    @model_validator(mode="after")
    def _settings_agree(self) -> TrainConfig:
        if self.nesterov is True and not self.momentum:
            raise InputError("-nesterov needs -momentum above 0")
        if self.batch_size == 1 and self.has_auxiliary_head:
            raise InputError("-batch_size 1: batch norm in the auxiliary head needs 2 pictures; or pass -aux_weight 0")
        return self

    @classmethod
    def auto(cls, **values: Any) -> TrainConfig:
        """The configuration of ``dadarts train``: what makes a recipe follows from the length, unless it is given.

        Raises:
            InputError: a value cannot be used.
        """
        return cls(**{**dict.fromkeys(cls.BY_LENGTH, AUTO), **values})

    @property
    def has_auxiliary_head(self) -> bool:
        """Whether it is settled that the network has DARTS' auxiliary head (only the darts skeleton has one)."""
        return self.aux_weight not in (0, AUTO) and self.genotype.syntax == "darts"
