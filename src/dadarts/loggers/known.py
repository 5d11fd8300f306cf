"""All loggers by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from dadarts.errors import InputError, RunError, shortened, unknown
from dadarts.loggers.logger import Logged, Opener
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


class Served:
    """A logger that tells a server, by a package of others, either of which may fail in any way.

    Raises:
        RunError: it cannot be told; the run is kept, and may go on without it.
    """

    def __init__(self, name: str, opener: Opener, logged: Logged) -> None:
        self._name = name
        with self._in_one_line():
            self._logger = opener(logged)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Tell an epoch."""
        with self._in_one_line():
            self._logger.epoch(epoch, values)

    def result(self, values: Mapping[str, float]) -> None:
        """Tell the result."""
        with self._in_one_line():
            self._logger.result(values)

    def close(self, ended: bool) -> None:
        """Tell how the run has ended."""
        with self._in_one_line():
            self._logger.close(ended)

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            said = shortened(error, 300) or type(error).__name__
            raise RunError(f"-logger {self._name}: {said}; the run is kept, and -resume goes on") from error


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
    if not known.extra:
        return known.opener
    if find_spec(known.extra) is None:
        raise InputError(f"-logger {name} needs a package that is not installed: pip install 'dadarts[{known.extra}]'")
    return partial(Served, name, known.opener)
