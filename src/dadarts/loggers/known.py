"""All loggers by their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from dadarts.errors import InputError, unknown
from dadarts.loggers.logger import Opener
from dadarts.loggers.mlflow import MLflow
from dadarts.loggers.tensorboard import TensorBoard
from dadarts.loggers.wandb import Wandb


@dataclass(frozen=True)
class Known:
    """A logger that is known.

    Args:
        opener: opens it.
        extra: of this package, which installs what it needs, a package of the same name; empty where that is nothing.
    """

    opener: Opener
    extra: str = ""


LOGGERS: dict[str, Known] = {"wandb": Known(Wandb, "wandb"), "mlflow": Known(MLflow, "mlflow")}
"""Those that a run may have besides TensorBoard's files."""


def openers(names: Iterable[str]) -> list[Opener]:
    """What opens TensorBoard's files and the loggers of these names; they are not opened yet.

    Raises:
        InputError: there is none of that name, or what it needs is not installed.
    """
    return [TensorBoard, *map(_opener, names)]


def _opener(name: str) -> Opener:
    if name not in LOGGERS:
        raise unknown("logger", name, LOGGERS)
    known = LOGGERS[name]
    if known.extra and find_spec(known.extra) is None:
        raise InputError(f"-logger {name} needs a package that is not installed: pip install 'dadarts[{known.extra}]'")
    return known.opener
