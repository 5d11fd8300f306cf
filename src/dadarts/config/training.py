"""What a training needs to know."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from dadarts.config.run import RunConfig
from dadarts.config.settings import setting
from dadarts.errors import InputError
from dadarts.rundir.lookup import genotype_text

if TYPE_CHECKING:
    from dadarts.architecture.genotype import Genotype


def _as_genotype(value: Any, runs_dir: Path = Path("runs")) -> Any:
    from dadarts.architecture.genotype import Genotype

    if not isinstance(value, str | os.PathLike | Genotype):
        raise InputError("-genotype must be a Genotype, its text, or where it is: a file, a run's folder or @NAME")
    return value if isinstance(value, Genotype) else Genotype.parse(genotype_text(os.fspath(value), runs_dir))


if TYPE_CHECKING:
    GenotypeField = Genotype
else:
    GenotypeField = Annotated[Any, BeforeValidator(_as_genotype), PlainSerializer(str)]


class TrainConfig(RunConfig):
    """Training a genotype's network from scratch."""

    name: str = setting(..., "run", "name of the run; its folder is runs/augment/NAME", usual=True)
    epochs: int = setting(600, "run", "passes over the training set", ge=1, le=10**6, usual=True)
    batch_size: int = setting(96, "run", "pictures in a batch", ge=1, le=10**6, usual=True)

    genotype: GenotypeField = setting(
        ...,
        "network",
        "a genotype, a file of one, FILE#NAME of several, a run's folder, or @NAME of a search",
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
    aux_weight: float = setting(0.4, "network", "weight of the auxiliary head's loss; 0 is no head", ge=0, le=1e3)
    drop_path_prob: float = setting(0.2, "network", "drop-path probability at the end of a linear rise", ge=0, lt=1)

    lr: float = setting(
        0.025, "weights w", "learning rate at the start; a cosine takes it to 0", ge=0, le=1e3, usual=True
    )
    momentum: float = setting(0.9, "weights w", "momentum", ge=0, lt=1)
    weight_decay: float = setting(3e-4, "weights w", "weight decay", ge=0, le=1e3)
    grad_clip: float = setting(5.0, "weights w", "largest norm of the gradient; 0 is none", ge=0, le=1e9)

    engine: Literal["auto", "reference", "native"] = setting(
        "auto", "run", "form of the network's training steps: reference, native (C++ kernels, CPU), or auto: the faster"
    )
    class_weights: Literal["none", "balanced"] = setting(
        "none",
        "weights w",
        "of the loss: none, or balanced: every class counts the same, however many pictures it has",
        usual=True,
    )
    cutout_length: Annotated[int, Field(ge=0, le=1024)] | Literal["auto"] = setting(
        16,
        "data",
        "side of the square that cutout blanks; 0 is none, auto half of a picture's side and at most 16",
        usual=True,
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
        if self.batch_size == 1 and self.has_auxiliary_head:
            raise InputError("-batch_size 1: batch norm in the auxiliary head needs 2 pictures; or pass -aux_weight 0")
        return self

    @property
    def has_auxiliary_head(self) -> bool:
        """Whether the network is trained with DARTS' auxiliary head (only the darts skeleton has one)."""
        return self.aux_weight > 0 and self.genotype.syntax == "darts"
