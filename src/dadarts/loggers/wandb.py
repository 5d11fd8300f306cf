"""Weights & Biases: ``--logger wandb``; with ``WANDB_MODE=offline`` nothing leaves the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dadarts.loggers.logger import Logged

_KEPT = "wandb-run"


class Wandb:
    """A run of the project ``dadarts``, or of ``WANDB_PROJECT``, under the name and with the settings of ours."""

    def __init__(self, logged: Logged) -> None:
        import wandb

        project = os.environ.get("WANDB_PROJECT", "dadarts")
        self._run: Any = wandb.init(
            project=project,
            name=logged.name,
            id=logged.remembered(_KEPT),
            resume="allow",
            job_type=logged.kind,
            config=dict(logged.settings),
        )
        logged.remember(_KEPT, str(self._run.id))

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch."""
        self._run.log(dict(values), step=epoch)

    def result(self, values: Mapping[str, float]) -> None:
        """Put the result into the run's summary."""
        self._run.summary.update(dict(values))

    def close(self, ended: bool) -> None:
        """Finish the run; one that has not ended counts as failed until it goes on."""
        self._run.finish(exit_code=0 if ended else 1)
