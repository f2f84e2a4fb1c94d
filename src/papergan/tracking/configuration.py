"""conf/base/mlflow.yml in the format of kedro-mlflow, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from papergan.errors import RecipeError, did_you_mean
from papergan.messages import quoted
from papergan.validation import validation_errors

if TYPE_CHECKING:
    from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig


STORES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "databricks")


@dataclass(frozen=True)
class MlflowConfiguration:
    """The MLflow settings of this project, from kedro-mlflow's configuration.

    tracking_uri: of the store, for example sqlite:////absolute/path/mlflow.db. artifacts: folder for files of new
    MLflow experiments, with a sqlite store. experiment_prefix: stands before the paper's citation key. untracked:
    pipelines of which no MLflow run is made.
    """

    tracking_uri: str
    artifacts: str
    experiment_prefix: str = "papergan"
    untracked: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: KedroMlflowConfig) -> MlflowConfiguration:
        """The settings. Raises RecipeError where a location is missing: MLflow refuses kedro-mlflow's default.

        Also where it is of no kind that MLflow knows: a run would otherwise go untracked, with one warning.
        """
        experiment = options.tracking.experiment
        uri, artifacts = options.server.mlflow_tracking_uri, experiment.create_experiment_kwargs.artifact_location
        if not uri or not artifacts:
            raise RecipeError(
                "mlflow.yml must give server.mlflow_tracking_uri and "
                "tracking.experiment.create_experiment_kwargs.artifact_location"
            )
        kind = uri.partition(":")[0].partition("+")[0]
        if kind not in STORES:
            raise RecipeError(
                f"mlflow.yml: server.mlflow_tracking_uri: unknown kind {quoted(kind)}{did_you_mean(kind, STORES)}"
            )
        return cls(uri, artifacts, experiment.name, tuple(options.tracking.disable_tracking.pipelines))


def parse(given: Mapping[str, Any]) -> KedroMlflowConfig:
    """Validate mlflow.yml. Raises RecipeError naming every wrong key."""
    from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig

    try:
        return KedroMlflowConfig.model_validate(dict(given))
    except ValidationError as error:
        errors = [detail.removeprefix("mlflow.yml.") for detail in validation_errors("mlflow.yml", error)]
        raise RecipeError(f"mlflow.yml: {'; '.join(errors)}") from None
