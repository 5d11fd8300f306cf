"""What a run needs to know of its data; validated once, as part of its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import field_validator

from dadarts.errors import InputError
from dadarts.settings import Settings, setting


class DataSettings(Settings):
    """Which pictures a run reads, and how."""

    dataset: str = setting(..., "data", "cifar10, cifar100, mnist, fashionmnist, imagenet, digits, a folder, or a .npz")
    data_path: Path = setting(Path("datasets"), "data", "where data sets lie or are downloaded to")
    dataset_portion: float = setting(1.0, "data", "part of the training set to use", gt=0, le=1)
    image_size: int | None = setting(
        None, "data", "size of a folder's pictures (default: median short side)", ge=1, le=4096
    )
    flip: Literal["none", "horizontal", "vertical", "both"] | None = setting(
        None, "data", "mirror pictures: none, horizontal, vertical or both (default: horizontal; digits, mnist none)"
    )
    crop_padding: int | None = setting(
        None, "data", "pixels that random crops shift pictures by; 0 is none (default: 1/8 of the side)", ge=0, le=4096
    )
    cache_dir: Path | None = setting(None, "data", "where decoded pictures are kept (default: the user's cache)")
    workers: int = setting(4, "data", "threads that decode pictures", ge=0, le=256)

    @field_validator("dataset")
    @classmethod
    def _dataset_is_named(cls, dataset: str) -> str:
        if not dataset.strip():
            raise InputError("name a data set, a folder or a .npz file")
        return dataset
