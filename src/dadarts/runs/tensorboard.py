"""TensorBoard events and the log of a run."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from dadarts.rundir.contents import TENSORBOARD
from dadarts.rundir.history import EPOCH, Row


class Journal:
    """Scalars of every epoch for TensorBoard, in the run's folder.

    Args:
        folder: the run's folder.
        first_epoch: where this process goes on; scalars from there on that an earlier one left are dropped.
    """

    def __init__(self, folder: Path, first_epoch: int) -> None:
        # TensorBoard takes seconds to import, which `--help` and bad input need not wait for.
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(TENSORBOARD.at(folder)), purge_step=first_epoch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def epoch(self, row: Row) -> None:
        """Write one row of history."""
        for name, value in row.items():
            if value is not None and name != EPOCH.name:
                self._writer.add_scalar(name, value, int(EPOCH.of(row) or 0))
        self._writer.flush()
