"""MLflow: ``--logger mlflow``; where to is MLflow's own choice, ``MLFLOW_TRACKING_URI``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dadarts.errors import shortened
from dadarts.loggers.logger import Logged

_KEPT = "mlflow-run"
_LONGEST = 500
"""Letters of a parameter, of which some servers keep no more."""


class MLflow:
    """A run of the experiment ``dadarts``, or of ``MLFLOW_EXPERIMENT_NAME``, with the settings as its parameters."""

    def __init__(self, logged: Logged) -> None:
        from mlflow import MlflowClient

        self._client: Any = MlflowClient()
        self._run = self._begun(logged)

    def _begun(self, logged: Logged) -> str:
        earlier = logged.remembered(_KEPT)
        if earlier is not None:
            self._client.update_run(earlier, status="RUNNING")
            return earlier
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "dadarts")
        found = self._client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else self._client.create_experiment(name)
        run = self._client.create_run(experiment, run_name=logged.name, tags={"dadarts.kind": logged.kind})
        begun: str = run.info.run_id
        for key, value in logged.settings.items():
            self._client.log_param(begun, key, shortened(value, _LONGEST))
        logged.remember(_KEPT, begun)
        return begun

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch."""
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=epoch)

    def result(self, values: Mapping[str, float]) -> None:
        """Log the result as metrics of no epoch."""
        for name, value in values.items():
            self._client.log_metric(self._run, name, value)

    def close(self, ended: bool) -> None:
        """Say whether the run has ended, or was stopped."""
        self._client.set_terminated(self._run, "FINISHED" if ended else "KILLED")
