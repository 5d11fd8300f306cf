"""TensorBoard: events in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dadarts.loggers.logger import Logged
from dadarts.rundir.contents import TENSORBOARD


class TensorBoard:
    """Scalars of every epoch in the run's folder; those of epochs that are computed again replace earlier ones."""

    def __init__(self, logged: Logged) -> None:
        self._logged = logged
        self._opened: Any = None

    @property
    def _writer(self) -> Any:
        if self._opened is None:
            # Takes seconds to import, and a run without epochs has nothing to tell.
            from torch.utils.tensorboard import SummaryWriter

            folder = str(TENSORBOARD.at(self._logged.folder))
            self._opened = SummaryWriter(folder, purge_step=self._logged.first_epoch)
        return self._opened

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write the scalars of an epoch."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def result(self, values: Mapping[str, float]) -> None:
        """Nothing: the run's folder has it."""

    def close(self, ended: bool) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
