"""conf/base/mlflow.yml in the format of kedro-mlflow, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from papergan.errors import RecipeError

if TYPE_CHECKING:
    from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig


@dataclass(frozen=True)
class MlflowConfiguration:
    """What this project takes from kedro-mlflow's configuration.

    tracking_uri: of the store, for example sqlite:////absolute/path/mlflow.db. artifacts: folder for files of new
    MLflow experiments, with a sqlite store. experiment_prefix: stands before the document's name. untracked: pipelines
    of which no MLflow run is made.
    """

    tracking_uri: str
    artifacts: str
    experiment_prefix: str = "papergan"
    untracked: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: KedroMlflowConfig) -> MlflowConfiguration:
        """Raises RecipeError where a place is not given: kedro-mlflow would fall back to one that MLflow refuses."""
        experiment = options.tracking.experiment
        uri, artifacts = options.server.mlflow_tracking_uri, experiment.create_experiment_kwargs.artifact_location
        if not uri or not artifacts:
            raise RecipeError(
                "mlflow.yml must give server.mlflow_tracking_uri and "
                "tracking.experiment.create_experiment_kwargs.artifact_location"
            )
        return cls(uri, artifacts, experiment.name, tuple(options.tracking.disable_tracking.pipelines))


def parse(given: Mapping[str, Any]) -> KedroMlflowConfig:
    """Raises RecipeError naming every wrong key of mlflow.yml."""
    from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig

    try:
        return KedroMlflowConfig.model_validate(dict(given))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise RecipeError(f"mlflow.yml: {'; '.join(faults)}") from None
