"""Begin an MLflow run, and bury those that a kill left behind."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.liveness import Liveness

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from papergan.tracking.mlflow_tracker import MlflowTracker

log = logging.getLogger(__name__)


class MlflowStore:
    """The store of mlflow.yml. Nothing is created or imported before the first run."""

    def __init__(self, configuration: MlflowConfiguration) -> None:
        self.configuration = configuration
        self.liveness = Liveness(Path(configuration.artifacts).parent / "running")

    def begin(self, document: str, experiment: str, tags: Mapping[str, str]) -> MlflowTracker:
        """A new run, named after the experiment, in the MLflow experiment of its document."""
        with self.liveness.turn():  # two that begin at once would both make the database
            client = self._client()
            group = self._group(client, f"{self.configuration.experiment_prefix}/{document}")
            self._bury(client, group, experiment)
            about = {"papergan.experiment": experiment, "host": socket.gethostname(), **tags}
            run = client.create_run(group, run_name=experiment, tags=about)
            self.liveness.claim(run.info.run_id)
        from papergan.tracking.mlflow_tracker import MlflowTracker  # here, because it needs torch

        return MlflowTracker(client, run.info.run_id)

    def _client(self) -> MlflowClient:
        # A server that is away must not hold an experiment up for the minutes that MLflow would wait by itself.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        from mlflow import MlflowClient

        uri = self.configuration.tracking_uri
        if uri.startswith("sqlite:///"):
            Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        return MlflowClient(tracking_uri=uri)

    def _group(self, client: MlflowClient, name: str) -> str:
        known = client.get_experiment_by_name(name)
        if known is None:
            artifacts = Path(self.configuration.artifacts).as_uri()
            return str(client.create_experiment(name, artifact_location=f"{artifacts}/{name.replace('/', '-')}"))
        if known.lifecycle_stage == "deleted":
            client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)

    def _bury(self, client: MlflowClient, group: str, experiment: str) -> None:
        """Runs of this experiment on this machine that say RUNNING while nobody holds their lock were killed."""
        wanted = f"attributes.status = 'RUNNING' and tags.`papergan.experiment` = '{experiment}'"
        for run in client.search_runs([group], wanted):
            here = run.data.tags.get("host") == socket.gethostname()
            if here and not self.liveness.alive(run.info.run_id):
                client.set_terminated(run.info.run_id, "KILLED")
                log.info("MLflow run %s was killed earlier; it is marked so now", run.info.run_id)


def ui_options(uri: str) -> str:
    """Of `mlflow`, to look at the store; on this machine only."""
    local = uri.replace(f"sqlite:///{os.getcwd()}/", "sqlite:///")
    return f"ui --backend-store-uri {local} --host 127.0.0.1"
