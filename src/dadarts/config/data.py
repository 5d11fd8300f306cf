"""What a run needs to know of its data; validated once, as part of its configuration."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PrivateAttr, field_validator

from dadarts.config.settings import Settings, as_text, setting
from dadarts.errors import InputError

if TYPE_CHECKING:
    from dadarts.data.given import Source


READING = ("image_size", "flip", "crop_padding", "classes", "test_path", "value_range")
"""The settings that decide how a data set's pictures are read and shown."""


class DataSettings(Settings):
    """Which pictures a run reads, and how."""

    dataset: str = setting(
        ...,
        "data",
        "cifar10, cifar100, mnist, fashionmnist, imagenet, digits, a folder, .npz, or a table of labels (.csv, .tsv)",
        usual=True,
    )
    data_path: Path = setting(Path("datasets"), "data", "where data sets lie or are downloaded to", usual=True)
    dataset_portion: float = setting(1.0, "data", "part of the training set to use", gt=0, le=1)
    image_size: int | None = setting(
        None, "data", "size of a folder's pictures (default: median short side)", ge=1, le=4096, usual=True
    )
    flip: Literal["none", "horizontal", "vertical", "both"] | None = setting(
        None,
        "data",
        "mirror pictures: none, horizontal, vertical or both (default: horizontal; digits, mnist none)",
        usual=True,
    )
    crop_padding: int | None = setting(
        None, "data", "pixels that random crops shift pictures by; 0 is none (default: 1/8 of the side)", ge=0, le=4096
    )
    classes: tuple[str, ...] | None = setting(
        None,
        "data",
        "a folder's class folders, as a,b,c, where others lie beside them (default: all folders)",
        usual=True,
    )
    test_path: Path | None = setting(
        None,
        "data",
        "the test part, class folders or an .npz (default: as found, or a fifth of each class)",
        usual=True,
    )
    value_range: Literal["auto", "nominal"] = setting(
        "auto",
        "data",
        "black and white beyond 8 bits: auto, as the training pictures' values, or nominal, their type's",
    )
    broken: Literal["skip", "refuse"] = setting(
        "skip", "data", "pictures that cannot be read: skip up to 1 % of a part and 5, or refuse the first"
    )
    cache_dir: Path | None = setting(None, "data", "where decoded pictures are kept (default: the user's cache)")
    workers: int = setting(4, "data", "threads that decode pictures", ge=0, le=256, usual=True)
    _given: Source | None = PrivateAttr(None)

    def __init__(self, **values: Any) -> None:
        """Take settings, and as `dataset` also a path, a `torch.utils.data.Dataset`, or a pair of them.

        Of an object the settings hold a name alone: a run that goes on must be given it again.
        """
        dataset, given = values.get("dataset", ""), None
        if isinstance(dataset, os.PathLike):
            values["dataset"] = os.fsdecode(dataset)
        elif not isinstance(dataset, str):
            # Imports torch, which a command line can wait for.
            from dadarts.data.given import as_given

            given = as_given(dataset)
            values["dataset"] = given.name
        super().__init__(**values)
        self._given = given

    @property
    def reading(self) -> dict[str, Any]:
        """The settings `READING`, as a run's file has them."""
        return self.model_dump(mode="json", include=set(READING))

    @property
    def given(self) -> Source | None:
        """The data set, where it was given as an object."""
        return self._given

    @field_validator("classes", mode="before")
    @classmethod
    def _classes_are_names(cls, classes: object) -> object:
        if isinstance(classes, str):
            # As in a table: a name with a comma stands in quotes.
            try:
                classes = next(csv.reader([" ".join(classes.splitlines())], skipinitialspace=True), [])
            except csv.Error:
                raise InputError("name two or more different classes, as a,b,c") from None
        if classes is None or not isinstance(classes, list | tuple):
            return classes
        names = tuple(name.strip() for name in classes if isinstance(name, str))
        if len(names) < len(classes) or len(set(names)) < max(2, len(names)) or not all(names):
            raise InputError("name two or more different classes, as a,b,c")
        return tuple(map(as_text, names))

    @field_validator("dataset")
    @classmethod
    def _dataset_is_named(cls, dataset: str) -> str:
        if not dataset.strip():
            raise InputError("name a data set, a folder, a .npz file or a table of labels")
        return dataset
