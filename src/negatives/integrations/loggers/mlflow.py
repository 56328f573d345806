"""MLflow. Its own settings hold: ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME`` and so on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import Any

from negatives.integrations.loggers.base import PROJECT, Begun, Logger

AT_ONCE = 100
"""Parameters that MLflow takes in one request."""
LONGEST = 500
"""Characters of a parameter that every store of MLflow takes."""
RETRIES = ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
"""MLflow's own seven let a training wait for four minutes where a server is gone."""
DECISIONS = "decisions.txt"


class MLflow(Logger):
    """Parameters, metrics, and the decisions as an artifact ``decisions.txt``."""

    module = "mlflow"
    install = "negatives[mlflow]"

    def open(self, run: Begun) -> str:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        os.environ.setdefault(*RETRIES)
        self._client: Any = MlflowClient()
        self._lines, self._told = list[str](), False
        if run.before is not None:
            self._id = run.before
            self._client.update_run(self._id, status="RUNNING")
            self._lines = self._read()
            return self._id
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = self._client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else self._client.create_experiment(name)
        made = self._client.create_run(experiment, run_name=run.name, tags={"task": run.group})
        self._id = str(made.info.run_id)
        params = [Param(named(key), str(value)[:LONGEST]) for key, value in run.config.items()]
        for first in range(0, len(params), AT_ONCE):
            self._client.log_batch(self._id, params=params[first : first + AT_ONCE])
        return self._id

    def where(self) -> str:
        from mlflow import get_tracking_uri

        return f"mlflow ui --backend-store-uri {get_tracking_uri()}"

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time() * 1000)
        metrics = [Metric(named(name), value, now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def text(self, name: str, text: str, step: int) -> None:
        self._lines.append(f"step {step}, {name}: {text}\n")
        self._told = True

    def flush(self) -> None:
        if self._told:
            self._client.log_text(self._id, "".join(self._lines), DECISIONS)
            self._told = False

    def close(self, final: Mapping[str, float] | None, step: int) -> None:
        self.flush()
        if final:
            self.numbers(final, step)
        self._client.set_terminated(self._id, "KILLED" if final is None else "FINISHED")

    def _read(self) -> list[str]:
        """The decisions that were told before an interruption."""
        if all(one.path != DECISIONS for one in self._client.list_artifacts(self._id)):
            return []
        with TemporaryDirectory() as folder:
            path = Path(self._client.download_artifacts(self._id, DECISIONS, folder))
            return path.read_text(encoding="utf-8").splitlines(keepends=True)


def named(name: str) -> str:
    """A name as MLflow takes it.

    >>> named("valid/recall@20")
    'valid/recall_at_20'
    """
    return re.sub(r"[^\w\-./ ]", "_", name.replace("@", "_at_"))
