"""What fitting a network to pictures within minutes needs to know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from dadarts.config.data import DataSettings
from dadarts.config.limits import Limited
from dadarts.config.run import RunSettings
from dadarts.config.settings import setting

Metric = Literal["accuracy", "balanced_accuracy", "macro_f1", "auc"]


class FitConfig(Limited, DataSettings, RunSettings):
    """Search, choice among candidates, training and assessment, within so many minutes."""

    FUNCTION: ClassVar[str] = "fit"

    name: str = setting(
        None, "run", "name of the run; its folder is runs/fit/NAME (default: the data set's)", usual=True
    )
    minutes: float = setting(
        10.0,
        "budget",
        "minutes for everything, from reading the pictures to the test",
        gt=0,
        le=60 * 24 * 365,
        usual=True,
    )
    metric: Metric | Literal["auto"] = setting(
        "auto",
        "budget",
        "what candidates are chosen by: accuracy, balanced_accuracy, macro_f1, auc (two classes); auto is accuracy, "
        "balanced where a class has over 1.5 times its equal share",
        usual=True,
    )

    searching: Literal["auto", "always", "never"] = setting(
        "auto",
        "budget",
        "whether an architecture is searched, which then races, too: auto where a fifth of the minutes holds a search, "
        "always or never",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_follows_from_the_data(cls, values: dict[str, Any]) -> dict[str, Any]:
        given = {key: value for key, value in values.items() if value is not None}
        if "name" not in given and isinstance(dataset := given.get("dataset"), str):
            stem = Path(dataset).expanduser().absolute().stem if "/" in dataset or "." in dataset else dataset
            given["name"] = re.sub(r"[^\w.+-]+", "-", stem).strip("-.") or "fit"
        return given
