"""conf/base/mlflow.yml in the format of kedro-mlflow, validated strictly."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from papergan.errors import RecipeError, did_you_mean
from papergan.messages import quoted
from papergan.project import MLFLOW_VARIABLE, workspace
from papergan.validation import StrictModel, flattened, validation_errors

if TYPE_CHECKING:
    from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig


ARTIFACTS = "tracking.experiment.create_experiment_kwargs.artifact_location"
UNUSED = (
    "server.mlflow_registry_uri", "server.credentials", "server.request_header_provider", "tracking.run.id",
    "tracking.run.name", "tracking.experiment.restore_if_deleted", "tracking.experiment.create_experiment_kwargs.tags",
)  # fmt: skip
"""Settings of kedro-mlflow that this project does not use, and whose effect would be missed."""
SYSTEM_METRICS = "system_metrics"  # the key of mlflow.yml that kedro-mlflow does not know
SERVERS = ("http", "https")
STORES = ("sqlite", "postgresql", "mysql", "mssql", *SERVERS, "databricks")


class SystemMetrics(StrictModel):
    """The settings of MLflow's system metrics: whether they are logged, and the seconds between two samples."""

    enabled: bool = False
    every_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 10.0


@dataclass(frozen=True)
class MlflowConfiguration:
    """The MLflow settings of this project, from kedro-mlflow's configuration.

    tracking_uri: of the store, for example sqlite:////absolute/path/mlflow.db. artifacts: folder for files of new
    MLflow experiments; a server has its own place for them. experiment_prefix: precedes the name of an MLflow
    experiment, with a slash. untracked: pipelines without an MLflow run. interface: address of `mlflow ui`.
    environment: of the run; environments other than local have MLflow experiments of their own. system_metrics: see
    SystemMetrics.
    """

    tracking_uri: str
    artifacts: str
    experiment_prefix: str = ""
    untracked: tuple[str, ...] = ()
    interface: str = "http://127.0.0.1:5000"
    environment: str | None = None
    system_metrics: SystemMetrics = field(default_factory=SystemMetrics)

    @property
    def is_server(self) -> bool:
        """Whether the store is an MLflow server, which stores files itself and allows many writers."""
        return self.tracking_uri.startswith(tuple(f"{kind}://" for kind in SERVERS))

    @classmethod
    def of(cls, options: KedroMlflowConfig) -> MlflowConfiguration:
        """The settings. Raises RecipeError if a location is missing: MLflow rejects kedro-mlflow's default.

        Also if MLflow does not know its kind: otherwise the run would go untracked, with one warning. And for settings
        without an effect.
        """
        experiment = options.tracking.experiment
        given, artifacts = options.server.mlflow_tracking_uri, experiment.create_experiment_kwargs.artifact_location
        uri = os.environ.get(MLFLOW_VARIABLE) or given
        _refuse_unused(options)
        if not uri or not artifacts:
            raise RecipeError(f"mlflow.yml must give server.mlflow_tracking_uri and {ARTIFACTS}")
        kind = uri.partition(":")[0].partition("+")[0]
        if kind not in STORES:
            where = MLFLOW_VARIABLE if uri != given else "mlflow.yml: server.mlflow_tracking_uri"
            raise RecipeError(f"{where}: unknown kind {quoted(kind)}{did_you_mean(kind, STORES)}")
        interface = uri if kind in SERVERS else f"http://{options.ui.host}:{options.ui.port}"
        untracked = tuple(options.tracking.disable_tracking.pipelines)
        return cls(uri, _folder_of(artifacts), experiment.name, untracked, interface.rstrip("/"))


def _folder_of(location: str) -> str:
    """The folder of artifacts; a relative one is in the workspace. Raises RecipeError for other storage."""
    if "://" in location and not location.startswith("file:///"):
        raise RecipeError(
            f"mlflow.yml: {ARTIFACTS}: expected a folder, got {quoted(location)}; for other storage, start "
            "`mlflow server` with it as --artifacts-destination, and give the server's address"
        )
    return str(workspace() / location.removeprefix("file://"))


def _refuse_unused(options: KedroMlflowConfig) -> None:
    """Raise RecipeError for settings of kedro-mlflow that have no effect here, if they are given."""
    default = dict(flattened("", type(options)().model_dump()))
    given = dict(flattened("", options.model_dump()))
    unused = [name for name in given if name.startswith(UNUSED) and given[name] != default.get(name)]
    if unused:
        raise RecipeError(f"mlflow.yml: {', '.join(unused)}: has no effect in this project; leave it out")


def parse(given: Mapping[str, Any]) -> KedroMlflowConfig:
    """Validate mlflow.yml except `system_metrics`. Raises RecipeError naming every wrong key."""
    from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig

    try:
        return KedroMlflowConfig.model_validate({key: value for key, value in given.items() if key != SYSTEM_METRICS})
    except ValidationError as error:
        errors = [detail.removeprefix("mlflow.yml.") for detail in validation_errors("mlflow.yml", error)]
        raise RecipeError(f"mlflow.yml: {'; '.join(errors)}") from None


def parse_system_metrics(given: Mapping[str, Any]) -> SystemMetrics:
    """The `system_metrics` of mlflow.yml. Raises RecipeError for wrong keys, and if psutil is not installed."""
    settings = SystemMetrics.parse(f"mlflow.yml: {SYSTEM_METRICS}", given.get(SYSTEM_METRICS) or {})
    if settings.enabled and find_spec("psutil") is None:
        raise RecipeError(
            f"mlflow.yml: {SYSTEM_METRICS}.enabled: needs psutil: pip install 'papergan[system-metrics]', or set false"
        )
    return settings
